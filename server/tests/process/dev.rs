//! `roompass dev`

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
};

use serde_json::json;
use token_gen::{AppId, ServerSecret, Verifier};

use crate::harness::{Installation, Server, http, output, read_answer, refusal, roompass};

#[test]
fn one_line_tells_all_and_what_is_minted_opens_with_the_secret_in_it() {
    let server = Server::dev(&["--ephemeral"]);
    let members: Vec<&String> = server.ready.as_object().unwrap().keys().collect();
    assert_eq!(members, ["app_id", "app_sign", "backend_key", "gateway_url", "server_secret", "url"]);
    assert_eq!(server.ready["gateway_url"], format!("ws://{}/v1/gateway", server.address));

    let request = json!({"user_id": "alice", "room_id": "room1", "privileges": ["login"], "ttl_secs": 600});
    let answer = server.mint(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("cache-control: no-store"));
    let secret = ServerSecret::new(server.ready["server_secret"].as_str().unwrap()).unwrap();
    let verifier = Verifier::builder(AppId::new(1_234_567_890).unwrap(), &secret).build();
    let now = answer.body["server_time"].as_i64().unwrap();
    let claims = verifier.verify(answer.body["token"].as_str().unwrap(), now.into()).unwrap().claims;
    assert_eq!(claims.user_id, "alice");
    assert_eq!(claims.expire_at.get(), now + 600);
    assert_eq!(server.get("/healthz").body["dev"], json!(true));
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn the_next_start_shows_the_same_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let arguments = ["--data-dir", data_dir.to_str().unwrap()];
    let mut first = Server::dev(&arguments);
    // Not a clean end: what was acknowledged must be there all the same.
    first.signal("KILL");
    first.exit_code();
    let second = Server::dev(&arguments);
    for member in ["app_id", "app_sign", "server_secret", "backend_key"] {
        assert_eq!(first.ready[member], second.ready[member], "{member}");
    }
    assert_eq!(second.mint(&json!({"user_id": "alice"})).status, 200);
    let env = fs::read_to_string(data_dir.join("demo.env")).unwrap();
    for (variable, member) in [("ROOMPASS_URL", "url"), ("ROOMPASS_BACKEND_KEY", "backend_key")] {
        assert!(env.contains(&format!("export {variable}={}\n", second.ready[member].as_str().unwrap())));
    }
    for entry in fs::read_dir(&data_dir).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    assert_eq!(fs::metadata(&data_dir).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_lost_demo_key_is_replaced_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--data-dir", directory.path().to_str().unwrap()];
    let first = Server::dev(&arguments);
    let lost = first.ready["backend_key"].as_str().unwrap().to_owned();
    drop(first);
    fs::remove_file(directory.path().join("demo.key")).unwrap();
    let second = Server::dev(&arguments);
    assert_eq!(second.mint_with(&lost, "1234567890", &json!({"user_id": "a"})).status, 401);
    assert_eq!(second.mint(&json!({"user_id": "a"})).status, 200);
}

#[test]
fn requests_that_cannot_be_served_are_problems() {
    let server = Server::dev(&["--ephemeral"]);
    let key = server.ready["backend_key"].as_str().unwrap();
    assert_eq!(server.mint_with("rp_wrong", "1234567890", &json!({"user_id": "a"})).status, 401);
    assert_eq!(server.mint_with(key, "7", &json!({"user_id": "a"})).status, 404);
    let answer = server.mint(&json!({"user_id": "a", "ttl_secs": 0}));
    assert_eq!((answer.status, &answer.body["field"]), (422, &json!("ttl_secs")));
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    let path = "/v1/apps/1234567890/tokens";
    let bombs =
        ["[".repeat(60_000), format!("{{\"user_id\":{}", "{\"a\":".repeat(10_000)), "{\"user_id\":1e999}".to_owned()];
    for bomb in bombs {
        let answer = http(server.address, "POST", path, &headers, &bomb);
        assert!([400, 422].contains(&answer.status), "{answer:?}");
        assert!(answer.head.contains("application/problem+json"));
    }
    let long_header = format!("X: {}\r\n", "x".repeat(20_000));
    assert_eq!(http(server.address, "GET", "/healthz", &long_header, "").status, 431);
    let many: String = (0..100).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert_eq!(http(server.address, "GET", "/healthz", &many, "").status, 431);
    assert_eq!(server.mint(&json!({"user_id": "a"})).status, 200);
}

// proves F7 (requests)
#[test]
fn every_request_under_way_is_finished_before_the_end() {
    let mut server = Server::dev(&["--ephemeral"]);
    let key = server.ready["backend_key"].as_str().unwrap();
    let body = r#"{"user_id":"alice"}"#;
    let head = format!(
        "POST /v1/apps/1234567890/tokens HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let under_way: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            // The server asks for the body: the request is under way.
            let mut go_on = [0; 25];
            std::io::Read::read_exact(&mut stream, &mut go_on).unwrap();
            assert!(go_on.starts_with(b"HTTP/1.1 100"));
            stream
        })
        .collect();
    server.signal("TERM");
    crate::harness::eventually(|| TcpStream::connect(server.address).is_err().then_some(()));
    for mut stream in under_way {
        stream.write_all(body.as_bytes()).unwrap();
        assert_eq!(read_answer(stream).status, 200);
    }
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn sigint_ends_it_too() {
    let mut server = Server::dev(&["--ephemeral"]);
    server.signal("INT");
    assert_eq!(server.exit_code(), Some(0));
}

// proves T61
#[test]
fn a_development_server_stays_on_this_machine_and_says_what_it_is() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let line = refusal(&mut roompass(["dev", "--ephemeral", "--listen", address]));
        assert!(line.starts_with("--listen: a development server"), "{line}");
    }
    // The console takes its mark from the same place.
    assert_eq!(Server::dev(&["--ephemeral"]).get("/healthz").body["dev"], json!(true));
    let mut command = roompass(["dev", "--ephemeral", "--json", "--listen", "127.0.0.1:0"]);
    command.env("ROOMPASS_LOG_FORMAT", "json").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let started = log.find(|line| line.contains("roompass serves on"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(started.is_some_and(|line| line.contains(r#""dev":true"#)));

    let (installation, _) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    assert_eq!(server.ready["dev"], json!(false));
    assert_eq!(server.get("/healthz").body["dev"], json!(false));
    assert_eq!(server.get("/demo").status, 404);
}

// proves T61 (switches)
#[test]
fn no_switch_makes_a_server_for_real_check_less() {
    let installation = Installation::new();
    let config = installation.config();
    let written = fs::read_to_string(&config).unwrap();
    let check = ["config", "check", "--config", config.to_str().unwrap()];
    assert_eq!(output(check).status.code(), Some(0));
    let defaults = String::from_utf8(output(["config", "default"]).stdout).unwrap();
    let sections: Vec<&str> = defaults.lines().filter(|line| line.starts_with('[')).collect();
    assert!(sections.len() >= 10, "{sections:?}");
    for section in sections {
        for switch in ["dev", "insecure", "skip_verification"] {
            let line = format!("{section}\n{switch} = true\n");
            let without = written.replace(&format!("{section}\n"), "");
            let is_there = without.len() < written.len();
            let text =
                if is_there { written.replace(&format!("{section}\n"), &line) } else { format!("{written}{line}") };
            fs::write(&config, text).unwrap();
            let refused = refusal(&mut roompass(check));
            assert!(refused.contains(switch), "{section}: {refused}");
        }
    }
    let flags = String::from_utf8(output(["serve", "--help"]).stdout).unwrap().to_lowercase();
    let names = defaults.to_lowercase();
    for word in ["insecure", "unsafe", "skip", "no_verify", "no-verify", "disable_auth", "debug ="] {
        assert!(!names.contains(word) && !flags.contains(word), "{word}");
    }
    // Nor does a build check less than another.
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    for folder in ["media/src", "../token-gen/src", "../sdk/src", "../sdk/wire/src"] {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    }
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let is_tests = entry.file_name().is_some_and(|name| name == "tests");
            if entry.is_dir() && !is_tests {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&entry).unwrap();
                assert!(!text.contains("debug_assertions"), "{}", entry.display());
                read += 1;
            }
        }
    }
    assert!(read > 200, "{read}");
}

#[test]
fn a_taken_port_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = refusal(&mut roompass(["dev", "--ephemeral", "--listen", &address]));
    assert!(line.starts_with(&format!("server.listen: {address} is taken: stop what listens there")), "{line}");
}

#[test]
fn a_data_directory_that_lost_its_master_key_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    drop(Server::dev(&["--data-dir", data_dir]));
    fs::remove_file(directory.path().join("master.key")).unwrap();
    let line = refusal(&mut roompass(["dev", "--listen", "127.0.0.1:0", "--data-dir", data_dir]));
    assert!(line.starts_with("--data-dir: ") && line.contains("master.key is missing"), "{line}");
    assert!(!directory.path().join("master.key").exists());
}

#[test]
fn people_get_a_tour_they_can_paste() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let ready = Server::dev(&["--data-dir", data_dir]).ready.clone();
    let tour = Server::dev_for_people(data_dir);
    for part in [
        ready["backend_key"].as_str().unwrap(),
        "1234567890",
        &format!("\n  source {data_dir}/demo.env\n"),
        "curl -sS \"$ROOMPASS_URL/v1/apps/$ROOMPASS_APP_ID/tokens\"",
        &format!("--server-secret-file {data_dir}/demo.secret"),
    ] {
        assert!(tour.contains(part), "{tour}");
    }
    // The AppSign and the server secret are for files and scripts, not for a terminal's scrollback.
    assert!(!tour.contains(ready["server_secret"].as_str().unwrap()));
    let help = String::from_utf8(output(["dev", "--help"]).stdout).unwrap();
    assert!(help.contains("127.0.0.1:8080") && help.contains(".roompass"), "{help}");
}
