//! What is wrong with the claims of an opened token, one fault not hiding the others.

use alloc::{format, string::String, vec::Vec};

use serde::Serialize;

use super::{
    differ::Difference,
    opening::Opened,
    reading, rights, times,
    verdict::{Attempt, Rules},
};
use crate::{
    claims::Claims,
    error::TokenError,
    finding::Finding,
    kit::KitInfo,
    privilege::Privilege,
    rights::{RoomScope, StreamScope},
    terms::TermsView,
    time::UnixSeconds,
};

/// The claims as far as they can be read, also of a token that is refused. Proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[non_exhaustive]
pub struct OpenedClaims {
    /// The app.
    pub app_id: Option<i64>,
    /// The user.
    pub user_id: Option<String>,
    /// When it was issued, in Unix seconds.
    pub issued_at: Option<i64>,
    /// When it ends, in Unix seconds.
    pub expire_at: Option<i64>,
    /// The random number.
    pub nonce: Option<i64>,
    /// The payload of a token04.
    pub payload: Option<String>,
    /// The room it is for; `""` for any; absent for an identity token.
    pub room_id: Option<String>,
    /// What it grants there.
    pub privileges: Option<Vec<&'static str>>,
    /// The streams it may publish; absent for any.
    pub stream_ids: Option<Vec<String>>,
    /// What else it sets; absent if nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsView>,
}

/// Judges what was opened and returns what it says.
pub(crate) fn judge(
    opened: &Opened<'_>,
    rules: &Rules<'_>,
    attempt: Attempt<'_>,
    now: UnixSeconds,
    findings: &mut Vec<Finding>,
) -> Option<OpenedClaims> {
    if opened.is_unpadded {
        findings.push(Finding::new(
            "padding_block_missing",
            "It opens, but without the block of padding that the format demands.",
            "Its generator leaves the padding away at some lengths (an old C++ token03 generator does): use another one, \
             preferably of token04.",
        ));
    }
    let before = findings.len();
    let members = match reading::members(&opened.plaintext) {
        Ok(members) => members,
        Err(finding) => {
            findings.push(finding);
            return None;
        }
    };
    let version = opened.format.version();
    let mut claims = reading::read(version, &members, attempt, findings);
    if let Some(app_id) = claims.app_id {
        judge_app(app_id, rules, findings);
    }
    if let (Some(issued_at), Some(expire_at)) = (claims.issued_at, claims.expire_at) {
        times::judge(issued_at.into(), expire_at.into(), opened.outer_expire_at, rules, now, findings);
    }
    if claims.payload.as_ref().is_some_and(|payload| payload.len() > rules.limits.max_payload_bytes) {
        let max_bytes = rules.limits.max_payload_bytes;
        findings.push(Finding::of_error(&TokenError::PayloadTooLong { max_bytes }));
    }
    if let (Some(sealed), Some(attempted)) = (&claims.user_id, attempt.user_id) {
        findings.extend(user_differs(sealed, attempted));
    }
    match Claims::from_plaintext(version, &opened.plaintext, rules.limits.max_depth) {
        Ok(strict) => {
            if let Ok(Some(rights)) = strict.rights() {
                claims.room_id = Some(match rights.room() {
                    RoomScope::Any => String::new(),
                    RoomScope::Only(room_id) => room_id.clone(),
                    RoomScope::Several(several) => several.first().cloned().unwrap_or_default(),
                });
                claims.terms = TermsView::of(&rights);
                claims.privileges = Some(rights.privileges().iter().map(Privilege::as_str).collect());
                claims.stream_ids = match rights.streams() {
                    StreamScope::Any => None,
                    StreamScope::Only(list) => Some(list.clone()),
                };
            }
            rights::judge(&strict, attempt, now, findings);
        }
        Err(TokenError::Undecryptable) if findings.len() == before => findings.push(Finding::new(
            "claims_not_json",
            format!("The claims are nested deeper than {} levels, or hold broken escapes.", rules.limits.max_depth),
            "Seal flat claims, written by a JSON library.",
        )),
        Err(error) if findings.len() == before => findings.push(Finding::of_error(&error)),
        Err(_) => {}
    }
    Some(claims)
}

/// Judges that the readable half of a Kit Token agrees with its token.
pub(crate) fn judge_kit(claims: &OpenedClaims, kit: &KitInfo, findings: &mut Vec<Finding>) {
    if claims.app_id.is_some_and(|app_id| app_id != i64::from(kit.app_id.get())) {
        findings.push(Finding::of_error(&TokenError::KitAppMismatch));
    }
    if claims.user_id.as_ref().is_some_and(|user_id| *user_id != kit.user_id) {
        findings.push(Finding::of_error(&TokenError::KitUserMismatch));
    }
}

fn judge_app(app_id: i64, rules: &Rules<'_>, findings: &mut Vec<Finding>) {
    if !(1..=i64::from(u32::MAX)).contains(&app_id) {
        findings.push(Finding::new(
            "claim_range",
            format!("The claim app_id is {app_id}, outside 1 to 4294967295."),
            format!("Mint for app {}.", rules.app_id),
        ));
    } else if app_id != i64::from(rules.app_id.get()) {
        findings.push(Finding::new(
            "app_mismatch",
            format!("The token is of app {app_id}, not {}.", rules.app_id),
            format!("Mint it for app {} with that app's secret, or log in to app {app_id}.", rules.app_id),
        ));
    }
}

fn user_differs(sealed: &str, attempted: &str) -> Option<Finding> {
    if sealed == attempted {
        return None;
    }
    let difference = Difference::between(sealed, attempted);
    let (code, how) = match difference {
        Difference::Other => ("user_mismatch", ""),
        Difference::Case => ("user_differs_by_case", "; they differ in capital and small letters only"),
        Difference::WhiteSpace => ("user_differs_by_white_space", "; they differ in white space only"),
        Difference::Normalisation => {
            ("user_differs_by_normalisation", "; they look alike but are other Unicode code points")
        }
    };
    let remedy = match code {
        "user_mismatch" => {
            format!("Mint a token for {}, or log in as the user it was minted for.", difference.show(attempted))
        }
        _ => String::from(
            "Use one spelling everywhere: ids are compared byte for byte, so take the id that logs in from the same place as the id \
             that is minted for.",
        ),
    };
    let problem = format!(
        "The token is of the user {}, the login is of {}{how}.",
        difference.show(sealed),
        difference.show(attempted)
    );
    Some(Finding::new(code, problem, remedy))
}
