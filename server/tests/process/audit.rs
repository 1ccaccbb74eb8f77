//! The audit trail of a real server: in an operator's hands, and after somebody has edited it. See `disk` for one that
//! cannot be written.

use serde_json::{Value, json};

use crate::harness::{Installation, Server, eventually, roompass};

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
