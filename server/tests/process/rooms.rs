//! `roompass room` against a running server, with a user in a room.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::{
    harness::{Server, eventually, output},
    socket::Socket,
};

#[test]
fn an_operator_looks_into_a_room_speaks_and_removes_a_user() {
    let server = Server::dev(&["--ephemeral"]);
    let app_id = server.ready["app_id"].to_string();
    let directory = tempfile::tempdir().unwrap();
    let key_file = directory.path().join("key");
    fs::write(&key_file, server.ready["backend_key"].as_str().unwrap()).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("http://{}", server.address);
    let remote = ["--json", "--url", &url, "--key-file", key_file.to_str().unwrap(), "--app-id", &app_id];
    let room = |arguments: &[&str]| -> Value {
        let ran = output(["room"].iter().chain(arguments).chain(&remote).copied());
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap()
    };
    assert_eq!(room(&["list"]), json!([]));

    let minted = server.mint(&json!({ "user_id": "alice", "room_id": "room#1" })).body;
    let mut socket = Socket::open(server.address);
    let logged_in = socket.login(&server.ready["app_id"], "alice", "room#1", minted["token"].as_str().unwrap());
    let session_id = logged_in["session_id"].clone();

    assert_eq!(room(&["list"])[0], json!({ "room_id": "room#1", "user_count": 1, "stream_count": 0 }));
    assert_eq!(room(&["show", "room#1"])["users"][0]["user_id"], "alice");
    let sessions = room(&["sessions", "--room-id", "room#1"]);
    assert_eq!((&sessions[0]["session_id"], &sessions[0]["token_id"]), (&session_id, &minted["token_id"]));
    assert_eq!(room(&["say", "room#1", "hello"])["session_count"], 1);
    assert_eq!(socket.hear("server_message")["text"], "hello");
    let kicked = room(&["kick", "alice", "--reason", "spam"]);
    assert_eq!((&kicked["session_ids"], &kicked["revoked_tokens"]), (&json!([session_id]), &json!(1)));
    let heard = socket.hear("kicked");
    assert_eq!((&heard["code"], &heard["reason"]), (&json!("kicked"), &json!("spam")));
    eventually(|| (room(&["list"]) == json!([])).then_some(()));

    let refused = output(["room", "stop-stream", "none"].iter().chain(&remote).copied());
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && line.contains("404 not_found"), "{line}");
    let plain = output(["room", "list", "--url", "http://rtc.example.com"].iter().chain(&remote[3..]).copied());
    assert!(String::from_utf8(plain.stderr).unwrap().contains("must be https"));
}
