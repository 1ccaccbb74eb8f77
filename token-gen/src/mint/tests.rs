//! The writer against the public generators: what they sealed, sealed by us, is the same token.

use std::{collections::BTreeMap, println};

use serde_json::Value;

use super::*;
use crate::{
    privilege::{Privilege, Privileges},
    test_data::{hex, vectors},
};

fn text<'v>(vector: &'v Value, member: &str) -> &'v str {
    vector[member].as_str().unwrap()
}

fn reference() -> Vec<Value> {
    ["reference-tokens.json", "oversize-tokens.json"].into_iter().flat_map(vectors).collect()
}

fn format_of(vector: &Value) -> Format {
    match (text(vector, "format"), text(vector, "cipher")) {
        ("token03", _) => Format::Token03,
        (_, "gcm") => Format::Token04Gcm,
        _ => Format::Token04Cbc,
    }
}

#[test]
fn every_reference_token_is_written_again_byte_for_byte() {
    let vectors = reference();
    for vector in &vectors {
        let expect = &vector["expect"];
        let secret = ServerSecret::new(text(vector, "secret")).unwrap();
        let minter = Minter::new(AppId::new(1).unwrap(), &secret).with_format(format_of(vector));
        let (plaintext, iv) = (text(expect, "plaintext"), hex(&expect["iv_hex"]));
        let expire_at = expect["expire"].as_i64().unwrap().into();
        let token = text(vector, "token").split('#').next();
        assert_eq!(minter.seal_plaintext(plaintext.as_bytes(), expire_at, &iv).as_deref(), token, "{}", vector["id"]);
    }
    println!("reference tokens written again byte for byte: {}", vectors.len());
    assert_eq!(vectors.len(), 321);
}

#[test]
fn our_claims_are_those_of_the_generators_with_our_order_and_escapes() {
    let mut equal = BTreeMap::new();
    for vector in reference() {
        let (language, expect) = (text(&vector, "language"), &vector["expect"]);
        let ours = claims_of(&vector);
        let theirs = text(expect, "plaintext");
        let is_same = ours == theirs.as_bytes();
        // No null payload is ever written by us; all else of these three is what we write.
        let comparable = matches!(language, "nodejs" | "typescript" | "python")
            && (vector["payload"].is_string() || format_of(&vector) == Format::Token03);
        assert!(is_same || !comparable, "{}: {theirs}", vector["id"]);
        let same: &mut usize = equal.entry(std::string::String::from(language)).or_default();
        *same += usize::from(is_same);
    }
    println!("plaintexts equal to ours: {equal:?}");
    assert!(["nodejs", "typescript", "python"].iter().all(|&language| equal[language] > 0));
}

fn claims_of(vector: &Value) -> Vec<u8> {
    let expect = &vector["expect"];
    let mut out = Vec::new();
    let app_id = AppId::new(vector["app_id"].as_u64().unwrap().try_into().unwrap()).unwrap();
    let issued_at = expect["ctime"].as_i64().unwrap().into();
    let expire_at = expect["expire"].as_i64().unwrap().into();
    let nonce = expect["nonce"].as_i64().unwrap();
    let user_id = text(vector, "user_id");
    if format_of(vector) == Format::Token03 {
        let granted = |privilege: &Privilege| vector["privilege"][privilege.wire_key()] == 1;
        let privileges: Privileges = Privilege::ALL.into_iter().filter(granted).collect();
        let room_id = text(vector, "room_id");
        Token03Claims { app_id, room_id, user_id, privileges, issued_at, expire_at, nonce }.write(&mut out);
    } else {
        let payload = vector["payload"].as_str().unwrap_or_default();
        Token04Claims { app_id, user_id, nonce, issued_at, expire_at, payload }.write(&mut out);
    }
    out
}
