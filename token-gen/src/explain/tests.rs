//! Facts about explanations in general, over all vectors, and faults that only a sealed odd plaintext shows.

use std::{fs, path::Path, println, string::String, vec::Vec};

use serde::Deserialize;

use super::*;
use crate::{
    AppId, Minter, ServerSecret,
    verify::{Accept, Limits},
};

const SECRET: &str = "fa94dd0f974cf2e293728a526b028271";
const NOW: i64 = 1_795_440_112;

#[derive(Clone, Deserialize)]
struct Vector {
    id: String,
    format: String,
    token: String,
    secret: String,
    app_id: u32,
    user_id: String,
    #[serde(alias = "verify_at")]
    now: i64,
    #[serde(default)]
    stage: String,
    room_id: Option<String>,
    stream_id: Option<String>,
}

fn load(name: &str) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    serde_json::from_str(&fs::read_to_string(path).expect("the vectors are in the repository")).expect("they parse")
}

fn explain_vector(vector: &Vector, accept: Accept) -> (Explanation, bool) {
    let secret = ServerSecret::new(&vector.secret).expect("vectors have good secrets");
    let secrets = [KnownSecret { name: "current", secret: &secret, accepted: true }];
    let mut rules = Rules::new(AppId::new(vector.app_id).expect("vectors have good apps"), &secrets);
    rules.accept = accept;
    rules.kit = if vector.format == "kit" { KitPolicy::Required } else { KitPolicy::Refused };
    let authorizes = vector.stage == "authorize";
    let attempt = Attempt {
        user_id: Some(&vector.user_id),
        room_id: vector.room_id.as_deref().filter(|_| authorizes),
        stream_id: vector.stream_id.as_deref().filter(|_| authorizes),
    };
    let now = UnixSeconds::new(vector.now);
    (explain(&vector.token, &rules, attempt, now), rules.check(&vector.token, attempt, now).is_ok())
}

#[test]
fn valid_is_what_the_rules_admit_and_findings_are_what_they_refuse() {
    let mut counts = [0, 0];
    for name in ["reference-tokens.json", "invalid-tokens.json", "oversize-tokens.json"] {
        for vector in load(name) {
            for accept in [Accept::ALL, Accept::GCM, Accept::NONE.with(Format::Token03)] {
                let (explanation, admitted) = explain_vector(&vector, accept);
                assert_eq!(explanation.valid, admitted, "{}", vector.id);
                assert_eq!(explanation.findings.is_empty(), admitted, "{}: {:?}", vector.id, explanation.findings);
                assert_eq!(explanation.class.is_none(), admitted, "{}", vector.id);
                let shown = serde_json::to_string(&explanation).unwrap();
                assert!(!shown.contains(&vector.secret), "{}: the secret is in the explanation", vector.id);
                for code in explanation.findings.iter().map(|finding| finding.code).chain(explanation.code) {
                    assert!(documented(code), "{code}");
                }
                counts[usize::from(admitted)] += 1;
            }
        }
    }
    println!("explained: {} refused, {} admitted", counts[0], counts[1]);
    assert!(counts[0] > 600 && counts[1] > 300);
}

fn documented(code: &str) -> bool {
    include_str!("../../README.md").contains(&format!("`{code}`"))
}

#[test]
fn nothing_done_to_a_text_makes_it_panic_or_disagree_with_the_rules() {
    let odd = ["", "=", "#", " ", "-", "%2", "\u{feff}", "é", "\"", "\0", "04", "A"];
    let mut count = 0;
    for vector in load("reference-tokens.json").iter().step_by(20) {
        let ends: Vec<_> = vector.token.char_indices().map(|(at, _)| at).step_by(7).collect();
        for at in ends {
            for insert in odd {
                let (head, tail) = vector.token.split_at(at);
                let token = format!("{head}{insert}{tail}");
                for text in [token.as_str(), &token[..at + insert.len()]] {
                    let changed = Vector { token: text.into(), ..vector.clone() };
                    let (explanation, admitted) = explain_vector(&changed, Accept::ALL);
                    assert_eq!(explanation.valid, admitted, "{text:?}");
                    assert_eq!(explanation.findings.is_empty(), admitted, "{text:?}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 5_000, "{count}");
}

/// The finding codes for a token04-GCM whose sealed claims are `plaintext`.
fn sealed(plaintext: &str) -> Vec<&'static str> {
    sealed_for(plaintext, Attempt { user_id: Some("42"), room_id: Some("r1"), stream_id: None })
}

fn sealed_for(plaintext: &str, attempt: Attempt<'_>) -> Vec<&'static str> {
    let secret = ServerSecret::new(SECRET).expect("it has 32 bytes");
    let app_id = AppId::new(1).expect("1 is an app");
    let expire_at = UnixSeconds::new(NOW + 3600);
    let token =
        Minter::new(app_id, &secret).seal_plaintext(plaintext.as_bytes(), expire_at, &[7; 16]).expect("it fits");
    let secrets = [KnownSecret { name: "current", secret: &secret, accepted: true }];
    let explanation = explain(&token, &Rules::new(app_id, &secrets), attempt, UnixSeconds::new(NOW));
    assert!(!explanation.valid, "{plaintext}");
    let codes: Vec<_> = explanation.findings.iter().map(|finding| finding.code).collect();
    assert!(codes.iter().all(|code| documented(code)), "{codes:?}");
    codes
}

fn claims(user_id: &str, times: [i64; 2], payload: &str) -> String {
    let [ctime, expire] = times;
    format!(r#"{{"app_id":1,"user_id":{user_id},"nonce":5,"ctime":{ctime},"expire":{expire},"payload":{payload}}}"#)
}

#[test]
fn odd_claims_are_named_one_by_one() {
    let times = [NOW, NOW + 3600];
    for (plaintext, codes) in [
        (claims("42", times, "\"\""), &["user_id_is_number"][..]),
        (claims("\"\"", times, "\"\""), &["claim_range"]),
        (claims("\"41\"", [NOW + 600, NOW + 3600], "\"\""), &["issued_in_future", "user_mismatch"]),
        (claims("\"42\"", [NOW * 1000, (NOW + 3600) * 1000], "\"\""), &["outer_expiry_differs", "milliseconds"]),
        (claims("\"42\"", [NOW, NOW], "\"\""), &["outer_expiry_differs", "times_invalid"]),
        (claims("\"42\"", times, r#"{"room_id":"r1"}"#), &["payload_not_text"]),
        (claims("\"42\"", times, "\"\"").replace("\"nonce\":5", "\"nonce\":5,\"nonce\":5"), &["duplicate_member"]),
        (claims("\"42\"", times, "\"\"").replace("\"nonce\":5,", ""), &["claim_missing"]),
        (claims("\"42\"", times, "\"\"").replace("\"nonce\":5", "\"nonce\":5.5"), &["claim_type"]),
        (claims("\"42\"", times, "\"\"").replace("\"app_id\":1", "\"app_id\":2"), &["app_mismatch"]),
        (claims("\"42\"", times, "\"\"").replace("\"app_id\":1", "\"app_id\":0"), &["claim_range"]),
        (String::new(), &["ciphertext_length"]),
        ("{".into(), &["claims_not_json"]),
        ("[1]".into(), &["claims_not_an_object"]),
        (claims("\"42\"", times, "\"\"").replace("5,", "5,\"x\":[[[[[[[[[1]]]]]]]]],"), &["claims_not_json"]),
    ] {
        assert_eq!(sealed(&plaintext), codes, "{plaintext}");
    }
}

#[test]
fn odd_payloads_are_named_one_by_one() {
    for (payload, code) in [
        (r#"{room_id:"r1",privilege:{1:1}}"#, "payload_keys_unquoted"),
        (r#"{"room_id":"r1","privilege":{1:1,2:1}}"#, "payload_keys_unquoted"),
        ("{'room_id':'r1','privilege':{'1':1}}", "payload_single_quotes"),
        (r#""{\"room_id\":\"r1\"}""#, "payload_encoded_twice"),
        ("room r1", "payload_not_json"),
        ("[]", "payload_not_an_object"),
        (r#"{"room_id":"r1","room_id":"r1"}"#, "payload_duplicate_member"),
        (r#"{"a":[[[[[[[[1]]]]]]]]}"#, "payload_too_deep"),
        (r#"{"privilege":{"1":1}}"#, "payload_member"),
        (r#"{"room_id":"r1"}"#, "privilege_malformed"),
        (r#"{"room_id":"r1","privilege":{"1":true}}"#, "privilege_malformed"),
        (r#"{"room_id":"r1","privilege":["login"]}"#, "privilege_malformed"),
        (r#"{"room_id":"r1","privilege":{"1":1},"stream_id_list":"s1"}"#, "payload_member"),
        (r#"{"room_id":"r2","privilege":{"1":1}}"#, "room_differs"),
        (r#"{"room_id":"r1","privilege":{"2":1}}"#, "login_denied"),
    ] {
        let plaintext = claims("\"42\"", [NOW, NOW + 3600], &serde_json::to_string(payload).unwrap());
        assert_eq!(sealed(&plaintext), [code], "{payload}");
    }
    let payload = r#"{"room_id":"r1","privilege":{"1":1,"2":0},"stream_id_list":["s1"]}"#;
    let plaintext = claims("\"42\"", [NOW, NOW + 3600], &serde_json::to_string(payload).unwrap());
    let attempt = Attempt { user_id: None, room_id: None, stream_id: Some("s2") };
    assert_eq!(sealed_for(&plaintext, attempt), ["publish_denied", "stream_not_listed"]);
}

#[test]
fn a_padding_block_left_away_is_recognised() {
    let vectors = load("invalid-tokens.json");
    let without: Vec<_> = vectors
        .iter()
        .filter(|vector| {
            explain_vector(vector, Accept::ALL).0.findings.iter().any(|f| f.code == "padding_block_missing")
        })
        .map(|vector| vector.id.as_str())
        .collect();
    println!("without their padding: {without:?}");
    assert!(!without.is_empty());
}

#[test]
fn a_longer_limit_is_all_that_oversize_tokens_want() {
    for vector in load("oversize-tokens.json") {
        let secret = ServerSecret::new(&vector.secret).unwrap();
        let secrets = [KnownSecret { name: "current", secret: &secret, accepted: true }];
        let mut rules = Rules::new(AppId::new(vector.app_id).unwrap(), &secrets);
        rules.accept = Accept::ALL;
        let now = UnixSeconds::new(vector.now);
        let explanation = explain(&vector.token, &rules, Attempt::default(), now);
        let codes: Vec<_> = explanation.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["too_long", "payload_too_long"], "{}", vector.id);
        rules.limits = Limits::FORMAT;
        assert!(explain(&vector.token, &rules, Attempt::default(), now).valid, "{}", vector.id);
    }
}
