//! What operators do beside a running server: rotate, import, back up, restore, replace the master key.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Answer, Installation, Server, eventually, http, refusal, roompass};

pub(crate) fn as_caller(server: &Server, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    http(server.address, method, path, &headers, &body)
}

pub(crate) fn new_key(installation: &Installation, arguments: &[&str]) -> String {
    let key = installation.operate(&[&["key", "create"][..], arguments].concat());
    key["backend_key"].as_str().unwrap().to_owned()
}

fn is_active(server: &Server, key: &str, token: &str) -> bool {
    let answer = as_caller(server, key, "POST", "/v1/apps/77/tokens/introspect", &json!({"token": token}));
    answer.body["active"].as_bool().unwrap_or_else(|| panic!("{answer:?}"))
}

pub(crate) fn minted(server: &Server, key: &str) -> String {
    server.mint_with(key, "77", &json!({"user_id": "alice"})).body["token"].as_str().unwrap().to_owned()
}

#[test]
fn what_the_command_line_changes_a_running_server_follows_within_two_seconds() {
    let (installation, key) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    let start = Instant::now();
    let second = new_key(&installation, &["--app-id", "77", "--right", "introspect"]);
    let token = minted(&server, &key);
    eventually(|| (as_caller(&server, &second, "GET", "/v1/apps/77", &Value::Null).status == 403).then_some(()));
    assert!(is_active(&server, &second, &token));
    installation.operate(&["secret", "rotate", "77", "--overlap", "0s"]);
    eventually(|| (!is_active(&server, &second, &token)).then_some(()));
    installation.operate(&["app", "disable", "77"]);
    eventually(|| (server.mint_with(&key, "77", &json!({"user_id": "a"})).status == 403).then_some(()));
    installation.operate(&["app", "enable", "77"]);
    eventually(|| (server.mint_with(&key, "77", &json!({"user_id": "a"})).status == 200).then_some(()));
    // Four changes, with four processes started between them.
    assert!(start.elapsed() < Duration::from_secs(4 * 3), "{:?}", start.elapsed());
}

#[test]
fn operators_work_over_http_and_apps_stay_walls() {
    let (installation, mint_key) = Installation::new().with_app();
    let operator = new_key(&installation, &["--operator"]);
    // A key makes none that may more than itself.
    let rights = ["--right", "admin", "--right", "read", "--right", "mint"];
    let admin = new_key(&installation, &[&["--app-id", "77"][..], &rights].concat());
    let server = Server::serve(&installation.config());
    let call = |key: &str, method: &str, path: &str, body: Value| as_caller(&server, key, method, path, &body);

    let made = call(&operator, "POST", "/v1/apps", json!({"app_id": 78, "settings": {"name": "Second"}}));
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(made.body["app"]["settings"]["mode"], "token_preferred");
    let again = call(&operator, "POST", "/v1/apps", json!({"app_id": 78, "settings": {"name": "Second"}}));
    assert_eq!((again.status, &again.body["code"]), (409, &json!("conflict")));
    let taken =
        json!({"app_id": 79, "settings": {"name": "n"}, "import": {"server_secret": made.body["server_secret"]}});
    assert_eq!(call(&operator, "POST", "/v1/apps", taken).body["field"], "server_secret");
    let unsaid =
        json!({"settings": {"name": "n", "formats": ["token04_cbc"], "cbc_policy": "offline", "cbc_until": 9}});
    assert_eq!(call(&operator, "POST", "/v1/apps", unsaid).body["field"], "acknowledge_cbc");
    let first = call(&operator, "GET", "/v1/apps?limit=1", Value::Null).body;
    assert_eq!((&first["apps"][0]["app_id"], &first["cursor"]), (&json!(77), &json!("77")));
    let rest = call(&operator, "GET", "/v1/apps?limit=1&cursor=77", Value::Null).body;
    assert_eq!((&rest["apps"][0]["app_id"], &rest["cursor"]), (&json!(78), &Value::Null));

    for (key, status) in [(&admin, 403), (&mint_key, 403)] {
        assert_eq!(call(key, "GET", "/v1/apps", Value::Null).status, status);
        assert_eq!(call(key, "POST", "/v1/apps", json!({"settings": {"name": "n"}})).status, status);
    }
    for (method, path, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({"version": 1, "settings": {"enabled": false}})),
        ("GET", "/secrets", Value::Null),
        ("POST", "/secrets/rotate", json!({})),
        ("POST", "/secrets/x/retire", json!({})),
        ("POST", "/app-sign/reset", json!({"overlap_secs": 60})),
        ("GET", "/keys", Value::Null),
        ("POST", "/keys", json!({"name": "k", "rights": ["mint"]})),
        ("DELETE", "/keys/x", Value::Null),
    ] {
        let elsewhere = call(&admin, method, &format!("/v1/apps/78{path}"), body.clone());
        let nowhere = call(&admin, method, &format!("/v1/apps/99{path}"), body.clone());
        assert_eq!((elsewhere.status, &elsewhere.body["code"]), (404, &json!("app_unknown")), "{method} {path}");
        assert_eq!(elsewhere.body["detail"], nowhere.body["detail"]);
        assert_eq!(call(&mint_key, method, &format!("/v1/apps/77{path}"), body).status, 403, "{method} {path}");
    }
    assert_eq!(server.mint_with(&operator, "77", &json!({"user_id": "a"})).status, 403, "operators mint nothing");

    let patch = |version: i64| {
        let settings = json!({"max_ttl_secs": 60, "default_ttl_secs": 60, "app_sign_min_sdk": "2.17.0"});
        call(&admin, "PATCH", "/v1/apps/77", json!({"version": version, "settings": settings}))
    };
    let patched = patch(1);
    assert_eq!((patched.status, &patched.body["app"]["version"]), (200, &json!(2)), "{patched:?}");
    assert_eq!(patched.body["app"]["settings"]["app_sign_min_sdk"], "2.17.0");
    assert_eq!(patch(1).status, 409);
    let unknown = call(&admin, "PATCH", "/v1/apps/77", json!({"version": 2, "settings": {"role": 1}}));
    assert_eq!((unknown.status, &unknown.body["field"]), (422, &json!("settings.role")));

    let token = minted(&server, &mint_key);
    let rotated = call(&admin, "POST", "/v1/apps/77/secrets/rotate", json!({"overlap_secs": 3600})).body;
    let ring = call(&admin, "GET", "/v1/apps/77/secrets", Value::Null).body["secrets"].clone();
    assert_eq!(ring[0]["secret_id"], rotated["secret_id"]);
    assert_eq!((&ring[0]["state"], &ring[1]["state"]), (&json!("active"), &json!("previous")));
    assert!(!ring.to_string().contains(rotated["server_secret"].as_str().unwrap()));
    let path = format!("/v1/apps/77/secrets/{}/retire", ring[1]["secret_id"].as_str().unwrap());
    assert_eq!(call(&admin, "POST", &path, Value::Null).status, 200);
    let introspect = new_key(&installation, &["--app-id", "77", "--right", "introspect"]);
    eventually(|| (as_caller(&server, &introspect, "GET", "/v1/apps/77", &Value::Null).status == 403).then_some(()));
    assert!(!is_active(&server, &introspect, &token));

    let made = call(&admin, "POST", "/v1/apps/77/keys", json!({"name": "k", "rights": ["mint"]})).body;
    let text = made["backend_key"].as_str().unwrap();
    assert_eq!(server.mint_with(text, "77", &json!({"user_id": "a"})).status, 200);
    let listed = call(&admin, "GET", "/v1/apps/77/keys", Value::Null).body.to_string();
    assert!(listed.contains(made["key_id"].as_str().unwrap()) && !listed.contains(text));
    let path = format!("/v1/apps/77/keys/{}", made["key_id"].as_str().unwrap());
    assert_eq!(call(&admin, "DELETE", &path, Value::Null).status, 200);
    assert_eq!(call(&admin, "DELETE", &path, Value::Null).status, 404);
    assert_eq!(server.mint_with(text, "77", &json!({"user_id": "a"})).status, 401);
}

// proves T62 (files with secrets)
#[test]
fn credentials_are_taken_over_from_closed_files_or_standard_input() {
    let installation = Installation::new();
    let secret = installation.path("vendor.secret");
    fs::write(&secret, "9b07e5d13c6a4f82b1e0d7395ac8624f\n").unwrap();
    let import = |file: &str, app_id: &str| {
        let mut command = roompass(["app", "import", "--name", "Vendor", "--app-id", app_id, "--json"]);
        command.args(["--server-secret-file", file, "--config"]).arg(installation.config());
        command
    };
    for mode in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let line = refusal(&mut import(secret.to_str().unwrap(), "77"));
        assert!(line.contains("vendor.secret") && line.ends_with("chmod 600"), "{line}");
    }
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let out = installation.path("out.json");
    let mut command = import(secret.to_str().unwrap(), "77");
    let output = command.arg("--out").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("9b07e5d1"));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let made: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(made["server_secret"], "9b07e5d13c6a4f82b1e0d7395ac8624f");
    assert_eq!(made["warnings"].as_array().unwrap().len(), 1, "hexadecimal only");
    assert!(refusal(import(secret.to_str().unwrap(), "78").arg("--out").arg(&out)).contains("is there already"));

    let from_standard_input = |app_id: &str, text: &str| {
        let mut command = import("-", app_id);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let taken = from_standard_input("78", "9b07e5d13c6a4f82b1e0d7395ac8624f\n");
    let line = String::from_utf8(taken.stderr).unwrap();
    assert!(line.starts_with("roompass: server_secret: is in use already"), "{line}");
    for (placeholder, words) in [
        ("fa94dd0f974cf2e293728a526b028271\n", "is printed in public samples"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "repeats a shorter text"),
        ("abcdefghijklmnopqrstuvwxyz012345\n", "only counts through"),
    ] {
        let line = String::from_utf8(from_standard_input("78", placeholder).stderr).unwrap();
        assert!(line.starts_with(&format!("roompass: server_secret: {words}")), "{line}");
        assert!(!line.contains(placeholder.trim()), "{line}");
    }
    assert!(from_standard_input("78", "Kq7ZrT2mXv9LbN4cWs8YhJ6dPf3GtA1e\n").status.success());
}

#[test]
fn a_restored_backup_revives_nothing() {
    let (installation, key) = Installation::new().with_app();
    let introspect = new_key(&installation, &["--app-id", "77", "--right", "introspect", "--right", "revoke"]);
    let backup = installation.path("backup.db");
    let backup = backup.to_str().unwrap();
    let before = {
        let server = Server::serve(&installation.config());
        let before = minted(&server, &key);
        installation.operate(&["backup", backup]);
        let path = "/v1/apps/77/tokens/revoke";
        assert_eq!(as_caller(&server, &introspect, "POST", path, &json!({"user_id": "alice"})).status, 200);
        assert!(!is_active(&server, &introspect, &before));
        before
    };
    assert_eq!(fs::metadata(backup).unwrap().permissions().mode() & 0o777, 0o600);
    let arguments = |command: &'static str| {
        let mut command = roompass([command, backup, "--config"]);
        command.arg(installation.config());
        command
    };
    assert!(refusal(&mut arguments("backup")).contains("is there already"));
    assert!(refusal(&mut arguments("restore")).contains("move it away first"));
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(installation.path(&format!("roompass.db{ending}")));
    }
    assert_eq!(installation.operate(&["restore", backup])["apps"], json!(1));
    let server = Server::serve(&installation.config());
    assert!(!is_active(&server, &introspect, &before), "it was revoked after the backup");
    // Tokens of the very second of the restore are refused with those before it.
    eventually(|| is_active(&server, &introspect, &minted(&server, &key)).then_some(()));
    assert_eq!(installation.operate(&["doctor"])["faults"], json!([]));
    assert!(!installation.path("roompass.db.restoring").exists());
    let told = installation.operate(&["audit", "list", "--action", "restore"]);
    assert_eq!(told["records"].as_array().unwrap().len(), 1, "{told}");

    // With another master key nothing is put in place.
    fs::remove_file(installation.path("roompass.db")).unwrap();
    installation.write_key(&crate::harness::MASTER_KEY.replace('8', "9"), 0o600);
    assert!(refusal(&mut arguments("restore")).starts_with("master_key: "));
    assert!(!installation.path("roompass.db").exists() && !installation.path("roompass.db.restoring").exists());
}

#[test]
fn a_new_master_key_replaces_the_old_one() {
    let (installation, key) = Installation::new().with_app();
    let new = installation.path("new.key");
    let mut generate = roompass(["master-key", "generate", "--out"]);
    assert!(generate.arg(&new).status().unwrap().success());
    assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refusal(&mut generate).contains("is there already"));

    let old = Server::serve(&installation.config());
    let rotate = ["master-key", "rotate", "--new-key-file", new.to_str().unwrap()];
    assert_eq!(installation.operate(&rotate)["resealed"], json!(3));
    assert_eq!(installation.operate(&rotate)["resealed"], json!(0), "doing it twice is fine");
    assert_eq!(old.mint_with(&key, "77", &json!({"user_id": "a"})).status, 200, "it serves on");
    let line = refusal(&mut installation.serve());
    assert_eq!(line, "master_key: is not the key that the data in the store was sealed with");
    fs::rename(&new, installation.path("master.key")).unwrap();
    let server = Server::serve(&installation.config());
    assert_eq!(server.mint_with(&key, "77", &json!({"user_id": "a"})).status, 200);
}

#[test]
fn the_doctor_finds_what_does_not_open() {
    let (installation, _) = Installation::new().with_app();
    let sound = installation.operate(&["doctor"]);
    assert_eq!(sound, json!({"sealed_values": 3, "audit_records": 2, "faults": []}), "an app and a key were made");
    let database = rusqlite::Connection::open(installation.path("roompass.db")).unwrap();
    database.execute("UPDATE server_secrets SET sealed = zeroblob(61)", []).unwrap();
    let mut command = roompass(["doctor", "--json", "--config"]);
    let output = command.arg(installation.config()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["faults"][0]["app_id"], json!(77), "{report}");
    assert_eq!(report["faults"].as_array().unwrap().len(), 1);
}
