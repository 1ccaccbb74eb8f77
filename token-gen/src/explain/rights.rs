//! What is wrong with a privilege payload, and which rights it lacks for an attempted login.

use alloc::{format, string::String, vec::Vec};

use serde_json::Value;

use super::{differ::Difference, verdict::Attempt};
use crate::{
    claims::Claims,
    error::TokenError,
    finding::Finding,
    json::{self, Fault},
    privilege::Privilege,
    rights::{Rights, RoomScope, StreamScope},
    time::UnixSeconds,
    verify::Limits,
};

/// The form to copy.
const EXAMPLE: &str = r#"{"room_id":"room1","privilege":{"1":1,"2":0},"stream_id_list":null}"#;

/// Judges the rights in `claims` for `attempt`.
pub(crate) fn judge(claims: &Claims, attempt: Attempt<'_>, now: UnixSeconds, findings: &mut Vec<Finding>) {
    if attempt.room_id.is_none() && attempt.stream_id.is_none() {
        return;
    }
    match claims.rights() {
        Ok(None) => {}
        Ok(Some(rights)) => {
            denials(&rights, attempt, findings);
            ended(&rights, attempt, now, findings);
        }
        Err(error) => findings.push(malformed(claims.payload().unwrap_or_default(), &error)),
    }
}

fn denials(rights: &Rights, attempt: Attempt<'_>, findings: &mut Vec<Finding>) {
    if let (Some(room_id), RoomScope::Only(own)) = (attempt.room_id, rights.room())
        && room_id != own
    {
        let difference = Difference::between(own, room_id);
        let (own, room_id) = (difference.show(own), difference.show(room_id));
        let how = match difference {
            Difference::Case => "; they differ in capital and small letters only",
            Difference::WhiteSpace => "; they differ in white space only",
            Difference::Normalisation => "; they look alike but are other Unicode code points",
            Difference::Other => "",
        };
        findings.push(Finding::new(
            "room_differs",
            format!("The token is for the room {own}, the login is to {room_id}{how}."),
            format!("Log in to {own}, or mint a token whose room_id is {room_id}."),
        ));
    }
    if let (Some(room_id), RoomScope::Several(several)) = (attempt.room_id, rights.room())
        && !rights.covers_room(room_id)
    {
        let shown: Vec<String> = several.iter().take(8).map(|one| format!("{one:?}")).collect();
        let more = if several.len() > shown.len() { ", …" } else { "" };
        findings.push(Finding::new(
            "room_differs",
            format!("The token is for the rooms {}{more}, the login is to {room_id:?}.", shown.join(", ")),
            format!("Log in to one of them, or mint a token with {room_id:?} among its rooms."),
        ));
    }
    let granted = rights.privileges();
    let names: Vec<&str> = granted.iter().map(Privilege::as_str).collect();
    let names = if names.is_empty() { String::from("nothing") } else { format!("only {}", names.join(" and ")) };
    if attempt.room_id.is_some() && !granted.contains(Privilege::Login) {
        findings.push(Finding::new(
            "login_denied",
            format!("The token does not grant login: privilege \"1\" is 0 or absent (it grants {names})."),
            "Mint it with privilege {\"1\":1}; a missing key means denied.",
        ));
    }
    let Some(stream_id) = attempt.stream_id else { return };
    if !granted.contains(Privilege::Publish) {
        findings.push(Finding::new(
            "publish_denied",
            format!("The token does not grant publish: privilege \"2\" is 0 or absent (it grants {names})."),
            "Mint it with privilege {\"2\":1}; a missing key means denied.",
        ));
    }
    if let StreamScope::Only(list) = rights.streams()
        && !list.iter().any(|listed| listed == stream_id)
    {
        let shown: Vec<String> = list.iter().take(8).map(|listed| format!("{listed:?}")).collect();
        let listed = if list.is_empty() { String::from("no stream at all") } else { shown.join(", ") };
        let more = if list.len() > shown.len() { ", …" } else { "" };
        findings.push(Finding::new(
            "stream_not_listed",
            format!("The token does not list the stream {stream_id:?}: it lists {listed}{more}."),
            format!("Mint it with {stream_id:?} in stream_id_list, or with null for the list to allow every stream."),
        ));
    }
}

/// Rights that ended before their token.
fn ended(rights: &Rights, attempt: Attempt<'_>, now: UnixSeconds, findings: &mut Vec<Finding>) {
    let terms = rights.terms();
    for (right, is_asked, until) in [
        ("login", attempt.room_id.is_some(), terms.login_until),
        ("publish", attempt.stream_id.is_some(), terms.publish_until),
    ] {
        if let Some(until) = until.filter(|&until| is_asked && now >= until) {
            findings.push(Finding::new(
                "until",
                format!("The token's right to {right} ended at {until}, before the token."),
                format!("Mint a new token, or one whose right to {right} lasts longer."),
            ));
        }
    }
}

/// Why `payload` is not of the privilege form.
fn malformed(payload: &str, error: &TokenError) -> Finding {
    let parsed = serde_json::from_str::<Value>(payload);
    match (error, parsed) {
        (TokenError::PayloadMember(name), Ok(parsed)) => {
            let found = match parsed.get(name) {
                None => format!("The payload has no {name}."),
                Some(value) => {
                    format!("The payload's {name} is {}, which is not of its form.", excerpt(&value_text(value)))
                }
            };
            let code = if *name == "privilege" { "privilege_malformed" } else { "payload_member" };
            let form = match *name {
                "privilege" => {
                    "privilege is an object whose keys \"1\" (login) and \"2\" (publish) hold the number 0 or 1"
                }
                "room_id" => "room_id is a string; \"\" means any room",
                "roompass" => {
                    "roompass is an object with members that this version knows, each of its form; leave it out, or update \
                     the reader"
                }
                _ => "stream_id_list is an array of strings, or null",
            };
            Finding::new(code, found, format!("In the payload, {form}. Such as: {EXAMPLE}"))
        }
        (_, Ok(Value::String(_))) => Finding::new(
            "payload_encoded_twice",
            "The payload is a JSON string that holds the JSON object: it was encoded twice.",
            format!("Encode it once (call JSON.stringify or json.dumps once), so that the payload text is {EXAMPLE}"),
        ),
        (_, Ok(_)) if json::parse(payload, Limits::STRICT.max_depth) == Err(Fault::DuplicateMember) => Finding::new(
            "payload_duplicate_member",
            "A member occurs twice in the payload.",
            "Write each member once: readers disagree on which of two counts.",
        ),
        (_, Ok(Value::Object(_))) => Finding::new(
            "payload_too_deep",
            format!("The payload is nested deeper than {} levels.", Limits::STRICT.max_depth),
            format!("Keep to the form {EXAMPLE}"),
        ),
        (_, Ok(_)) => Finding::new(
            "payload_not_an_object",
            "The payload is JSON, but not an object.",
            format!("Give it the form {EXAMPLE}"),
        ),
        (_, Err(_)) if has_bare_key(payload) => Finding::new(
            "payload_keys_unquoted",
            "The payload is not JSON: a member name has no quotation marks.",
            format!("Quote the names, also the numbers 1 and 2, or let a JSON library write it: {EXAMPLE}"),
        ),
        (_, Err(_)) if payload.trim_start_matches(['{', '[', ' ']).starts_with('\'') => Finding::new(
            "payload_single_quotes",
            "The payload is not JSON: its strings are in single quotes, as a language prints its own values.",
            format!("Write it with a JSON library (json.dumps, not str): {EXAMPLE}"),
        ),
        (_, Err(fault)) => Finding::new(
            "payload_not_json",
            format!("The payload is not JSON: {fault}."),
            format!("Leave the payload empty for an identity token, or give it the form {EXAMPLE}"),
        ),
    }
}

/// Whether a name stands without quotes after a `{` or `,`, outside strings.
fn has_bare_key(text: &str) -> bool {
    let mut in_string = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' | ',' if !in_string => {
                let rest = text[at + 1..].trim_start();
                let after = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
                if after.len() < rest.len() && after.trim_start().starts_with(':') {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

pub(crate) fn value_text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// At most 60 characters of `text`.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
