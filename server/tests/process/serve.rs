//! `roompass serve`, and the commands that fill its store.

use std::fs;

use serde_json::json;

use crate::harness::{Installation, Server, eventually, refusal, roompass};

#[test]
fn from_nothing_to_a_token() {
    let (installation, key) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    assert_eq!(server.ready["dev"], json!(false));
    assert_eq!(server.mint_with(&key, "77", &json!({"user_id": "alice"})).status, 200);
    assert_eq!(server.get("/healthz").body["dev"], json!(false));
}

#[test]
fn a_key_reaches_as_far_as_its_scope() {
    let (installation, _) = Installation::new().with_app();
    let narrow = ["key", "create", "--app-id", "77", "--room-prefix", "class-", "--privilege", "login"];
    let narrow = installation.operate(&[&narrow[..], &["--max-ttl", "1m", "--expires-in", "1day"]].concat());
    let reader = installation.operate(&["key", "create", "--app-id", "77", "--right", "read"]);
    let server = Server::serve(&installation.config());
    let mint = |key: &serde_json::Value, body| server.mint_with(key["backend_key"].as_str().unwrap(), "77", &body);
    let request = json!({"user_id": "a", "room_id": "class-1", "privileges": ["login"]});
    let answer = mint(&narrow, request.clone());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["expire_at"].as_i64().unwrap() - answer.body["issued_at"].as_i64().unwrap(), 60);
    assert_eq!(mint(&narrow, json!({"user_id": "a", "room_id": "lobby"})).body["field"], "room_id");
    assert_eq!(mint(&narrow, json!({"user_id": "a", "room_id": "class-1"})).body["field"], "privileges");
    assert_eq!(mint(&reader, request).status, 403);
}

#[test]
fn a_key_made_and_revoked_beside_a_running_server_counts_after_sighup() {
    let (installation, first) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    let second = installation.operate(&["key", "create", "--app-id", "77", "--name", "second"]);
    let first_id = first.split('_').nth(1).unwrap();
    let status = |key: &str| server.mint_with(key, "77", &json!({"user_id": "a"})).status;
    assert_eq!(status(&first), 200);
    let revoked = installation.operate(&["key", "revoke", first_id, "--app-id", "77"]);
    assert_eq!(revoked, json!({"key_id": first_id, "revoked": true}));
    let again = installation.operate(&["key", "revoke", first_id, "--app-id", "77"]);
    assert_eq!(again["revoked"], json!(false));
    server.signal("HUP");
    eventually(|| (status(&first) == 401).then_some(()));
    assert_eq!(status(second["backend_key"].as_str().unwrap()), 200);
    let listed = installation.operate(&["key", "list", "--app-id", "77"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["key_id"], second["key_id"]);
}

#[test]
fn the_log_filter_changes_at_sighup_and_an_unsound_configuration_changes_nothing() {
    let (installation, _) = Installation::new().with_app();
    let server = Server::serve_by_its_filter(&installation.config());
    let sound = fs::read_to_string(installation.config()).unwrap();
    let with_log =
        |filter: &str| fs::write(installation.config(), format!("{sound}[log]\nfilter = \"{filter}\"\n")).unwrap();
    with_log("roompass=loud");
    // The last that is done at a signal: the next one finds nothing under way.
    server.log_of(|| server.signal("HUP"), "apps and keys read again");
    let line = server.log_line("the configuration in use stays");
    assert!(line.contains("log.filter"), "{line}");
    with_log("debug");
    server.log_of(|| server.signal("HUP"), "apps and keys read again");
    server.log_of(|| assert_eq!(server.get("/healthz").status, 200), "\"message\":\"answered\"");
}

#[test]
fn apps_are_listed_without_their_secrets() {
    let installation = Installation::new();
    let app = installation.operate(&["app", "create", "--name", "Shop", "--mode", "token_only", "--max-ttl", "7d"]);
    let listed = installation.operate(&["app", "list"]);
    assert_eq!(listed[0]["settings"]["name"], "Shop");
    let shown = installation.operate(&["app", "show", &app["app_id"].to_string()]);
    assert_eq!(
        (&shown["settings"]["mode"], &shown["settings"]["max_ttl_secs"]),
        (&json!("token_only"), &json!(604_800))
    );
    for secret in [&app["app_sign"], &app["server_secret"]] {
        assert!(!shown.to_string().contains(secret.as_str().unwrap()));
        let database = fs::read(installation.path("roompass.db")).unwrap();
        let wal = fs::read(installation.path("roompass.db-wal")).unwrap_or_default();
        let secret = secret.as_str().unwrap().as_bytes();
        assert!(![database, wal].iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret)));
    }
}

// proves F14 (store and keys)
#[test]
fn what_cannot_start_says_why_and_changes_nothing() {
    let empty = Installation::new();
    let line = refusal(&mut empty.serve());
    assert!(line.starts_with("store.url: ") && line.contains("does not exist"), "{line}");
    assert!(!empty.path("roompass.db").exists());

    empty.operate(&["app", "create", "--name", "Shop"]);
    let line = refusal(&mut empty.serve());
    assert!(line.starts_with("store.url: holds no backend key"), "{line}");

    let (installation, _) = Installation::new().with_app();
    let before = fs::read(installation.path("roompass.db")).unwrap();
    for mode in [0o644, 0o640, 0o604] {
        installation.write_key(crate::harness::MASTER_KEY, mode);
        let line = refusal(&mut installation.serve());
        assert!(line.starts_with("master_key.file: ") && line.ends_with("chmod 600"), "{line}");
    }
    installation.write_key(&crate::harness::MASTER_KEY.replace('8', "9"), 0o600);
    let line = refusal(&mut installation.serve());
    assert_eq!(line, "master_key: is not the key that the data in the store was sealed with");
    assert_eq!(fs::read(installation.path("roompass.db")).unwrap(), before);
    fs::remove_file(installation.path("master.key")).unwrap();
    assert!(refusal(&mut installation.serve()).starts_with("master_key.file: "));
}

#[test]
fn the_master_key_may_come_from_the_environment() {
    let (installation, _) = Installation::new().with_app();
    let database = format!("sqlite:{}", installation.path("roompass.db").display());
    let check = |key: &str| {
        let mut command = roompass(["app", "list"]);
        command.env("ROOMPASS_STORE_URL", &database).env("ROOMPASS_MASTER_KEY", key).output().unwrap()
    };
    let listed = check(crate::harness::MASTER_KEY);
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), "77          Shop\n");
    assert!(!check(&crate::harness::MASTER_KEY.replace('8', "9")).status.success());
}

#[test]
fn as_many_threads_serve_as_the_operator_says() {
    let (installation, _) = Installation::new().with_app();
    for workers in ["1", "3"] {
        let mut command = roompass(["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(installation.config()).env("ROOMPASS_SERVER_WORKERS", workers);
        let server = Server::started(command);
        assert_eq!(server.get("/healthz").status, 200);
        let names = fs::read_dir(format!("/proc/{}/task", server.pid()))
            .unwrap()
            .map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).unwrap_or_default());
        let serving = names.filter(|name| name.starts_with("tokio-rt-worker") || name.starts_with("tokio-runtime-w"));
        // Those that wait for the disk have the same name, and there are as many as are needed.
        let count = serving.count();
        assert!(count >= workers.parse().unwrap(), "{count} threads");
    }
}
