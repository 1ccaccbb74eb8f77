//! The claims of an opened token, read leniently: all members, doubled ones too, and every claim that can be read.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::{
    claims::OpenedClaims,
    rights::{excerpt, value_text},
    verdict::Attempt,
};
use crate::{envelope::Version, error::TokenError, finding::Finding};

/// The members of one object in their order, doubled ones included.
pub(crate) struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// The members of the plaintext, or why it has none.
pub(crate) fn members(plaintext: &[u8]) -> Result<Members, Finding> {
    if plaintext.is_empty() {
        return Err(Finding::new(
            "claims_empty",
            "It opens, but there is nothing inside.",
            "Its generator failed to write the claims and sealed an empty text (PHP does so for a user id that is not UTF-8): \
             pass it ids in UTF-8.",
        ));
    }
    serde_json::from_slice(plaintext).map_err(|_| match serde_json::from_slice::<Value>(plaintext) {
        Ok(_) => Finding::of_error(&TokenError::ClaimsNotAnObject),
        Err(_) => Finding::new(
            "claims_not_json",
            "It opens, but what is inside is not one JSON text in UTF-8.",
            "The generator is broken, or a CBC token was altered: mint a new one with a JSON library, in UTF-8.",
        ),
    })
}

/// Reads every claim it can and notes those it cannot.
pub(crate) fn read(
    version: Version,
    members: &Members,
    attempt: Attempt<'_>,
    findings: &mut Vec<Finding>,
) -> OpenedClaims {
    let find = |name: &str| members.0.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    for (at, (name, _)) in members.0.iter().enumerate() {
        if members.0[..at].iter().any(|(earlier, _)| earlier == name) {
            findings.push(Finding::new(
                "duplicate_member",
                format!("The claims have the member {} twice.", excerpt(&format!("{name:?}"))),
                "Write each claim once: readers disagree on which of two counts, so none is taken.",
            ));
        }
    }
    let mut integer = |name: &'static str| match find(name) {
        None | Some(Value::Null) => {
            findings.push(missing(name, version));
            None
        }
        Some(value) => {
            let integer = value.as_i64();
            if integer.is_none() {
                findings.push(wrong_type(name, value, "a whole number without quotes, fraction or exponent"));
            }
            integer
        }
    };
    let (issued_at_name, expire_at_name) = match version {
        Version::Token04 => ("ctime", "expire"),
        Version::Token03 => ("create_time", "expire_time"),
    };
    let mut claims = OpenedClaims {
        app_id: integer("app_id"),
        issued_at: integer(issued_at_name),
        expire_at: integer(expire_at_name),
        nonce: integer("nonce"),
        ..OpenedClaims::default()
    };
    claims.user_id = match find("user_id") {
        Some(Value::String(user_id)) if !user_id.is_empty() => Some(user_id.clone()),
        Some(Value::String(_)) => {
            findings.push(Finding::new(
                "claim_range",
                "The sealed user_id is empty.",
                "Mint the token for the id of the user who will log in.",
            ));
            None
        }
        Some(Value::Number(number)) => {
            findings.push(user_is_number(&number.to_string(), attempt));
            None
        }
        None | Some(Value::Null) => {
            findings.push(missing("user_id", version));
            None
        }
        Some(value) => {
            findings.push(wrong_type("user_id", value, "a string"));
            None
        }
    };
    match (version, find("payload")) {
        (Version::Token04, Some(Value::String(payload))) => claims.payload = Some(payload.clone()),
        (Version::Token04, None | Some(Value::Null)) => claims.payload = Some(String::new()),
        (Version::Token04, Some(value @ (Value::Object(_) | Value::Array(_)))) => findings.push(Finding::new(
            "payload_not_text",
            format!("The payload was sealed as a JSON value, {}, not as text.", excerpt(&value_text(value))),
            "Pass the generator the payload as a string: JSON.stringify(payload), json.dumps(payload).",
        )),
        (Version::Token04, Some(value)) => findings.push(wrong_type("payload", value, "a string")),
        (Version::Token03, _) => match find("room_id") {
            Some(Value::String(room_id)) => claims.room_id = Some(room_id.clone()),
            None | Some(Value::Null) => findings.push(missing("room_id", version)),
            Some(value) => findings.push(wrong_type("room_id", value, "a string")),
        },
    }
    claims
}

fn missing(name: &'static str, version: Version) -> Finding {
    Finding::new(
        "claim_missing",
        format!("The claim {name} is missing."),
        format!("Use a generator of {version}; a {version} without {name} is incomplete."),
    )
}

fn wrong_type(name: &'static str, value: &Value, wanted: &str) -> Finding {
    Finding::new(
        "claim_type",
        format!("The claim {name} is {}.", excerpt(&value_text(value))),
        format!("Seal {name} as {wanted}."),
    )
}

fn user_is_number(number: &str, attempt: Attempt<'_>) -> Finding {
    let same = if attempt.user_id == Some(number) { ", which is why it differs from the text logging in" } else { "" };
    Finding::new(
        "user_id_is_number",
        format!("The user id was sealed as the number {number}, not as text{same}."),
        format!("Pass the generator the user id as a string, \"{number}\": String(userId), str(user_id)."),
    )
}
