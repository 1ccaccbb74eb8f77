//! How often each AppSign was used, and when last: counted by every node, told by any, and by the command line.

use std::fs;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use token_gen::{AppId, AppSign, LoginProof};

use crate::{
    harness::{Installation, Server, eventually, output},
    operate::{as_caller, new_key},
    postgres_server::Server as Postgres,
    socket::Socket,
};

const ORIGIN: &str = "https://rtc.example.com";

/// Whether somebody who holds this AppSign gets in.
fn gets_in(server: &Server, app_sign: &str) -> bool {
    let mut socket = Socket::open(server.address);
    let hello = socket.hear("hello");
    let timestamp = hello["server_time"].as_i64().unwrap();
    let challenge = STANDARD.decode(hello["challenge"].as_str().unwrap()).unwrap();
    let proof = LoginProof {
        server_origin: ORIGIN,
        app_id: AppId::new(77).unwrap(),
        user_id: "alice",
        room_id: "r",
        challenge: challenge.as_slice().try_into().unwrap(),
        timestamp: timestamp.into(),
    };
    let proof = STANDARD.encode(proof.compute(&AppSign::new(app_sign).unwrap()));
    let proof = json!({ "timestamp": timestamp, "proof": proof });
    let login = json!({ "app_id": 77, "user_id": "alice", "room_id": "r", "app_sign_proof": proof });
    socket.ask("login", login)["type"] == "logged_in"
}

/// The counts of the present AppSign and of the one before.
fn counts(app_signs: &Value) -> Vec<u64> {
    let app_signs = app_signs.as_array().unwrap();
    let is_present: Vec<_> = app_signs.iter().map(|app_sign| app_sign["valid_until"].is_null()).collect();
    assert_eq!(is_present, [true, false][..app_signs.len()]);
    app_signs.iter().map(|app_sign| app_sign["used_count"].as_u64().unwrap()).collect()
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn an_operator_sees_on_any_node_who_still_comes_with_the_app_sign_before() {
    let installation = Installation::on(&Postgres::shared().database());
    let config = fs::read_to_string(installation.config()).unwrap();
    fs::write(installation.config(), format!("{config}[server]\npublic_url = \"{ORIGIN}\"\n")).unwrap();
    let first = installation.operate(&["app", "create", "--name", "Shop", "--app-id", "77"])["app_sign"].clone();
    let first = first.as_str().unwrap();
    let key = new_key(&installation, &["--app-id", "77", "--right", "read"]);
    let told = |server: &Server| {
        let answer = as_caller(server, &key, "GET", "/v1/apps/77", &Value::Null);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["app"]["app_signs"].clone()
    };
    let (here, there) = (Server::serve(&installation.config()), Server::serve(&installation.config()));
    assert_eq!(told(&here), json!([{ "used_count": 0, "used_in_5_min": 0, "used_in_1_h": 0 }]));
    assert!(gets_in(&here, first) && gets_in(&there, first) && gets_in(&there, first));
    assert!(!gets_in(&here, &"5a".repeat(32)));
    assert_eq!(counts(&told(&here)), [1], "what it has counted itself");
    assert!(told(&here)[0]["last_used_at"].is_i64());
    stop(there);
    assert_eq!(counts(&told(&here)), [3], "and what another has written down");
    assert_eq!(told(&here)[0]["used_in_1_h"], 1, "lately: by itself");

    // One is told of the reset and the other hears of it: neither counts for the wrong one.
    let there = Server::serve(&installation.config());
    let second = installation.operate(&["app-sign", "reset", "77", "--overlap", "1h"])["app_sign"].clone();
    let second = second.as_str().unwrap();
    assert!(gets_in(&here, first) && gets_in(&there, first));
    eventually(|| gets_in(&here, second).then_some(()));
    assert_eq!(counts(&told(&here)), [1, 4]);
    stop(there);
    stop(here);

    let listed = installation.operate(&["app-sign", "list", "77"]);
    assert_eq!(counts(&listed), [1, 5]);
    assert_eq!(counts(&installation.operate(&["app", "show", "77"])["app_signs"]), [1, 5]);
    let config = installation.config();
    let text = output(["app-sign", "list", "77", "--config", config.to_str().unwrap()]).stdout;
    let text = String::from_utf8(text).unwrap();
    let [present, previous] = text.trim_end().lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(present.starts_with("present   no end  proved 1 login, last used 2"), "{text}");
    assert!(previous.starts_with("previous  until 2") && previous.contains("  proved 5 logins, last used 2"), "{text}");
    assert!(!text.contains(first) && !text.contains(second));

    // It outlives a restart, and goes with its AppSign.
    let again = Server::serve(&installation.config());
    assert_eq!(counts(&told(&again)), [1, 5]);
    installation.operate(&["app-sign", "retire", "77"]);
    assert_eq!(counts(&told(&again)), [1]);
    installation.operate(&["app-sign", "reset", "77", "--overlap", "0s"]);
    assert_eq!(counts(&told(&again)), [0]);
}
