//! `verify` and `inspect`: pinned members, classes, exit codes, and a sample of the published vectors.

use std::{collections::BTreeMap, fs, path::Path, process::Stdio};

use serde_json::{Value, json};
use token_gen::{Format, Payload, Privilege, Rights, RoomId, StreamId};

use crate::process::{APP, NOW, SECRET, command, finish, mint_at, run, run_with_input};

fn load(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    serde_json::from_str(&fs::read_to_string(path).expect("the vectors are in the repository")).expect("they parse")
}

fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap_or_else(|| panic!("{member} in {}", vector["id"]))
}

/// Verifies a vector by the command line.
fn verify(vector: &Value, now: &Value, args: &[&str]) -> crate::process::Run {
    let (app_id, now) = (vector["app_id"].to_string(), now.to_string());
    let base = ["--app-id", &app_id, "--at", &now, "--user-id", text(vector, "user_id"), "--json"];
    let token = text(vector, "token");
    let args = [&["verify", "--accept", "gcm,cbc,03,kit"], &base[..], args, &["--", token]].concat();
    finish(command(&args).env("SERVER_SECRET", text(vector, "secret")).output().expect("the binary runs"))
}

#[test]
fn reference_tokens_of_every_kind_are_valid_with_exact_members() {
    let vectors = load("reference-tokens.json");
    let mut kinds: BTreeMap<String, &Value> = BTreeMap::new();
    for vector in vectors.iter().filter(|vector| !text(vector, "user_id").contains('\0')) {
        let kind = format!("{} {} {}", vector["language"], vector["format"], vector["cipher"]);
        kinds.entry(kind).or_insert(vector);
    }
    assert!(kinds.len() >= 20, "{:?}", kinds.keys());
    for (kind, vector) in kinds {
        let run = verify(vector, &vector["verify_at"], &[]);
        assert_eq!(run.code, Some(0), "{kind}: {}", run.stdout);
        let found = run.json();
        let expect = &vector["expect"];
        let is_token03 = vector["format"] == "token03";
        let payload = match &vector["payload"] {
            Value::Null if !is_token03 => json!(""),
            payload => payload.clone(),
        };
        for (member, expected) in [
            ("valid", &json!(true)),
            ("format", &json!(if is_token03 { "token03" } else { "token04" })),
            ("cipher", &vector["cipher"]),
            ("app_id", &vector["app_id"]),
            ("user_id", &vector["user_id"]),
            ("issued_at", &expect["ctime"]),
            ("expire_at", &expect["expire"]),
            ("nonce", &expect["nonce"]),
            ("payload", &payload),
            ("token_id", &json!(token_gen::TokenId::of(text(vector, "token")).as_str())),
        ] {
            assert_eq!(&found[member], expected, "{kind}: {member}");
        }
        if is_token03 {
            assert_eq!(found["room_id"], vector["room_id"], "{kind}");
        }
        assert_eq!(found.get("kit").is_some(), vector["format"] == "kit", "{kind}");
    }
}

#[test]
fn invalid_tokens_of_every_class_are_refused_with_it() {
    let vectors = load("invalid-tokens.json");
    let mut count = BTreeMap::new();
    for vector in &vectors {
        let seen = count.entry(format!("{} {}", vector["expect"], vector["stage"])).or_insert(0);
        *seen += 1;
        // Eight of each class and stage: every vector runs against the library itself.
        if *seen > 8 || vector["format"] == "kit" || text(vector, "token").contains('\0') {
            continue;
        }
        let mut args = Vec::new();
        if vector["stage"] == "authorize" {
            args = vec!["--room-id", text(vector, "room_id"), "--stream-id", text(vector, "stream_id")];
        }
        let run = verify(vector, &vector["now"], &args);
        assert_eq!(run.code, Some(2), "{}", vector["id"]);
        let refused = run.json();
        assert_eq!(refused["valid"], false, "{}", vector["id"]);
        assert_eq!(refused["code"], vector["expect"], "{}: {}", vector["id"], run.stdout);
        assert!(refused["detail"].is_string() && refused["reason"].is_string(), "{}", run.stdout);
    }
    assert!(count.len() >= 6, "{count:?}");
}

#[test]
fn oversize_tokens_want_max_bytes() {
    for vector in load("oversize-tokens.json") {
        assert_eq!(verify(&vector, &vector["verify_at"], &[]).json()["detail"], "too_long");
        assert_eq!(verify(&vector, &vector["verify_at"], &["--max-bytes", "87418"]).code, Some(0));
    }
}

#[test]
fn a_login_is_authorised_as_well() {
    let rights = Rights::builder(&RoomId::new("r1").expect("it is a room id"))
        .allow(Privilege::Login)
        .allow(Privilege::Publish)
        .stream(&StreamId::new("s1").expect("it is a stream id"))
        .build();
    let both = mint_at(NOW, 60, Payload::Rights(rights), Format::Token04Gcm);
    let login_only = Rights::builder_any_room().allow(Privilege::Login).build();
    let login_only = mint_at(NOW, 60, Payload::Rights(login_only), Format::Token04Gcm);
    let text = mint_at(NOW, 60, Payload::Text("hello".into()), Format::Token04Gcm);
    let identity = mint_at(NOW, 60, Payload::Identity, Format::Token04Gcm);
    for (token, args, expected) in [
        (&both, &["--room-id", "r1", "--stream-id", "s1"][..], None),
        (&both, &["--stream-id", "s1"], None),
        (&both, &["--room-id", "R1"], Some(("claims_invalid", "room"))),
        (&both, &["--room-id", "r1", "--stream-id", "s2"], Some(("claims_invalid", "stream"))),
        (&login_only, &["--room-id", "any"], None),
        (&login_only, &["--room-id", "any", "--stream-id", "s1"], Some(("claims_invalid", "publish"))),
        (&text, &[], None),
        (&text, &["--room-id", "r1"], Some(("claims_invalid", "payload_not_an_object"))),
        (&identity, &["--room-id", "r1", "--stream-id", "s1"], None),
        (&identity, &["--user-id", "bob"], Some(("claims_invalid", "user_mismatch"))),
    ] {
        let now = NOW.to_string();
        let run = run(&[&["verify", token, "--app-id", APP, "--at", &now, "--json"], args].concat());
        let found = run.json();
        match expected {
            None => assert_eq!((run.code, &found["valid"]), (Some(0), &json!(true)), "{args:?}: {found}"),
            Some((code, detail)) => {
                assert_eq!(run.code, Some(2), "{args:?}");
                assert_eq!((&found["code"], &found["detail"]), (&json!(code), &json!(detail)), "{args:?}");
            }
        }
    }
}

#[test]
fn odd_tokens_come_through_standard_input() {
    let now = NOW.to_string();
    let args = ["verify", "-", "--app-id", APP, "--at", &now, "--json"];
    let token = mint_at(NOW, 60, Payload::Identity, Format::Token04Gcm);
    for end in ["", "\n", "\r\n"] {
        assert_eq!(run_with_input(&args, &format!("{token}{end}")).code, Some(0), "{end:?}");
    }
    for odd in
        ["-04", "--json", "", "\n", "\u{0}", &format!("{token}\n\n"), &format!(" {token}"), &"x".repeat(1_000_000)]
    {
        assert_eq!(run_with_input(&args, odd).code, Some(2), "{:?}", odd.get(..10));
    }
    // The limits of time: the last good second, and the first past it.
    for (at, code) in [(NOW + 59, 0), (NOW + 60, 2), (NOW - 30, 0), (NOW - 31, 2)] {
        let at = at.to_string();
        assert_eq!(run(&["verify", &token, "--app-id", APP, "--at", &at]).code, Some(code), "{at}");
    }
}

#[test]
fn a_refusal_that_nobody_reads_is_no_success() {
    let mut child = command(&["verify", "-", "--app-id", APP])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // The reader is gone before the token comes, so the answer meets a closed pipe.
    drop(child.stdout.take());
    drop(child.stdin.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(74), &b""[..]));
}

#[test]
fn people_get_lines() {
    let now = NOW.to_string();
    let token = mint_at(NOW, 4200, Payload::Identity, Format::Token04Gcm);
    let valid = run(&["verify", &token, "--app-id", APP, "--at", &now]).stdout;
    assert!(valid.starts_with("valid: token04 (AES-256-GCM)\n  app_id       1234567890\n"), "{valid}");
    assert!(valid.contains("1795444312 (2026-11-23T14:31:52Z), in 1h 10m"), "{valid}");
    let refused = run(&["verify", &token, "--app-id", "1", "--at", &now]).stdout;
    assert_eq!(refused, "refused: the token is of app 1234567890, not 1 (app_mismatch)\n");
}

#[test]
fn inspect_draws_the_byte_map_of_the_specification() {
    let gcm = load("reference-tokens.json");
    let vector = gcm.iter().find(|vector| vector["cipher"] == "gcm").expect("there is one");
    let map = run(&["inspect", text(vector, "token")]);
    assert_eq!(map.code, Some(0));
    let lines: Vec<_> = map.stdout.lines().collect();
    assert_eq!(lines[0], "token04 (AES-256-GCM)");
    assert!(lines[3].starts_with("  0000  00 00 00 00 6b "), "{}", map.stdout);
    assert!(
        map.stdout.contains(
            "  0008  00 0c                                            length of the IV: 12, as AES-256-GCM needs\n"
        ),
        "{}",
        map.stdout
    );
    assert!(lines.last().is_some_and(|line| line.ends_with("mode 1: GCM")), "{}", map.stdout);

    let json = run(&["inspect", text(vector, "token"), "--json"]).json();
    assert_eq!(json["well_formed"], true);
    assert_eq!(json["expire_at"], vector["expect"]["expire"]);
    let fields = json["fields"].as_array().expect("an array");
    let names: Vec<_> = fields.iter().map(|field| field["name"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["expire", "iv_len", "iv", "ct_len", "ciphertext", "tag", "mode"]);
    assert_eq!(fields[2]["hex"], vector["expect"]["iv_hex"]);
    assert_eq!(fields[2]["offset"], 10);

    let broken = run(&["inspect", &text(vector, "token")[..60], "--json"]);
    assert_eq!((broken.code, &broken.json()["findings"][0]["code"]), (Some(0), &json!("truncated")));
    // A secret pasted by mistake is recognised and not repeated (every run checks the latter).
    assert_eq!(run(&["inspect", SECRET, "--json"]).json()["findings"][0]["code"], "secret_given");
}
