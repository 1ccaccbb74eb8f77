//! What hostile and broken clients send, byte by byte, and that the gateway stays bounded and alive.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(super) use super::frames::{RawClient, handshake};
use super::{
    frames::{FIN, PING, PONG, TEXT, abuses, frame, text, upgrade},
    harness::{APP_ID, PATIENCE, TestGateway, settings},
};
use crate::gateway::GatewayConfig;

impl RawClient {
    pub(super) async fn login(&mut self, test: &TestGateway, user_id: &str) {
        self.login_to(test, user_id, "r1").await;
    }

    pub(super) async fn login_to(&mut self, test: &TestGateway, user_id: &str, room_id: &str) {
        let token = test.token_with(user_id, room_id, &token_gen::Privilege::ALL, 600);
        let login = json!({
            "type": "login", "id": 1, "app_id": APP_ID, "user_id": user_id, "room_id": room_id, "token": token
        });
        self.write(&frame(FIN | TEXT, login.to_string().as_bytes())).await;
        let (_, answer) = self.read_frame().await.unwrap();
        assert!(String::from_utf8(answer).unwrap().contains("logged_in"));
    }
}

/// Sends `bytes` after the hello and says what comes back first.
async fn after_hello(test: &TestGateway, bytes: &[u8]) -> String {
    let mut client = RawClient::connect(test.address).await;
    client.write(bytes).await;
    client.next().await
}

// proves T52, W2
#[tokio::test]
async fn broken_frames_close_the_connection_with_the_right_code() {
    let test = TestGateway::start(settings()).await;
    for abuse in abuses() {
        assert_eq!(abuse.commit(test.address).await, abuse.expected, "{}", abuse.name);
    }
    test.enter("alice", 60).await;
}

#[tokio::test]
async fn texts_that_are_no_messages_are_answered_and_change_nothing() {
    // proves T56, W2 (depth)
    let test = TestGateway::start(settings()).await;
    let login = |members: Value| {
        let mut login = json!({ "type": "login", "id": 5, "app_id": APP_ID, "user_id": "u", "room_id": "r" });
        login.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        login.to_string()
    };
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (name, message, expected) in [
        ("nothing", String::new(), "message_invalid null"),
        ("no JSON", "hello".into(), "message_invalid null"),
        ("half a JSON", r#"{"type":"logout","id":5"#.into(), "message_invalid null"),
        ("two JSONs", r#"{"type":"logout","id":5}{}"#.into(), "message_invalid null"),
        ("a list", "[]".into(), "message_invalid null"),
        ("depth 10,000", deep(10_000), "message_invalid null"),
        (
            "depth 17 inside a message",
            format!(r#"{{"type":"logout","id":5,"x":{}}}"#, deep(16)),
            "message_invalid null",
        ),
        ("a number beyond all", r#"{"type":"logout","id":1e999}"#.into(), "message_invalid null"),
        ("a byte order mark", "\u{feff}{\"type\":\"logout\",\"id\":5}".into(), "message_invalid null"),
        ("no id", r#"{"type":"logout"}"#.into(), "message_invalid null"),
        ("no type", r#"{"id":5}"#.into(), "message_invalid 5"),
        ("an unknown type", r#"{"type":"shutdown","id":5}"#.into(), "message_invalid 5"),
        ("a server message", r#"{"type":"ok","id":5}"#.into(), "message_invalid 5"),
        ("an unknown member", login(json!({ "role": "admin" })), "message_invalid 5"),
        ("a forged sender", r#"{"type":"publish","id":5,"stream_id":"s","from":"bob"}"#.into(), "message_invalid 5"),
        ("a list for a string", login(json!({ "user_id": ["u"] })), "message_invalid 5"),
        ("a string for a number", login(json!({ "app_id": "7" })), "message_invalid 5"),
        ("a negative app", login(json!({ "app_id": -7 })), "message_invalid 5"),
        ("an app beyond 32 bits", login(json!({ "app_id": 4_294_967_296_u64 })), "message_invalid 5"),
        ("half a surrogate pair", r#"{"type":"publish","id":5,"stream_id":"\ud800"}"#.into(), "message_invalid 5"),
        ("app 0", login(json!({ "app_id": 0 })), "app_unknown 5"),
        ("an unknown app", login(json!({ "app_id": 8 })), "app_unknown 5"),
        ("an empty user id", login(json!({ "user_id": "" })), "user_id_invalid 5"),
        ("a NUL in the user id", login(json!({ "user_id": "a\0" })), "user_id_invalid 5"),
        ("a line break in the user id", login(json!({ "user_id": "a\r\nlevel=ERROR" })), "user_id_invalid 5"),
        ("a right-to-left mark in the user id", login(json!({ "user_id": "a\u{202e}" })), "user_id_invalid 5"),
        ("65 bytes of user id", login(json!({ "user_id": "u".repeat(65) })), "user_id_invalid 5"),
        ("an empty room id", login(json!({ "room_id": "" })), "room_id_invalid 5"),
        ("129 bytes of room id", login(json!({ "room_id": "r".repeat(129) })), "room_id_invalid 5"),
        ("256 bytes of user name", login(json!({ "user_name": "n".repeat(256) })), "user_name_invalid 5"),
        ("an escape sequence as user name", login(json!({ "user_name": "\u{1b}[2J" })), "user_name_invalid 5"),
        ("a line break in the sdk", login(json!({ "sdk": "a\nb" })), "field_invalid 5"),
        ("65 bytes of sdk", login(json!({ "sdk": "s".repeat(65) })), "field_invalid 5"),
        ("a token of 9 KiB", login(json!({ "token": "0".repeat(9000) })), "token_invalid 5"),
        ("a token of one letter", login(json!({ "token": "0" })), "token_invalid 5"),
        ("an empty token", login(json!({ "token": "" })), "token_missing 5"),
        ("another version", login(json!({ "token": "05AAAA" })), "token_version 5"),
        (
            "a proof that is no base64",
            login(json!({ "app_sign_proof": { "timestamp": 0, "proof": "%" } })),
            "app_sign_wrong 5",
        ),
        ("publish before login", r#"{"type":"publish","id":5,"stream_id":"s"}"#.into(), "not_in_room 5"),
        ("stop_publish before login", r#"{"type":"stop_publish","id":5,"stream_id":"s"}"#.into(), "not_in_room 5"),
        ("play before login", r#"{"type":"play","id":5,"stream_id":"s"}"#.into(), "not_in_room 5"),
        ("stop_play before login", r#"{"type":"stop_play","id":5,"stream_id":"s"}"#.into(), "not_in_room 5"),
        ("renew_token before login", r#"{"type":"renew_token","id":5,"token":"04"}"#.into(), "not_in_that_room 5"),
        ("logout before login", r#"{"type":"logout","id":5}"#.into(), "not_in_room 5"),
    ] {
        assert_eq!(after_hello(&test, &text(&message)).await, expected, "{name}");
    }
    test.enter("alice", 60).await;
}

#[tokio::test]
async fn operations_out_of_order_leave_the_session_as_it_was() {
    // proves T53
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    let token = test.token("bob", 600);
    let again = alice.login("bob", "r1", json!({ "token": token })).await;
    assert_eq!((&again["code"], &again["number"]), (&json!("already_in_room"), &json!(1002001)));
    assert_eq!(alice.renew(&token).await["code"], "token_user_mismatch");
    assert_eq!(alice.ask("publish", json!({ "stream_id": "s", "room_id": "r2" })).await["code"], "message_invalid");
    assert_eq!(alice.ask("publish", json!({ "stream_id": "s", "user_id": "bob" })).await["code"], "message_invalid");
    assert_eq!(alice.ask("stop_publish", json!({ "stream_id": "s" })).await["code"], "not_publishing");
    assert_eq!(alice.publish("s").await["type"], "ok");
    assert_eq!(alice.hear().await["streams"], json!([{ "stream_id": "s", "user_id": "alice" }]));
}

#[tokio::test]
async fn bad_upgrades_are_refused_before_anything_is_set_up() {
    // proves T49, W1
    let test = TestGateway::start(settings()).await;
    for (name, changes, status) in [
        ("no upgrade", &[("Connection", "close"), ("Upgrade", "")][..], 400),
        ("another protocol", &[("Upgrade", "h2c")], 400),
        ("an old version", &[("Sec-WebSocket-Version", "8")], 400),
        ("no key", &[("Sec-WebSocket-Key", "")], 400),
        ("no subprotocol", &[("Sec-WebSocket-Protocol", "")], 400),
        ("an unknown subprotocol", &[("Sec-WebSocket-Protocol", "roompass.v9, chat")], 400),
        ("a foreign page", &[("Origin", "https://evil.example")], 403),
        ("a page without origin", &[("Origin", "null")], 403),
        ("a page of this host", &[("Origin", "https://rtc.example.com")], 101),
        ("one protocol of several", &[("Sec-WebSocket-Protocol", "chat, roompass.v1")], 101),
    ] {
        let answer = handshake(test.address, changes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert_eq!(answer.contains("sec-websocket-protocol: roompass.v1"), status == 101, "{name}: {answer}");
        assert_eq!(answer.contains("content-type: application/problem+json"), status != 101, "{name}: {answer}");
        assert!(!answer.to_lowercase().contains("sec-websocket-extensions"), "{name}: no compression");
    }
    for (target, status) in [("POST /v1/gateway", 405), ("GET /v1/gateway?token=04abc", 400), ("GET /v1/gateway/", 404)]
    {
        let mut stream = TcpStream::connect(test.address).await.unwrap();
        let answer = upgrade(&mut stream, target, &[]).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
    }
}

// proves W4 (what comes in)
#[tokio::test]
async fn a_flood_of_messages_or_pings_is_cut_off() {
    let test = TestGateway::start(settings()).await;
    for one in [text(r#"{"type":"logout","id":1}"#), text("x"), frame(FIN | PING, b"x"), frame(FIN | PONG, b"x")] {
        let mut client = RawClient::connect(test.address).await;
        client.write(&one.repeat(100)).await;
        client.write(&one).await;
        assert_eq!(client.end().await, "4103 rate_limited");
    }
}

#[tokio::test]
async fn silent_and_dripping_clients_are_closed_at_the_login_timeout() {
    // proves T50
    let test = TestGateway::start(settings()).await;
    let mut silent = RawClient::connect(test.address).await;
    let mut dripping = RawClient::connect(test.address).await;
    dripping.write(&frame(FIN | TEXT, br#"{"type":"login""#)[..5]).await;
    let mut endless = RawClient::connect(test.address).await;
    endless.write(&frame(TEXT, b"{")).await;
    let mut chatty = RawClient::connect(test.address).await;
    chatty.write(&text("x")).await;
    assert_eq!(chatty.next().await, "message_invalid null");
    test.advance(9);
    chatty.write(&text("x")).await;
    assert_eq!(chatty.next().await, "message_invalid null");
    test.advance(1);
    for client in [&mut silent, &mut dripping, &mut endless, &mut chatty] {
        assert_eq!(client.next().await, "login_timeout null");
        assert_eq!(client.end().await, "4101 login_timeout");
    }
}

#[tokio::test]
async fn one_source_holds_only_so_many_connections_without_a_login() {
    let config = GatewayConfig { max_waiting_per_source: 2, ..GatewayConfig::default() };
    let test = TestGateway::start_with(settings(), config).await;
    let mut first = RawClient::connect(test.address).await;
    let _second = RawClient::connect(test.address).await;
    // Told to come later, and not all at one moment.
    let mut waits = HashSet::new();
    for _ in 0..40 {
        let refused = handshake(test.address, &[]).await;
        assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
        waits.insert(super::crowd::retry_after(&refused));
    }
    assert!(waits.len() > 5, "{waits:?}");
    first.login(&test, "alice").await;
    let _third = RawClient::connect(test.address).await;
    // Another limit counts at once for the next.
    let refused = handshake(test.address, &[]).await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    test.gateway.allow_waiting(3, 3);
    let _fourth = RawClient::connect(test.address).await;
}

#[tokio::test]
async fn a_refused_login_counts_until_its_connection_is_gone() {
    let config = GatewayConfig { max_waiting_per_source: 1, ..GatewayConfig::default() };
    let test = TestGateway::start_with(settings(), config).await;
    let mut refused = RawClient::connect(test.address).await;
    refused.write(&text(r#"{"type":"login","id":1,"app_id":7,"user_id":"alice","room_id":"r1"}"#)).await;
    assert_eq!(refused.next().await, "app_unknown 1");
    assert!(refused.end().await.ends_with("app_unknown"));
    let another = handshake(test.address, &[]).await;
    assert!(another.starts_with("HTTP/1.1 429 "), "{another}");
    drop(refused);
    let makes_room = async { while handshake(test.address, &[]).await.starts_with("HTTP/1.1 429 ") {} };
    tokio::time::timeout(PATIENCE, makes_room).await.expect("the place stays taken");
}

#[tokio::test]
async fn a_member_who_stops_reading_is_closed_and_the_others_go_on() {
    // proves T51
    let test = TestGateway::start(settings()).await;
    let mut stuck = RawClient::connect(test.address).await;
    stuck.login(&test, "stuck").await;
    let mut alice = test.enter("alice", 600).await;
    // Far more than the kernel and the queue hold, at the pace a client may keep.
    let name = "s".repeat(250);
    let mut left = None;
    for round in 0..100_000 {
        if round % 25 == 0 {
            test.advance(1);
        }
        let kind = if round % 2 == 0 { "publish" } else { "stop_publish" };
        alice.say(json!({ "type": kind, "id": round, "stream_id": name })).await;
        // The answer and the announcement, and at last the departure between them.
        let heard = [alice.hear().await, alice.hear().await];
        left = heard.into_iter().find(|message| message["type"] == "room_users");
        if left.is_some() {
            break;
        }
    }
    assert_eq!(left.expect("the stuck one was put out")["users"][0]["user_id"], "stuck");
}
