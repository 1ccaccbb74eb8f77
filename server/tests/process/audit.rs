//! The audit trail of a real server: on a disk that fills up, in an operator's hands, and after somebody has edited it.

use std::{collections::BTreeSet, fs, time::Instant};

use serde_json::{Value, json};

use crate::harness::{Answer, Installation, Server, eventually, http, roompass};

/// Calls app 77 with a key of many rights.
struct Caller<'a> {
    server: &'a Server,
    key: String,
}

impl<'a> Caller<'a> {
    fn new(installation: &Installation, server: &'a Server) -> Self {
        let rights = ["mint", "introspect", "revoke", "read", "admin"].map(|right| ["--right", right]).concat();
        let key = installation.operate(&[&["key", "create", "--app-id", "77"][..], &rights].concat());
        let caller = Self { server, key: key["backend_key"].as_str().unwrap().to_owned() };
        eventually(|| (caller.call("GET", "/keys", &Value::Null).status == 200).then_some(()));
        caller
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.key);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http(self.server.address, method, &format!("/v1/apps/77{path}"), &headers, &body)
    }

    fn mint(&self) -> Answer {
        self.call("POST", "/tokens", &json!({"user_id": "alice", "room_id": "room1"}))
    }
}

// proves F5, T63
#[test]
fn on_a_full_disk_nothing_is_done_without_a_record_and_verifying_goes_on() {
    let (installation, _) = Installation::new().with_app();
    let server = Server::serve_with_a_limit(&installation.config());
    let caller = Caller::new(&installation, &server);
    let mut acknowledged = BTreeSet::new();
    let mut mint = || {
        let answer = caller.mint();
        acknowledged.extend(answer.body["token_id"].as_str().map(str::to_owned));
        answer
    };
    let token = mint().body["token"].as_str().unwrap().to_owned();
    let is_active = || caller.call("POST", "/tokens/introspect", &json!({"token": token})).body["active"] == true;
    assert!(is_active());

    let size = |name: &str| fs::metadata(installation.path(name)).map_or(0, |file| file.len());
    server.limit_files(&(size("roompass.db").max(size("roompass.db-wal")) + 4096).to_string());
    eventually(|| (mint().status == 507).then_some(()));
    for (method, path, body) in [
        ("POST", "/tokens", json!({"user_id": "bob"})),
        ("POST", "/secrets/rotate", json!({})),
        ("POST", "/keys", json!({"name": "never", "rights": ["mint"]})),
        ("POST", "/tokens/revoke", json!({"user_id": "bob"})),
        ("POST", "/bans", json!({"user_id": "bob"})),
        ("PATCH", "", json!({"version": 1, "settings": {"enabled": false}})),
    ] {
        let refused = caller.call(method, path, &body);
        assert_eq!((refused.status, &refused.body["code"]), (507, &json!("disk_full")), "{method} {path}");
    }
    assert!(is_active());
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 507);

    server.limit_files("unlimited");
    let room = Instant::now();
    eventually(|| (mint().status == 200).then_some(()));
    println!("minting again {:?} after there was room", room.elapsed());
    assert!(room.elapsed().as_secs() < 10, "{:?}", room.elapsed());
    assert_eq!(caller.call("POST", "/bans", &json!({"user_id": "bob"})).status, 200);
    assert!(is_active());

    // No partial state: what was refused has not happened.
    assert_eq!(caller.call("GET", "/secrets", &Value::Null).body["secrets"].as_array().unwrap().len(), 1);
    assert_eq!(caller.call("GET", "/keys", &Value::Null).body["keys"].as_array().unwrap().len(), 2);
    assert_eq!(caller.call("GET", "/revocations", &Value::Null).body["revocations"], json!([]));
    assert_eq!(installation.operate(&["doctor"])["faults"], json!([]));
    // And every token that was handed out is in the trail.
    drop(server);
    let minted = installation.operate(&["audit", "list", "--action", "mint", "--result", "done", "--limit", "1000"]);
    let minted = minted["records"].as_array().unwrap().iter();
    let minted: BTreeSet<String> = minted.map(|record| record["token_id"].as_str().unwrap().to_owned()).collect();
    assert!(acknowledged.is_subset(&minted), "the ban was recorded after all of them");
}

#[test]
fn an_operator_asks_the_trail_on_the_command_line() {
    let (installation, key) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    let refused = server.mint_with(&key, "77", &json!({"user_id": "alice", "ttl_secs": 99_999_999}));
    assert_eq!(refused.status, 422);
    let request_id = refused.body["request_id"].as_str().unwrap();
    assert_eq!(server.mint_with(&key, "77", &json!({"user_id": "alice"})).status, 200);
    installation.operate(&["secret", "rotate", "77"]);
    let list = |arguments: &[&str]| {
        let page = installation.operate(&[&["audit", "list"][..], arguments].concat());
        page["records"].as_array().unwrap().clone()
    };
    // Mints are written within a second.
    let why = eventually(|| list(&["--user-id", "alice", "--result", "refused", "--since", "1h"]).pop());
    assert_eq!((&why["reason"], &why["request_id"]), (&json!("field_invalid"), &json!(request_id)));
    assert!(why["details"].as_str().unwrap().starts_with("ttl_secs: must be"), "{why}");
    let rotated = list(&["--action", "rotate_secret"]).remove(0);
    assert!(rotated["actor"].as_str().unwrap().starts_with("cli:"), "{rotated}");
    assert_eq!(list(&["--until", "1h"]), [] as [Value; 0]);
    eventually(|| (list(&["--action", "mint", "--result", "done"]).len() == 1).then_some(()));

    let run = |arguments: &[&str]| {
        let mut command = roompass(arguments.iter().copied().chain(["--config"]));
        let output = command.arg(installation.config()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (_, people) = run(&["audit", "list", "--user-id", "alice", "--result", "refused"]);
    assert!(people.contains("mint refused: field_invalid") && people.contains("user alice"), "{people}");
    let (_, exported) = run(&["audit", "export", "--app-id", "77"]);
    let actions: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].clone()).collect();
    assert_eq!(actions[..2], [json!("create_app"), json!("create_key")]);
    let (code, verified) = run(&["audit", "verify"]);
    assert_eq!(code, Some(0), "{verified}");
    assert_eq!(installation.operate(&["audit", "forget"]), json!({"forgotten": 0}), "all of it is of today");
}

// proves T63
#[test]
fn the_doctor_names_the_record_that_was_edited() {
    let (installation, _) = Installation::new().with_app();
    let database = rusqlite::Connection::open(installation.path("roompass.db")).unwrap();
    database.execute("UPDATE audit SET actor = 'cli:12345' WHERE action = 'create_key'", []).unwrap();
    for command in ["doctor", "audit verify"] {
        let mut doctor = roompass(command.split(' ').chain(["--json", "--config"]));
        let output = doctor.arg(installation.config()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        let found = String::from_utf8(output.stdout).unwrap();
        assert!(found.contains("audit record 2-1 does not fit its hash"), "{found}");
    }
}
