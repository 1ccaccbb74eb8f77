//! A restore with what was done since the backup, out of an exported trail.

use std::fs;

use serde_json::{Value, json};

use crate::{
    harness::{Installation, Server, roompass},
    operate::{as_caller, minted, new_key},
};

// proves S7 (bans, keys, secrets, AppSigns and settings)
#[test]
fn what_was_taken_away_after_the_backup_stays_so_with_the_trail() {
    let (installation, key) = Installation::new().with_app();
    let rights = ["mint", "introspect", "explain", "revoke", "read"].map(|right| ["--right", right]).concat();
    let operator = new_key(&installation, &[&["--app-id", "77"][..], &rights].concat());
    let leaked = installation.operate(&["key", "create", "--app-id", "77", "--right", "mint"]);
    let secret = installation.operate(&["secret", "list", "77"])[0]["secret_id"].clone();
    let backup = installation.path("backup.db");
    let backup = backup.to_str().unwrap();
    {
        let server = Server::serve(&installation.config());
        let post = |path: &str, body: Value| {
            let answer = as_caller(&server, &operator, "POST", path, &body);
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.body
        };
        post("/v1/apps/77/bans", json!({"user_id": "before"}));
        let lifted = post("/v1/apps/77/bans", json!({"user_id": "forgiven"}))["ban"]["ban_id"].clone();
        installation.operate(&["backup", backup]);
        post("/v1/apps/77/bans", json!({"user_id": "mallory", "reason": "spam"}));
        post("/v1/apps/77/bans", json!({"user_id": "eve", "room_id": "r"}));
        post("/v1/apps/77/bans", json!({"ip_range": "203.0.113.0/24"}));
        let path = format!("/v1/apps/77/bans/{}", lifted.as_str().unwrap());
        assert_eq!(as_caller(&server, &operator, "DELETE", &path, &Value::Null).status, 200);
        installation.operate(&["key", "revoke", leaked["key_id"].as_str().unwrap(), "--app-id", "77"]);
        installation.operate(&["secret", "rotate", "77", "--overlap", "0s"]);
        installation.operate(&["app-sign", "reset", "77", "--overlap", "0s"]);
        installation.operate(&["app", "update", "77", "--set", "max_room_users=5"]);
        installation.operate(&["key", "create", "--app-id", "77", "--right", "read"]);
    }
    let mut export = roompass(["audit", "export", "--config"]);
    let trail = installation.path("trail.jsonl");
    let exported = export.arg(installation.config()).output().unwrap().stdout;
    // A trail that is kept by appending has records twice.
    fs::write(&trail, [&exported[..], &exported[..]].concat()).unwrap();

    let remove = || {
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(installation.path(&format!("roompass.db{ending}")));
        }
    };
    let app_sign = |installation: &Installation| {
        let database = rusqlite::Connection::open(installation.path("roompass.db")).unwrap();
        let sealed: Vec<u8> = database.query_row("SELECT app_sign FROM apps", [], |row| row.get(0)).unwrap();
        sealed
    };

    // Without it, everything but tokens is back, and the operator is told.
    remove();
    let mut restore = roompass(["restore", backup, "--config"]);
    let said = String::from_utf8(restore.arg(installation.config()).output().unwrap().stdout).unwrap();
    assert!(said.contains("later bans are missing") && said.contains("--replay FILE"), "{said}");
    let old_app_sign = app_sign(&installation);
    {
        let server = Server::serve(&installation.config());
        let text = leaked["backend_key"].as_str().unwrap();
        assert_eq!(server.mint_with(text, "77", &json!({"user_id": "a"})).status, 200);
        assert_eq!(banned(&server, &operator), ["before", "forgiven"]);
    }

    remove();
    let replayed = installation.operate(&["restore", backup, "--replay", trail.to_str().unwrap()]);
    assert_eq!(replayed["replayed"], json!(8), "{replayed}");
    let to_do = replayed["not_replayed"].as_array().unwrap();
    let says = |words: &str| to_do.iter().any(|line| line.as_str().unwrap().contains(words));
    assert!(says("app 77 mints with a new secret") && says("app 77 has a new AppSign"), "{replayed}");
    assert!(says("create_key of ") && to_do.len() == 3, "{replayed}");
    assert_ne!(app_sign(&installation), old_app_sign);
    let server = Server::serve(&installation.config());
    let text = leaked["backend_key"].as_str().unwrap();
    assert_eq!(server.mint_with(text, "77", &json!({"user_id": "a"})).status, 401);
    assert_eq!(banned(&server, &operator), ["203.0.113.0/24", "before", "eve in r", "mallory"]);
    let ring = installation.operate(&["secret", "list", "77"]);
    assert_eq!(ring.as_array().unwrap().len(), 2, "{ring}");
    let old = ring.as_array().unwrap().iter().find(|one| one["secret_id"] == secret).unwrap();
    assert_eq!(old["state"], "ended", "{ring}");
    assert_eq!(installation.operate(&["app", "show", "77"])["settings"]["max_room_users"], json!(5));
    assert!(!minted(&server, &key).is_empty());
    assert_eq!(installation.operate(&["doctor"])["faults"], json!([]));
}

fn banned(server: &Server, key: &str) -> Vec<String> {
    let bans = as_caller(server, key, "GET", "/v1/apps/77/bans", &Value::Null).body["bans"].clone();
    let word = |ban: &Value| match (ban["user_id"].as_str(), ban["room_id"].as_str()) {
        (Some(user_id), Some(room_id)) => format!("{user_id} in {room_id}"),
        (Some(user_id), None) => user_id.to_owned(),
        _ => ban["ip_range"].as_str().unwrap().to_owned(),
    };
    let mut banned: Vec<String> = bans.as_array().unwrap().iter().map(word).collect();
    banned.sort();
    banned
}

#[test]
fn a_trail_that_is_none_is_refused_before_anything_is_touched() {
    let (installation, _) = Installation::new().with_app();
    let backup = installation.path("backup.db");
    installation.operate(&["backup", backup.to_str().unwrap()]);
    fs::remove_file(installation.path("roompass.db")).unwrap();
    let trail = installation.path("trail.jsonl");
    fs::write(&trail, "{\"at\": 1}\n").unwrap();
    let mut restore = roompass(["restore", backup.to_str().unwrap(), "--replay", trail.to_str().unwrap(), "--config"]);
    let output = restore.arg(installation.config()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("line 1: is no record"), "{said}");
    assert!(!installation.path("roompass.db").exists());
}
