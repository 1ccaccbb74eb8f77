//! The published JSON documents and naughty strings, where they lie beside the checkout.

use std::{fs, path::PathBuf, time::Duration};

use rand::rngs::SysRng;
use token_gen::{
    AppId, Claims, Format, KitToken, Limits, Minter, Payload, RoomId, TokenError, TokenRequest, UserId, UserName,
    Version,
};

use crate::forge::{NOW, TTL, app, good_claims, lenient, now, object, seal, secret};

fn published(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name)
}

#[test]
fn the_claims_reader_judges_the_json_test_suite_as_it_is_named() {
    let Ok(folder) = fs::read_dir(published("json-test-suite/test_parsing")) else {
        println!("json-test-suite is not here: nothing to check against");
        return;
    };
    let (mut parsed, mut refused, mut either) = (0, 0, [0, 0]);
    for entry in folder {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read(&path).unwrap();
        for version in [Version::Token04, Version::Token03] {
            let error = Claims::from_plaintext(version, &text, Limits::STRICT.max_depth)
                .expect_err("none of the documents is a set of claims");
            let is_json = error != TokenError::Undecryptable;
            match &name[..2] {
                "y_" => {
                    assert!(is_json, "{name}");
                    parsed += 1;
                }
                "n_" => {
                    assert!(!is_json, "{name}: {error}");
                    refused += 1;
                }
                "i_" => either[usize::from(is_json)] += 1,
                _ => panic!("{name} says nothing about itself"),
            }
        }
    }
    println!(
        "JSON test suite, each document under both versions: y_ {parsed} read, n_ {refused} refused, \
         i_ {} refused and {} read; no exceptions",
        either[0], either[1]
    );
    assert!(parsed > 0 && refused > 0);
}

#[test]
fn naughty_strings_travel_unchanged_as_users_payloads_and_names() {
    let Ok(text) = fs::read_to_string(published("naughty-strings.json")) else {
        println!("naughty-strings.json is not here: nothing to check against");
        return;
    };
    let strings: Vec<String> = serde_json::from_str(&text).unwrap();
    let minter = Minter::new(app(), &secret());
    let (mut users, mut names) = (0, 0);
    for naughty in &strings {
        let request = TokenRequest {
            user_id: UserId::new("alice").unwrap(),
            ttl: Duration::from_secs(60),
            payload: Payload::Text(naughty.clone()),
        };
        let token = minter.mint(&request, now(), &mut SysRng).unwrap().token;
        assert_eq!(lenient().verify(&token, now()).unwrap().claims.payload(), Some(naughty.as_str()));

        if !naughty.is_empty() {
            let mut claims = good_claims(Format::Token04Cbc);
            claims[1].1 = serde_json::to_string(naughty).unwrap();
            let token = seal(Format::Token04Cbc, NOW + TTL, [5; 16], object(&claims).as_bytes());
            assert_eq!(lenient().verify_user(&token, naughty, now()).unwrap().claims.user_id, *naughty);
            users += 1;
        }
        if let Ok(name) = UserName::new(naughty.as_str()) {
            let (user_id, room_id) = (UserId::new("alice").unwrap(), RoomId::new("r").unwrap());
            let kit = KitToken::compose("04x", AppId::new(1).unwrap(), &user_id, &room_id, Some(&name));
            assert_eq!(KitToken::parse_unverified(&kit).unwrap().info.user_name, *naughty);
            names += 1;
        }
    }
    println!("naughty strings: {} payloads, {users} user ids read, {names} display names", strings.len());
    assert!(users > 0 && names > 0);
}
