//! What the exact reasons in the trail mean, and what to do about each: for whoever looks after the app, never for the
//! one who was refused.

use roompass_wire::ErrorCode;

/// A reason in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// What it means.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// What `reason` means. Reasons that are public codes mean what the catalogue says of those.
pub fn meaning(reason: &str) -> Meaning {
    let exact = EXACT.iter().find(|(known, ..)| *known == reason).map(|&(_, title, remedy)| Meaning { title, remedy });
    let public = || ErrorCode::ALL.iter().map(|code| code.row()).find(|row| row.code == reason);
    exact.or_else(|| public().map(|row| Meaning { title: row.title, remedy: row.remedy })).unwrap_or(Meaning {
        title: "A reason that this version has no words for",
        remedy: "Look at the record itself: its details say more.",
    })
}

const AS_MINTED: &str = "The text was changed on its way, or its generator does not follow the format. Compare it with what was minted, character by \
     character; the token workbench shows where it breaks.";
const CLAIMS: &str = "Seal the claims with one of the vendor's generators, with token-gen, or mint here: this one writes something else.";
const WITH_RIGHT: &str = "Mint a privilege token that grants it, or ask the client not to try.";

/// Reason, meaning, remedy.
const EXACT: &[(&str, &str, &str)] = &[
    // The text of a token.
    (
        "empty",
        "The token is empty or a single character",
        "See that the client has fetched its token before it logs in.",
    ),
    ("too_long", "The token is longer than tokens may be", "Mint it with a smaller payload."),
    (
        "version_unknown",
        "The text begins with neither 03 nor 04",
        "Pass the token itself: not a JWT, an AppSign, or JSON around it.",
    ),
    (
        "version_not_accepted",
        "This app does not take that version of token",
        "Mint a token04, or let the app take token03.",
    ),
    (
        "cipher_not_accepted",
        "This app does not take tokens sealed with that cipher",
        "Mint with AES-256-GCM, or change the app's CBC policy, knowing what it costs.",
    ),
    (
        "base64",
        "The text is not canonical base64",
        "Look for blanks, line breaks, URL encoding, or the base64url alphabet on the way from the backend to the client.",
    ),
    (
        "truncated",
        "The token ends before it is complete",
        "Look for a column, header or cookie that is too short for tokens, and cuts them.",
    ),
    ("iv_length", "The length of the IV is none that the format has", AS_MINTED),
    ("ciphertext_length", "The length of the ciphertext is impossible", AS_MINTED),
    ("mode_byte", "The mode byte is none that the format has", AS_MINTED),
    (
        "trailing_bytes",
        "Bytes follow the last field of the token",
        "Pass the token alone; or its payload was longer than the format can say.",
    ),
    (
        "older",
        "A renewal brought a token that was issued before the present one",
        "Mint a new token for each renewal, and hand out none that was kept.",
    ),
    // Its inside.
    (
        "undecryptable",
        "No secret of the app opens the token",
        "Mostly the backend seals with another secret, or with that of another app: compare the id of the secret it uses with the app's ring.",
    ),
    ("claims_not_an_object", "The claims are JSON, but no object", CLAIMS),
    ("duplicate_member", "A member of the claims occurs twice", CLAIMS),
    ("claim_missing", "A claim that every token has is missing", CLAIMS),
    (
        "claim_type",
        "A claim has the wrong type",
        "Mind numbers in quotes: app_id, ctime, expire and nonce are integers, user_id and payload are text.",
    ),
    ("claim_range", "A claim is out of range", CLAIMS),
    (
        "app_mismatch",
        "The token is of another app",
        "Mint it for the app that the client logs in to, with that app's secret.",
    ),
    (
        "outer_expiry_differs",
        "The expiry in clear is not the sealed one: somebody has edited the token",
        "Nothing, if it was an attempt. Otherwise look for what rewrites tokens on their way.",
    ),
    (
        "times_invalid",
        "It was issued in no possible second, or expires before it was issued",
        "Mint with times in whole Unix seconds, not milliseconds, and a lifetime above 0.",
    ),
    ("issued_in_future", "It was issued later than now", "Set the clock of the backend that mints."),
    (
        "lifetime_too_long",
        "It lives longer than the app allows",
        "Mint for a shorter time, or raise the app's max_ttl_secs.",
    ),
    ("expired", "The token has expired", "Fetch a new token before each login, and let the SDK renew in the room."),
    (
        "user_mismatch",
        "The token is of another user than the one who logs in",
        "Mint for exactly the id that logs in: ids are compared byte for byte.",
    ),
    (
        "payload_not_an_object",
        "The payload is not one JSON object",
        "Leave the payload empty, or write the privilege JSON as text.",
    ),
    (
        "payload_member",
        "A member of the privilege payload is missing or wrong",
        "It holds room_id (text), privilege ({\"1\":0 or 1,\"2\":0 or 1}) and stream_id_list (a list, or null).",
    ),
    (
        "not_issued",
        "A CBC token that was not minted here, where the app takes only those",
        "Mint it here and pass it on unchanged, or mint a token04 with AES-256-GCM.",
    ),
    (
        "cbc_budget",
        "Too many broken CBC tokens came from there",
        "Wait: this keeps CBC from being used to guess. Mint with AES-256-GCM.",
    ),
    (
        "revoked",
        "The token was revoked",
        "See revocations: those issued later are good, unless the user was shut out on purpose.",
    ),
    (
        "privilege_token_required",
        "An identity token, where the app takes privilege tokens only",
        "Mint with a room_id, or switch off the app's require_privilege_token.",
    ),
    (
        "revocations_stale",
        "This node could not be sure to know every revocation",
        "See whether the store answers: nodes follow it, and call nothing good while they cannot.",
    ),
    (
        "secrets_stale",
        "No secret that this node knows opens the token, and another node may have made one just now",
        "Try again. If it stays so, see whether the store answers: nodes follow it, and this one is seconds behind.",
    ),
    // What it does not grant.
    ("room", "The token is for another room", "Mint it for the room that the client logs in to."),
    ("login", "The token does not grant login", WITH_RIGHT),
    ("publish", "The token does not grant publish", WITH_RIGHT),
    ("play", "The token does not grant play", WITH_RIGHT),
    ("stream", "The token does not list that stream", "Mint it with the stream among stream_ids, or without a list."),
    (
        "media",
        "The token does not let the stream carry that",
        "Mint it with that kind among its media terms, or without them.",
    ),
    (
        "until",
        "That right in the token has ended before the token itself",
        "Fetch a new token, or mint with a longer time for this right.",
    ),
    // Proofs of the AppSign.
    ("proof", "The AppSign proof is wrong", "Check the AppSign, the ids and the server address in the client."),
    ("proof_base64", "The AppSign proof is no base64", "Send the proof as the SDK makes it."),
    ("proof_timestamp", "The AppSign proof was made more than 30 s ago, or ahead", "Set the clock of the client."),
];

#[cfg(test)]
mod tests {
    use token_gen::{Denied, IdFault, Privilege, TokenError};

    use super::*;

    const UNKNOWN: &str = "A reason that this version has no words for";

    #[test]
    fn every_refusal_has_words_for_it() {
        let of_tokens = [
            TokenError::Empty,
            TokenError::Base64,
            TokenError::ModeByte(2),
            TokenError::Undecryptable,
            TokenError::DuplicateMember,
            TokenError::UserMismatch,
            TokenError::PayloadNotAnObject,
            TokenError::PayloadMember("room_id"),
            TokenError::RoomIdInvalid(IdFault::Empty),
        ];
        let denied = [Denied::Room, Denied::Stream, Denied::Play, Denied::Media, Denied::Until];
        let privileges = [Privilege::Login, Privilege::Publish].map(Denied::Privilege);
        let words =
            of_tokens.iter().map(TokenError::code).chain(denied.into_iter().chain(privileges).map(Denied::code));
        for reason in words.chain(ErrorCode::ALL.iter().map(|code| code.as_str())) {
            assert_ne!(meaning(reason).title, UNKNOWN, "{reason}");
        }
        assert_eq!(meaning("never heard of").title, UNKNOWN);
    }

    #[test]
    fn each_reason_is_explained_once() {
        let mut known: Vec<&str> = EXACT.iter().map(|(reason, ..)| *reason).collect();
        let count = known.len();
        known.sort_unstable();
        known.dedup();
        assert_eq!(known.len(), count);
        for (reason, title, remedy) in EXACT {
            assert!(!title.ends_with('.') && remedy.ends_with('.'), "{reason}");
        }
    }
}
