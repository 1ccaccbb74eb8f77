//! Any plaintext given to the claims reader: what is no JSON is undecryptable, what it reads is what serde_json reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use token_gen::{Claims, Limits, Rights, TokenError, Version};

fuzz_target!(|plaintext: &[u8]| {
    for (version, issued, expires) in
        [(Version::Token04, "ctime", "expire"), (Version::Token03, "create_time", "expire_time")]
    {
        let read = Claims::from_plaintext(version, plaintext, Limits::STRICT.max_depth);
        let other: Result<Value, _> = serde_json::from_slice(plaintext);
        match (&read, &other) {
            (Ok(claims), Ok(other)) => {
                assert_eq!(other["app_id"], claims.app_id.get());
                assert_eq!(other["user_id"], claims.user_id);
                assert_eq!(other[issued], claims.issued_at.get());
                assert_eq!(other[expires], claims.expire_at.get());
                assert_eq!(other["nonce"], claims.nonce);
                if let Some(payload) = claims.payload() {
                    assert_eq!(other["payload"].as_str().unwrap_or(""), payload);
                }
                let _ = claims.permit_publish("room", "stream");
            }
            // A number beyond a double is JSON, but serde_json has no place for it. The reader needs none.
            (_, Err(error)) if error.to_string().starts_with("number out of range") => {}
            (Err(error), Err(_)) => assert_eq!(*error, TokenError::Undecryptable),
            (Ok(_), Err(error)) => panic!("serde_json refuses this: {error}"),
            // It is JSON; then the fault is another one, or it nests deeper than we read.
            (Err(error), Ok(other)) => {
                assert!(
                    *error != TokenError::Undecryptable
                        || depth(other) > Limits::STRICT.max_depth
                        || may_hide_depth(plaintext)
                );
            }
        }
    }
    if let Ok(text) = str::from_utf8(plaintext)
        && let Ok(rights) = Rights::from_payload(text, Limits::STRICT.max_depth)
    {
        assert_eq!(Rights::from_payload(&rights.to_payload(), Limits::STRICT.max_depth), Ok(rights));
    }
});

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// serde_json keeps the last of equal members, and a deep first one leaves no trace in its value.
fn may_hide_depth(plaintext: &[u8]) -> bool {
    plaintext.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > Limits::STRICT.max_depth
}
