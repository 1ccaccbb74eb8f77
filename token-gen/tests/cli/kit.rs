//! `kit`: mint, parse, verify; and Kit Tokens where plain ones are wanted.

use serde_json::json;

use crate::process::{APP, run, run_with_input};

fn mint(args: &[&str]) -> String {
    let base = ["kit", "mint", "--app-id", APP, "--user-id", "alice", "--room-id", "r1", "--user-name", "Älice 漢字"];
    let run = run(&[&base[..], args].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.line().to_owned()
}

#[test]
fn a_kit_token_seals_the_room_it_names_and_grants_both_privileges_unless_told() {
    let kit = mint(&[]);
    let verified = run(&["kit", "verify", &kit, "--app-id", APP, "--user-id", "alice", "--room-id", "r1", "--json"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    let verified = verified.json();
    assert_eq!(
        verified["kit"],
        json!({"app_id": 1234567890, "user_id": "alice", "room_id": "r1", "user_name": "Älice 漢字"})
    );
    assert_eq!(verified["payload"], r#"{"room_id":"r1","privilege":{"1":1,"2":1},"stream_id_list":null}"#);
    let other_room = run(&["kit", "verify", &kit, "--app-id", APP, "--room-id", "r2", "--json"]);
    assert_eq!((other_room.code, other_room.json()["detail"].clone()), (Some(2), json!("room")));
    assert_eq!(run(&["kit", "verify", &mint(&["--basic"]), "--app-id", APP, "--room-id", "r2"]).code, Some(0));
}

#[test]
fn a_kit_token_is_taken_apart_without_the_secret() {
    let minted = mint(&["--basic", "--json"]);
    let minted: serde_json::Value = serde_json::from_str(&minted).expect("JSON");
    let kit = minted["kit_token"].as_str().expect("a string");
    let parsed = run_with_input(&["kit", "parse", "-", "--json"], kit).json();
    for member in ["token", "token_id", "expire_at"] {
        assert_eq!(parsed[member], minted[member], "{member}");
    }
    assert_eq!(parsed["user_name"], "Älice 漢字");
    assert_eq!(parsed["room_id"], "r1");
    let broken = run(&["kit", "parse", "04abc#%%%", "--json"]);
    assert_eq!(broken.code, Some(2));
    assert_eq!(broken.json()["code"], "malformed");
    assert_eq!(broken.json()["detail"], "kit_info");
}

#[test]
fn verify_takes_kit_tokens_only_when_told_to() {
    let kit = mint(&["--basic"]);
    let plain = kit.split('#').next().expect("it has a token");
    for (token, args, code) in [
        (kit.as_str(), &["verify"][..], 2),
        (&kit, &["verify", "--accept", "gcm,kit"], 0),
        (&kit, &["verify", "--accept", "kit"], 0),
        (plain, &["verify", "--accept", "kit"], 0),
        (&kit, &["kit", "verify"], 0),
        (plain, &["kit", "verify"], 2),
    ] {
        assert_eq!(run(&[args, &[token, "--app-id", APP]].concat()).code, Some(code), "{args:?}");
    }
}
