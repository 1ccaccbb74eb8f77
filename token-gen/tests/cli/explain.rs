//! `explain`: every planted fault is named, with a remedy that has the real values in it.

use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead};
use base64::{Engine, engine::general_purpose::STANDARD};
use token_gen::{Format, Payload, Privilege, Rights, RoomId, StreamId};

use crate::process::{APP, NOW, Run, SECRET, command, file, finish, mint_at, mint_with, run_with_input};

fn explain(token: &str, args: &[&str]) -> Run {
    let now = NOW.to_string();
    run_with_input(&[&["explain", "-", "--app-id", APP, "--at", &now, "--json"], args].concat(), token)
}

/// Seals any plaintext as a token04-GCM, as a careless generator would.
fn seal(plaintext: &str, outer_expire_at: i64) -> String {
    let nonce = [7u8; 12];
    let key = Aes256Gcm::new_from_slice(SECRET.as_bytes()).expect("it has 32 bytes");
    let sealed = key.encrypt((&nonce).into(), plaintext.as_bytes()).expect("it seals");
    let ct_len = u16::try_from(sealed.len()).expect("it fits");
    let body = [&outer_expire_at.to_be_bytes()[..], &[0, 12], &nonce, &ct_len.to_be_bytes(), &sealed, &[1]].concat();
    format!("04{}", STANDARD.encode(body))
}

fn claims(user_id: &str, [ctime, expire]: [i64; 2], payload: &str) -> String {
    let payload = serde_json::to_string(payload).expect("a string");
    format!(r#"{{"app_id":{APP},"user_id":{user_id},"nonce":5,"ctime":{ctime},"expire":{expire},"payload":{payload}}}"#)
}

fn privileges(granted: &[Privilege], stream_id: Option<&str>) -> String {
    let room_id = RoomId::new("r1").expect("it is a room id");
    let rights = granted.iter().fold(Rights::builder(&room_id), |rights, &privilege| rights.allow(privilege));
    let stream_id = stream_id.map(|stream_id| StreamId::new(stream_id).expect("it is a stream id"));
    let rights = stream_id.iter().fold(rights, |rights, stream_id| rights.stream(stream_id)).build();
    mint_at(NOW, 3600, Payload::Rights(rights), Format::Token04Gcm)
}

/// Expects `code` first among the findings, with every one of `says` in its problem or remedy, and a refusal.
fn check(token: &str, args: &[&str], code: &str, says: &[&str]) {
    let run = explain(token, args);
    assert_eq!(run.code, Some(2), "{code}: {} {}", run.stdout, run.stderr);
    let explanation = run.json();
    assert_eq!(explanation["valid"], false, "{code}");
    let finding = &explanation["findings"][0];
    assert_eq!(finding["code"], code, "{}", run.stdout);
    let text = format!("{} {}", finding["problem"], finding["remedy"]);
    for words in says {
        assert!(text.contains(words), "{code}: {words:?} is not in {text}");
    }
    assert!(finding["remedy"].as_str().is_some_and(|remedy| remedy.len() > 20), "{code}");
}

fn identity() -> String {
    mint_at(NOW, 3600, Payload::Identity, Format::Token04Gcm)
}

#[test]
fn a_good_token_has_no_findings() {
    let run = explain(&identity(), &["--user-id", "alice", "--room-id", "r1", "--stream-id", "s1"]);
    assert_eq!(run.code, Some(0));
    assert_eq!(run.json()["valid"], true);
    assert_eq!(run.json()["findings"], serde_json::json!([]));
}

#[test]
fn the_wrong_app_or_user() {
    let now = NOW.to_string();
    let other_app = run_with_input(&["explain", "-", "--app-id", "7", "--at", &now, "--json"], &identity()).json();
    assert_eq!(other_app["code"], "app_mismatch");
    assert_eq!(other_app["findings"][0]["problem"], "The token is of app 1234567890, not 7.");

    check(&identity(), &["--user-id", "bob"], "user_mismatch", &["alice", "bob"]);
    check(&identity(), &["--user-id", "Alice"], "user_differs_by_case", &["alice", "Alice", "capital"]);
    check(&identity(), &["--user-id", "alice "], "user_differs_by_white_space", &["alice ", "white space"]);
    let composed = seal(&claims("\"jos\u{e9}\"", [NOW, NOW + 60], ""), NOW + 60);
    check(&composed, &["--user-id", "jose\u{301}"], "user_differs_by_normalisation", &["<U+00E9>", "<U+0301>"]);
    let number = seal(&claims("42", [NOW, NOW + 60], ""), NOW + 60);
    check(&number, &["--user-id", "42"], "user_id_is_number", &["number 42", "String(userId)"]);
}

#[test]
fn the_wrong_room_privilege_or_stream() {
    use Privilege::{Login, Publish};

    check(&privileges(&[Login], None), &["--room-id", "r2"], "room_differs", &["r1", "r2"]);
    check(&privileges(&[Publish], None), &["--room-id", "r1"], "login_denied", &["only publish"]);
    check(&privileges(&[Login], None), &["--room-id", "r1", "--stream-id", "s1"], "publish_denied", &["only login"]);
    let listed = privileges(&[Login, Publish], Some("s1"));
    check(&listed, &["--room-id", "r1", "--stream-id", "s2"], "stream_not_listed", &["s1", "s2"]);
    let payload = |payload: &str| seal(&claims("\"alice\"", [NOW, NOW + 60], payload), NOW + 60);
    let room = ["--room-id", "r1"];
    check(&payload(r#"{"room_id":"r1","privilege":{1:1,2:1}}"#), &room, "payload_keys_unquoted", &["Quote"]);
    check(&payload(r#"{"room_id":"r1","privilege":{"1":true}}"#), &room, "privilege_malformed", &["true"]);
    check(&payload("room r1"), &room, "payload_not_json", &["room_id"]);
}

#[test]
fn the_wrong_time() {
    let old = mint_at(NOW - 7200 - 4200, 4200, Payload::Identity, Format::Token04Gcm);
    check(&old, &[], "expired", &["2 h ago", "1 h 10 min", "1795432912 (2026-11-23 11:21:52 UTC)"]);
    let ahead = mint_at(NOW + 600, 60, Payload::Identity, Format::Token04Gcm);
    check(&ahead, &[], "issued_in_future", &["10 min ahead", "NTP"]);
    let milliseconds = seal(&claims("\"alice\"", [NOW * 1000, (NOW + 60) * 1000], ""), (NOW + 60) * 1000);
    check(&milliseconds, &[], "milliseconds", &["1795440112000, which should be 1795440112", "1000"]);
    let long = seal(&claims("\"alice\"", [NOW, NOW + 3_600_000], ""), NOW + 3_600_000);
    check(&long, &[], "lifetime_too_long", &["41 d", "24 d", "1 h was meant"]);
    let edited = seal(&claims("\"alice\"", [NOW, NOW + 60], ""), NOW + 86_400);
    check(&edited, &[], "outer_expiry_differs", &["1795526512", "1795440172"]);
}

#[test]
fn no_token_at_all() {
    check("", &[], "empty", &["backend"]);
    check("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", &[], "jwt_given", &["JSON Web Token"]);
    check(&"0a".repeat(32), &[], "app_sign_given", &["AppSign"]);
    check("abcdefghijklmnopqrstuvwxyz012345", &[], "secret_given", &["replace it"]);
    check("05AAAAAGsETAAADEcI", &[], "version_unknown", &["05"]);
    check(&identity()[2..], &[], "version_missing", &["04"]);
}

#[test]
fn a_form_that_is_not_accepted() {
    let rights = Rights::builder(&RoomId::new("r1").expect("it is a room id")).allow(Privilege::Login).build();
    let token03 = mint_at(NOW, 60, Payload::Rights(rights), Format::Token03);
    check(&token03, &[], "version_not_accepted", &["token03"]);
    let cbc = mint_at(NOW, 60, Payload::Identity, Format::Token04Cbc);
    check(&cbc, &[], "cipher_not_accepted", &["AES-256-CBC"]);
    assert_eq!(explain(&cbc, &["--accept", "cbc"]).code, Some(0));
    let kit = format!("{}#e30=", identity());
    check(&kit, &[], "kit_token_given", &["before the '#'"]);
}

#[test]
fn a_text_changed_on_its_way_is_read_but_never_called_valid() {
    let token = loop {
        let token = identity();
        if token.contains('+') && token.contains('/') && token.ends_with('=') {
            break token;
        }
    };
    for (changed, code, says) in [
        (format!("{token}\n\n"), "surrounding_white_space", "Trim"),
        (format!("\"{token}\""), "quoted", "JSON"),
        (format!("Bearer {token}"), "scheme_prefix", "Bearer"),
        (token.replace('+', " "), "plus_became_space", "%2B"),
        (token.replace('+', "-").replace('/', "_"), "url_safe_alphabet", "standard alphabet"),
        (token.trim_end_matches('=').to_owned(), "padding_missing", "padding"),
        (token.replace('+', "%2B"), "percent_encoded", "Decode"),
        (format!("{}\n{}", &token[..76], &token[76..]), "line_breaks", "wrap"),
    ] {
        check(&changed, &[], code, &[says]);
        let explanation = explain(&changed, &[]).json();
        assert_eq!(explanation["valid_after_repair"], true, "{code}");
        assert_eq!(explanation["claims"]["user_id"], "alice", "{code}");
    }
    let cut = &token[..token.len() - 20];
    check(cut, &[], "truncated", &["so 20 are missing", &token.len().to_string()]);
    check(&token[..20], &[], "truncated", &["iv"]);
}

#[test]
fn the_wrong_key() {
    let other = "aaaabbbbccccddddeeeeffffgggghhhh";
    let token = mint_with(other, NOW, 3600, Payload::Identity, Format::Token04Gcm);
    check(&token, &[], "undecryptable", &["app 1234567890", "AppSign", "hex-decode"]);
    let path = file("retired.txt", other);
    let path = path.to_string_lossy();
    check(&token, &["--also-try", &path], "sealed_with_other_secret", &["retired.txt"]);
    assert_eq!(explain(&token, &["--also-try", &path]).json()["code"], "bad_ciphertext");

    let app_sign = command(&["explain", &token, "--app-id", APP]).env("SERVER_SECRET", "0a".repeat(32)).output();
    let app_sign = finish(app_sign.expect("the binary runs"));
    assert_eq!(app_sign.code, Some(64));
    assert!(app_sign.stderr.contains("are an AppSign"), "{}", app_sign.stderr);
}

#[test]
fn broken_claims() {
    let twice = claims("\"alice\"", [NOW, NOW + 60], "").replace("\"nonce\":5", "\"nonce\":5,\"nonce\":6");
    check(&seal(&twice, NOW + 60), &[], "duplicate_member", &["nonce"]);
    let missing = claims("\"alice\"", [NOW, NOW + 60], "").replace("\"nonce\":5,", "");
    check(&seal(&missing, NOW + 60), &[], "claim_missing", &["nonce"]);
    let quoted = claims("\"alice\"", [NOW, NOW + 60], "").replace(APP, &format!("\"{APP}\""));
    check(&seal(&quoted, NOW + 60), &[], "claim_type", &["app_id", "without quotes"]);
    let object = claims("\"alice\"", [NOW, NOW + 60], "").replace("\"\"}", "{\"room_id\":\"r1\"}}");
    check(&seal(&object, NOW + 60), &[], "payload_not_text", &["JSON.stringify"]);
}

#[test]
fn every_fault_is_told_not_only_the_first() {
    let token = mint_at(NOW - 120, 60, Payload::Identity, Format::Token04Cbc);
    let explanation = explain(&format!("{token}\n\n"), &["--user-id", "Alice"]).json();
    let codes: Vec<_> =
        explanation["findings"].as_array().expect("an array").iter().map(|finding| finding["code"].clone()).collect();
    assert_eq!(codes, ["cipher_not_accepted", "surrounding_white_space", "expired", "user_differs_by_case"]);
    assert_eq!(explanation["valid_after_repair"], false);
}

#[test]
fn people_get_a_numbered_list() {
    let now = NOW.to_string();
    let args = ["explain", "-", "--app-id", APP, "--at", &now, "--user-id", "Alice"];
    let text = run_with_input(&args, &identity()).stdout;
    assert!(text.starts_with(
        "refused: the token is of another user (claims_invalid, user_mismatch)\n  1. user_differs_by_case: "
    ));
    assert!(text.contains("\n     fix: Use one spelling everywhere"), "{text}");
}
