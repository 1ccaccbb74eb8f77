//! A PostgreSQL database that is dumped, lost and restored: nothing that was ended meanwhile comes to life.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    harness::{Installation, Server, eventually, http, refusal, roompass},
    postgres_server::Server as Postgres,
};

// proves S7
#[test]
fn what_was_revoked_after_a_dump_stays_revoked_after_a_restore() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let database = url.rsplit('/').next().unwrap();
    let installation = Installation::on(&url);
    let (installation, _) = installation.with_app();
    let rights = ["--right", "mint", "--right", "introspect", "--right", "revoke"];
    let key = installation.operate(&[&["key", "create", "--app-id", "77"][..], &rights].concat());
    let key = key["backend_key"].as_str().unwrap();
    let post = |server: &Server, path: &str, body: &Value| {
        let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
        let answer = http(server.address, "POST", &format!("/v1/apps/77/{path}"), &headers, &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    let mint = |server: &Server, user_id: &str| {
        post(server, "tokens", &json!({ "user_id": user_id }))["token"].as_str().unwrap().to_owned()
    };
    let is_active =
        |server: &Server, token: &str| post(server, "tokens/introspect", &json!({ "token": token }))["active"] == true;

    let leaked = installation.operate(&["key", "create", "--app-id", "77", "--right", "mint"]);
    let leaked = leaked["key_id"].as_str().unwrap();

    let server = Server::serve(&installation.config());
    let (revoked_later, left_alone) = (mint(&server, "a"), mint(&server, "b"));
    let dump = installation.path("roompass.dump");
    let dump = dump.to_str().unwrap();
    tool("pg_dump", &url, &["--format=custom", "--file", dump]);
    post(&server, "tokens/revoke", &json!({ "user_id": "a" }));
    assert!(!is_active(&server, &revoked_later) && is_active(&server, &left_alone));
    drop(server);
    installation.operate(&["key", "revoke", leaked, "--app-id", "77"]);
    let mut export = roompass(["audit", "export", "--config"]);
    let trail = installation.path("trail.jsonl");
    fs::write(&trail, export.arg(installation.config()).output().unwrap().stdout).unwrap();

    postgres.sql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)"));
    postgres.sql("postgres", &format!("CREATE DATABASE {database}"));
    tool("pg_restore", &url, &["--exit-on-error", dump]);
    assert_eq!(postgres.sql(database, "SELECT count(*) FROM revocations"), "0", "the dump knows nothing of it");
    let restored = installation.operate(&["restore", "--after-pg-restore"]);
    assert_eq!(restored, json!({ "restored": "PostgreSQL", "apps": 1 }));
    // The key is good again. What restoring wrote has the numbers of records that are lost, and is not taken for them.
    let keys = || installation.operate(&["key", "list", "--app-id", "77"]).to_string();
    assert!(keys().contains(leaked));
    let replay = ["restore", "--after-pg-restore", "--replay", trail.to_str().unwrap()];
    assert_eq!(installation.operate(&replay)["replayed"], json!(1));
    assert!(!keys().contains(leaked));
    assert_eq!(installation.operate(&replay)["replayed"], json!(0), "twice is once");
    assert_eq!(installation.operate(&["doctor"])["faults"], json!([]));

    let server = Server::serve(&installation.config());
    assert!(!is_active(&server, &revoked_later), "it came to life again");
    assert!(!is_active(&server, &left_alone), "of those before the restore nobody knows which were ended");
    // Once the second of the restore is over, all goes on.
    eventually(|| is_active(&server, &mint(&server, "c")).then_some(()));
}

/// Runs a tool of PostgreSQL on the database at `url`.
fn tool(program: &str, url: &str, arguments: &[&str]) {
    let output = Command::new(program).args(["--dbname", url]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_second_half_of_a_restore_is_for_postgres_only() {
    let (installation, _) = Installation::new().with_app();
    let config = installation.config();
    let mut restore = roompass(["restore", "--after-pg-restore", "--config", config.to_str().unwrap()]);
    assert!(refusal(&mut restore).starts_with("store.url: is not PostgreSQL"));
}
