//! What hostile and broken clients send, byte by byte, and that the gateway stays bounded and alive.
//!
//! The client here writes its own frames, since a WebSocket library would refuse to send most of them.

use std::net::SocketAddr;

use roompass_wire::gateway::SUBPROTOCOL;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::harness::{APP_ID, PATIENCE, TestGateway, settings};
use crate::gateway::GatewayConfig;

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;

/// Sends an upgrade request in which `changes` replace, add or (empty value) remove headers. The answer's head.
pub(super) async fn handshake(address: SocketAddr, changes: &[(&str, &str)]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    upgrade(&mut stream, "GET /v1/gateway", changes).await
}

async fn upgrade(stream: &mut TcpStream, target: &str, changes: &[(&str, &str)]) -> String {
    let mut headers = vec![
        ("Host", "rtc.example.com"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", SUBPROTOCOL),
    ];
    for &(name, value) in changes {
        headers.retain(|&(known, _)| known != name);
        headers.push((name, value));
    }
    headers.retain(|&(_, value)| !value.is_empty());
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    stream.write_all(format!("{target} HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A connection whose frames are made by hand.
pub(super) struct RawClient(TcpStream);

impl RawClient {
    /// Connects and takes the hello.
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::greet(TcpStream::connect(address).await.unwrap()).await
    }

    async fn greet(mut stream: TcpStream) -> Self {
        let head = upgrade(&mut stream, "GET /v1/gateway", &[]).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut client = Self(stream);
        let (_, hello) = client.read_frame().await.unwrap();
        assert!(String::from_utf8(hello).unwrap().contains("hello"));
        client
    }

    /// The same, from a client whose kernel keeps little for it.
    pub(super) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        Self::greet(socket.connect(address).await.unwrap()).await
    }

    /// Begins a message that never ends, or sends one more byte of it.
    pub(super) async fn drip(&mut self, begins: bool) {
        let head = only_head(60_000);
        self.write(if begins { &head } else { b"x" }).await;
    }

    /// Waits for a ping and answers it; returns when that has been heard, since what comes next is answered.
    pub(super) async fn answer_ping(&mut self) {
        self.wait_for_ping().await;
        self.write(&frame(FIN | PONG, b"")).await;
        self.write(&text(r#"{"type":"stop_play","id":7,"stream_id":"s"}"#)).await;
        assert_eq!(self.next().await, "not_playing 7");
    }

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

    pub(super) async fn wait_for_ping(&mut self) {
        while self.read_frame().await.unwrap().0 != PING {}
    }

    async fn write(&mut self, bytes: &[u8]) {
        // A server that has already closed is an answer too; it is read next.
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame from the server: opcode and payload.
    async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        tokio::time::timeout(PATIENCE, self.try_read_frame()).await.expect("nothing came")
    }

    async fn try_read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.0.read_u8().await.ok()?;
        let len = match self.0.read_u8().await.ok()? {
            126 => u64::from(self.0.read_u16().await.ok()?),
            127 => self.0.read_u64().await.ok()?,
            len => u64::from(len),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head & 0xF, payload))
    }

    /// The code of the next error message, or how the connection ended: `1009 message_invalid`, or `gone`.
    async fn next(&mut self) -> String {
        loop {
            let Ok(frame) = tokio::time::timeout(PATIENCE, self.try_read_frame()).await else {
                return "silence".to_owned();
            };
            let Some((opcode, payload)) = frame else { return "gone".to_owned() };
            match opcode {
                TEXT => {
                    let message: Value = serde_json::from_slice(&payload).unwrap();
                    if message["type"] == "error" {
                        return format!("{} {}", message["code"].as_str().unwrap(), message["id"]);
                    }
                }
                CLOSE if payload.is_empty() => return "closed".to_owned(),
                CLOSE => {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    return format!("{code} {}", String::from_utf8_lossy(&payload[2..])).trim_end().to_owned();
                }
                _ => {}
            }
        }
    }

    /// How the connection ends.
    pub(super) async fn end(&mut self) -> String {
        loop {
            let next = self.next().await;
            if next.starts_with(|first: char| first.is_ascii_digit()) || ["gone", "closed", "silence"].contains(&&*next)
            {
                return next;
            }
        }
    }
}

/// A masked frame with `first` as its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len(), true);
    let mask = [1, 2, 3, 4];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn header(first: u8, len: usize, is_masked: bool) -> Vec<u8> {
    let mask = if is_masked { 0x80 } else { 0 };
    match len {
        0..=125 => vec![first, mask | u8::try_from(len).unwrap()],
        126..=65_535 => [vec![first, mask | 126], u16::try_from(len).unwrap().to_be_bytes().to_vec()].concat(),
        _ => [vec![first, mask | 127], u64::try_from(len).unwrap().to_be_bytes().to_vec()].concat(),
    }
}

/// The head of a masked text frame of `len` bytes that never come.
fn only_head(len: usize) -> Vec<u8> {
    [header(FIN | TEXT, len, true), vec![1, 2, 3, 4]].concat()
}

fn text(payload: &str) -> Vec<u8> {
    frame(FIN | TEXT, payload.as_bytes())
}

/// Sends `bytes` after the hello and says what comes back first.
async fn after_hello(test: &TestGateway, bytes: &[u8]) -> String {
    let mut client = RawClient::connect(test.address).await;
    client.write(bytes).await;
    client.next().await
}

#[tokio::test]
async fn broken_frames_close_the_connection_with_the_right_code() {
    // proves T52, W2
    let test = TestGateway::start(settings()).await;
    let unmasked = [header(FIN | TEXT, 2, false), b"{}".to_vec()].concat();
    let too_much: Vec<u8> = [frame(TEXT, &[b' '; 40_000]), frame(FIN | CONTINUATION, &[b' '; 40_000])].concat();
    for (name, bytes, expected) in [
        ("a binary frame", frame(FIN | BINARY, b"{}"), "1003 message_invalid"),
        ("bad UTF-8", frame(FIN | TEXT, b"\xff\xfe"), "1007 message_invalid"),
        (
            "bad UTF-8 across fragments",
            [frame(TEXT, b"\xe2\x82"), frame(FIN | CONTINUATION, b"x")].concat(),
            "1007 message_invalid",
        ),
        ("an overlong encoding", frame(FIN | TEXT, b"\xc0\xaf"), "1007 message_invalid"),
        ("an unmasked frame", unmasked, "1002 message_invalid"),
        ("reserved bit 1", frame(FIN | 0x40 | TEXT, b"{}"), "1002 message_invalid"),
        ("reserved bit 2", frame(FIN | 0x20 | TEXT, b"{}"), "1002 message_invalid"),
        ("reserved bit 3", frame(FIN | 0x10 | TEXT, b"{}"), "1002 message_invalid"),
        ("reserved data opcode 3", frame(FIN | 0x3, b"{}"), "1002 message_invalid"),
        ("reserved data opcode 7", frame(FIN | 0x7, b"{}"), "1002 message_invalid"),
        ("reserved control opcode 11", frame(FIN | 0xB, b""), "1002 message_invalid"),
        ("reserved control opcode 15", frame(FIN | 0xF, b""), "1002 message_invalid"),
        ("a long ping", frame(FIN | PING, &[0; 126]), "1002 message_invalid"),
        ("a fragmented ping", frame(PING, b""), "1002 message_invalid"),
        ("a continuation of nothing", frame(FIN | CONTINUATION, b"{}"), "1002 message_invalid"),
        ("a text inside a text", [frame(TEXT, b"{"), text("}")].concat(), "1002 message_invalid"),
        ("a frame over 64 KiB", only_head(65_537), "1009 message_invalid"),
        ("a frame of 16 MiB", only_head(16 << 20), "1009 message_invalid"),
        ("a frame of 2^62 bytes", only_head(1 << 62), "1009 message_invalid"),
        ("fragments over 64 KiB", too_much, "1009 message_invalid"),
        (
            "17 fragments",
            [frame(TEXT, b"{"), frame(CONTINUATION, b"").repeat(15), frame(FIN | CONTINUATION, b"}")].concat(),
            "1009 message_invalid",
        ),
        (
            "10,000 fragments",
            [frame(TEXT, b"{"), frame(CONTINUATION, b"").repeat(9_999)].concat(),
            "1009 message_invalid",
        ),
        ("a close with one byte", frame(FIN | CLOSE, b"\x03"), "1002 message_invalid"),
        ("a close with bad UTF-8", frame(FIN | CLOSE, b"\x03\xe8\xff"), "1007 message_invalid"),
        ("a plain close", frame(FIN | CLOSE, b""), "closed"),
        ("a close with a code", frame(FIN | CLOSE, b"\x03\xe8"), "1000"),
        ("HTTP after the upgrade", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "1002 message_invalid"),
    ] {
        assert_eq!(after_hello(&test, &bytes).await, expected, "{name}");
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
        ("renew_token before login", r#"{"type":"renew_token","id":5,"token":"04"}"#.into(), "not_in_room 5"),
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
    let refused = handshake(test.address, &[]).await;
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("retry-after: 5"), "{refused}");
    first.login(&test, "alice").await;
    let _third = RawClient::connect(test.address).await;
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
