//! `mint`: one, many, every form.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::process::{APP, command, file, run, run_with_input};

fn verify(token: &str, args: &[&str]) -> Value {
    let run =
        run_with_input(&[&["verify", "-", "--app-id", APP, "--json", "--accept", "gcm,cbc,03"], args].concat(), token);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    run.json()
}

#[test]
fn it_prints_the_token_alone_or_four_members() {
    let token = run(&["mint", "--app-id", APP, "--user-id", "alice"]);
    assert_eq!((token.code, token.stderr.as_str()), (Some(0), ""));
    assert!(token.line().starts_with("04"));
    assert_eq!(verify(token.line(), &["--user-id", "alice"])["payload"], "");

    let minted = run(&["mint", "--app-id", APP, "--user-id", "alice", "--ttl", "1h10m", "--json"]).json();
    let members: Vec<_> = minted.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(
        members.into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from(["expire_at", "issued_at", "token", "token_id"].map(String::from))
    );
    assert_eq!(minted["expire_at"].as_i64(), minted["issued_at"].as_i64().map(|at| at + 4200));
    let token_id = token_gen::TokenId::of(minted["token"].as_str().expect("a string")).to_string();
    assert_eq!(minted["token_id"], token_id);
}

#[test]
fn every_form_verifies_as_what_it_was_asked_to_be() {
    let rights = ["--room-id", "r1", "--privilege", "login", "--privilege", "publish"];
    let payload = r#"{"room_id":"r1","privilege":{"1":1,"2":1},"stream_id_list":null}"#;
    for (args, format, cipher, warns) in [
        (&[][..], "token04", "gcm", false),
        (&["--format", "token04", "--cipher", "gcm"], "token04", "gcm", false),
        (&["--cipher", "cbc"], "token04", "cbc", true),
        (&["--format", "03"], "token03", "cbc", true),
        (&["--format", "token03", "--cipher", "cbc"], "token03", "cbc", true),
    ] {
        let mint = run(&[&["mint", "--app-id", APP, "--user-id", "alice"], &rights[..], args].concat());
        assert_eq!(mint.code, Some(0), "{args:?}: {}", mint.stderr);
        assert_eq!(mint.stderr.contains("warning:"), warns, "{args:?}: {}", mint.stderr);
        let verified = verify(mint.line(), &["--room-id", "r1", "--stream-id", "any"]);
        assert_eq!(verified["format"], format, "{args:?}");
        assert_eq!(verified["cipher"], cipher, "{args:?}");
        if format == "token03" {
            assert_eq!(verified["payload"], Value::Null);
            assert_eq!(verified["room_id"], "r1");
            assert_eq!(verified["privilege"], json!({"1": 1, "2": 1}));
        } else {
            assert_eq!(verified["payload"], payload);
            assert!(verified.get("room_id").is_none());
        }
    }
}

#[test]
fn rights_and_payloads_are_carried_as_given() {
    let base = ["mint", "--app-id", APP, "--user-id", "alice"];
    let streams =
        run(&[&base[..], &["--any-room", "--privilege", "publish", "--stream-id", "s1", "--stream-id", "s2"]].concat());
    assert_eq!(
        verify(streams.line(), &[])["payload"],
        r#"{"room_id":"","privilege":{"1":0,"2":1},"stream_id_list":["s1","s2"]}"#
    );
    let odd = " {\"déjà\":\"vu\"}\t\u{1F600}\n";
    let text = run(&[&base[..], &["--payload", odd]].concat());
    assert_eq!(verify(text.line(), &[])["payload"], odd);
    let path = format!("@{}", file("payload.json", odd).display());
    let from_file = run(&[&base[..], &["--payload", &path]].concat());
    assert_eq!(verify(from_file.line(), &[])["payload"], odd);
}

#[test]
fn a_prefix_and_a_count_give_that_many_users() {
    let run = run(&["mint", "--app-id", APP, "--user-prefix", "load-", "--count", "300", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    assert_eq!(lines.len(), 300);
    assert_eq!((&lines[0]["user_id"], &lines[299]["user_id"]), (&json!("load-1"), &json!("load-300")));
    let ids: BTreeSet<_> = lines.iter().map(|line| line["token_id"].to_string()).collect();
    assert_eq!(ids.len(), 300);
    verify(lines[299]["token"].as_str().expect("a string"), &["--user-id", "load-300"]);
}

#[test]
fn users_come_from_a_file_or_standard_input_in_their_order() {
    let path = file("users.txt", "alice\r\n\nbob\n");
    let from_file = run(&["mint", "--app-id", APP, "--users", &path.to_string_lossy()]);
    let from_input = run_with_input(&["mint", "--app-id", APP, "--users", "-"], "alice\nbob");
    for run in [from_file, from_input] {
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let tokens: Vec<_> = run.stdout.lines().collect();
        assert_eq!(tokens.len(), 2);
        verify(tokens[0], &["--user-id", "alice"]);
        verify(tokens[1], &["--user-id", "bob"]);
    }
}

#[test]
fn a_fault_in_the_midst_of_many_users_loses_no_token_before_it() {
    // More than are minted at once, and not a whole number of times.
    let good: String = (1..=150).map(|number| format!("user{number}\n")).collect();
    let many = run_with_input(&["mint", "--app-id", APP, "--users", "-"], &format!("{good}b/b\ncarol\n"));
    assert_eq!((many.code, many.stdout.lines().count()), (Some(64), 150));
    assert!(many.stderr.contains("150 tokens before it are already written"), "{}", many.stderr);
    for number in [1, 64, 65, 150] {
        let token = many.stdout.lines().nth(number - 1).expect("a line a user");
        verify(token, &["--user-id", &format!("user{number}")]);
    }
    let broken = run_with_input(&["mint", "--app-id", APP, "--users", "-"], "alice\nb/b\ncarol\n");
    assert_eq!(broken.code, Some(64));
    assert_eq!(broken.stdout.lines().count(), 1);
    assert!(broken.stderr.contains("user 2: the user id may not hold the character '/'"), "{}", broken.stderr);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = command(&["mint", "--app-id", APP, "--user-prefix", "u", "--count", "1000000000"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line comes");
    assert!(line.starts_with("04"));
    let mut stderr = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("it ends");
    assert_eq!((child.wait().expect("it ends").code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn terms_are_sealed_shown_and_enforced() {
    let args = [
        "mint",
        "--app-id",
        APP,
        "--user-id",
        "alice",
        "--room-id",
        "r1",
        "--also-room",
        "r2",
        "--no-play",
        "--media",
        "audio,data",
        "--publish-ttl",
        "60",
        "--max-stay",
        "1h",
        "--grace",
        "30",
        "--single-use",
        "--user-name",
        "Ann",
        "--metadata",
        "seat 7",
    ];
    let mint = run(&args);
    assert_eq!(mint.code, Some(0), "{}", mint.stderr);
    let verified = verify(mint.line(), &["--room-id", "r2", "--stream-id", "s1"]);
    let mut terms = verified["terms"].clone();
    let until = terms.as_object_mut().expect("an object").remove("publish_until");
    assert_eq!(until.and_then(|until| until.as_i64()), verified["issued_at"].as_i64().map(|at| at + 60));
    assert_eq!(
        terms,
        json!({
            "room_ids": ["r1", "r2"], "play": false, "media": ["audio", "data"], "max_stay_secs": 3600,
            "on_expiry": "grace", "grace_secs": 30, "single_use": true, "user_name": "Ann", "metadata": "seat 7"
        })
    );
    let shown = run_with_input(&["verify", "-", "--app-id", APP], mint.line());
    assert!(shown.stdout.contains("max_stay_secs"), "{}", shown.stdout);

    let later = (verified["issued_at"].as_i64().expect("a number") + 60).to_string();
    let late = ["explain", "-", "--app-id", APP, "--room-id", "r1", "--stream-id", "s1", "--json", "--at", &later];
    let late = run_with_input(&late, mint.line()).json();
    assert_eq!((&late["detail"], &late["findings"][0]["code"]), (&json!("until"), &json!("until")));
    assert_eq!(late["claims"]["terms"]["single_use"], true);
}

#[test]
fn terms_without_a_room_or_out_of_range_are_usage_errors() {
    for args in [
        &["--no-play"][..],
        &["--payload", "{}", "--single-use"],
        &["--also-room", "r2"],
        &["--room-id", "r1", "--no-play", "--play-stream-id", "s"],
        &["--room-id", "r1", "--media", "smell"],
        &["--room-id", "r1", "--max-stay", "0"],
        &["--room-id", "r1", "--grace", "2days"],
        &["--room-id", "r1", "--grace", "5", "--on-expiry", "kick"],
    ] {
        let run = run(&[&["mint", "--app-id", APP, "--user-id", "alice"], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(64), ""), "{args:?}: {}", run.stderr);
    }
    for args in [&["--room-id", "r1", "--metadata", ""][..], &["--room-id", "r1", "--format", "03", "--no-play"]] {
        let run = run(&[&["mint", "--app-id", APP, "--user-id", "alice"], args].concat());
        assert!(run.code != Some(0) && run.stdout.is_empty(), "{args:?}: {}", run.stderr);
    }
}
