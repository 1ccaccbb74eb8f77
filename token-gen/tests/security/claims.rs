//! Claims of the wrong type, out of range, absent or twice.

use token_gen::{Format, RefusalClass};

use crate::forge::{APP, FORMATS, NOW, TTL, good_claims, lenient, now, object, seal};

const NOT_INTEGERS: [&str; 16] = [
    "\"1795440112\"",
    "1795440112.0",
    "1.5",
    "1e3",
    "1E9",
    "-0",
    "9223372036854775808",
    "-9223372036854775809",
    "null",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "[1795440112]",
    "\"0x6b043df0\"",
];
const NOT_NAMES: [&str; 11] = ["1", "0", "1.5", "null", "true", "[]", "[\"alice\"]", "{}", "\"\"", "-1", "1e2"];
const NOT_PAYLOADS: [&str; 8] = ["1", "0", "{}", "{\"room_id\":\"r\"}", "[]", "true", "false", "1.5"];
const NOT_PRIVILEGES: [&str; 16] = [
    "null",
    "1",
    "\"\"",
    "[]",
    "true",
    "{\"1\":2}",
    "{\"1\":-1}",
    "{\"1\":true}",
    "{\"1\":\"1\"}",
    "{\"1\":1.0}",
    "{\"2\":null}",
    "{\"2\":[]}",
    "{\"2\":{}}",
    "{\"2\":1e0}",
    "{\"1\":1,\"1\":1}",
    "{\"2\":0,\"\\u0032\":1}",
];

/// Every way to spoil `good`, each with a word about it.
fn spoiled(good: &[(&'static str, String)]) -> Vec<(String, String)> {
    let mut sets = Vec::new();
    let with = |at: usize, value: &str| {
        let mut claims = good.to_vec();
        claims[at].1 = value.to_owned();
        object(&claims)
    };
    for (at, (name, value)) in good.iter().enumerate() {
        let others: &[&str] = match *name {
            "user_id" | "room_id" => &NOT_NAMES,
            "payload" => &NOT_PAYLOADS,
            "privilege" => &NOT_PRIVILEGES,
            _ => &NOT_INTEGERS,
        };
        sets.extend(others.iter().map(|other| (format!("{name} = {other}"), with(at, other))));
        if *name != "payload" {
            let mut absent = good.to_vec();
            absent.remove(at);
            sets.push((format!("{name} absent"), object(&absent)));
            let mut capital = good.to_vec();
            let shouted = name.to_uppercase();
            capital.remove(at);
            sets.push((
                format!("{name} in capitals"),
                object(&[&capital[..], &[(shouted.as_str(), value.clone())]].concat()),
            ));
        }
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        for twin in [name.to_string(), escaped] {
            let doubled = [good, &[(twin.as_str(), value.clone())]].concat();
            sets.push((format!("{name} twice as {twin}"), object(&doubled)));
        }
    }
    for app_id in ["0", "-1", "4294967296", "-1234567890", "9223372036854775807"] {
        sets.push((format!("app_id = {app_id}"), with(0, app_id)));
    }
    let (issued, expires) = (3, 4);
    for time in ["0", "-1", "-9223372036854775808"] {
        sets.push((format!("issued {time}"), with(issued, time)));
    }
    for (word, time) in [("as it is issued", NOW), ("before it is issued", NOW - 1), ("long ago", 1)] {
        sets.push((format!("expires {word}"), with(expires, &time.to_string())));
    }
    for (word, inside) in [
        ("a double deep in an extra member", r#"{"a":[{"b":1,"b":1}]}"#),
        ("a double in an extra member", r#"{"a":1,"a":1}"#),
    ] {
        sets.push((word.to_owned(), object(&[good, &[("extra", inside.to_owned())]].concat())));
    }
    for whole in ["[]", "null", "1", "\"text\"", "true", "{}"] {
        sets.push((format!("the claims are {whole}"), whole.to_owned()));
    }
    sets
}

// proves T11
#[test]
fn no_bad_claim_set_is_accepted() {
    for format in FORMATS {
        let good = good_claims(format);
        assert!(lenient().verify(&seal(format, NOW + TTL, [9; 16], object(&good).as_bytes()), now()).is_ok());
        let sets = spoiled(&good);
        for (word, plaintext) in &sets {
            // The expiry in clear follows the sealed one where it can, so that it is not what refuses.
            let expire =
                if plaintext.contains(&format!("\":{}", NOW + TTL)) { NOW + TTL } else { inner_expiry(plaintext) };
            let refused =
                lenient().verify(&seal(format, expire, [9; 16], plaintext.as_bytes()), now()).expect_err(word);
            assert_eq!(refused.class(), RefusalClass::ClaimsInvalid, "{format}, {word}: {}", refused.reason());
        }
        println!("{format}: {} bad claim sets refused", sets.len());
        assert!(sets.len() >= 120, "{}", sets.len());
    }
}

fn inner_expiry(plaintext: &str) -> i64 {
    let claims: serde_json::Value = serde_json::from_str(plaintext).unwrap();
    ["expire", "expire_time"].iter().find_map(|name| claims[name].as_i64()).unwrap_or(NOW + TTL)
}

#[test]
fn what_the_specification_says_must_be_accepted_is() {
    for format in FORMATS {
        let good = good_claims(format);
        let mut reversed = good.clone();
        reversed.reverse();
        let extra = [&good[..], &[("extra", r#"{"user_id":"bob","list":[1,2.5,null]}"#.to_owned())]].concat();
        let spaced = object(&good).replace(',', " ,\n\t").replace("\":", "\" :\r ");
        let escaped = object(&good).replace("alice", "\\u0061l\\u0069ce");
        for plaintext in [object(&reversed), object(&extra), format!(" {spaced} "), escaped] {
            let token = seal(format, NOW + TTL, [0xff; 16], plaintext.as_bytes());
            let verified = lenient().verify_user(&token, "alice", now());
            assert!(verified.is_ok(), "{format}: {plaintext}");
        }
    }
    for payload in ["null", "absent"] {
        let mut claims = good_claims(Format::Token04Gcm);
        claims[5].1 = payload.to_owned();
        claims.truncate(if payload == "absent" { 5 } else { 6 });
        let token = seal(Format::Token04Gcm, NOW + TTL, [0; 16], object(&claims).as_bytes());
        assert_eq!(lenient().verify(&token, now()).unwrap().claims.payload(), Some(""));
    }
    assert_eq!(lenient().app_id().get(), APP);
}
