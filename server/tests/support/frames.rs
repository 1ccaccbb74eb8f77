//! Frames made by hand, since a WebSocket library would refuse to send most of them, and what the gateway makes of each.

use std::{net::SocketAddr, time::Duration};

use roompass_wire::gateway::SUBPROTOCOL;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Long enough for a busy machine, short enough to notice an answer that never comes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
pub(crate) const FIN: u8 = 0x80;

/// Sends an upgrade request in which `changes` replace, add or (empty value) remove headers. The answer's head.
pub(crate) async fn handshake(address: SocketAddr, changes: &[(&str, &str)]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    upgrade(&mut stream, "GET /v1/gateway", changes).await
}

pub(crate) async fn upgrade(stream: &mut TcpStream, target: &str, changes: &[(&str, &str)]) -> String {
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
#[derive(Debug)]
pub(crate) struct RawClient(TcpStream);

impl RawClient {
    /// Connects and takes the hello.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
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
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        Self::greet(socket.connect(address).await.unwrap()).await
    }

    /// Begins a message that never ends, or sends one more byte of it.
    pub(crate) async fn drip(&mut self, begins: bool) {
        let head = only_head(60_000);
        self.write(if begins { &head } else { b"x" }).await;
    }

    /// Waits for a ping and answers it; returns when that has been heard, since what comes next is answered.
    pub(crate) async fn answer_ping(&mut self) {
        self.wait_for_ping().await;
        self.write(&frame(FIN | PONG, b"")).await;
        self.write(&text(r#"{"type":"stop_play","id":7,"stream_id":"s"}"#)).await;
        assert_eq!(self.next().await, "not_playing 7");
    }

    pub(crate) async fn wait_for_ping(&mut self) {
        while self.read_frame().await.unwrap().0 != PING {}
    }

    /// Sends a text so many times, in one piece.
    pub(crate) async fn say_often(&mut self, message: &str, times: usize) {
        self.write(&text(message).repeat(times)).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // A server that has already closed is an answer too; it is read next.
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame from the server: opcode and payload.
    pub(crate) async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
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
    pub(crate) async fn next(&mut self) -> String {
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
    pub(crate) async fn end(&mut self) -> String {
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
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len(), true);
    let mask = [1, 2, 3, 4];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

pub(crate) fn header(first: u8, len: usize, is_masked: bool) -> Vec<u8> {
    let mask = if is_masked { 0x80 } else { 0 };
    match len {
        0..=125 => vec![first, mask | u8::try_from(len).unwrap()],
        126..=65_535 => [vec![first, mask | 126], u16::try_from(len).unwrap().to_be_bytes().to_vec()].concat(),
        _ => [vec![first, mask | 127], u64::try_from(len).unwrap().to_be_bytes().to_vec()].concat(),
    }
}

/// The head of a masked text frame of `len` bytes that never come.
pub(crate) fn only_head(len: usize) -> Vec<u8> {
    [header(FIN | TEXT, len, true), vec![1, 2, 3, 4]].concat()
}

pub(crate) fn text(payload: &str) -> Vec<u8> {
    frame(FIN | TEXT, payload.as_bytes())
}

/// What somebody sends who means no good, or cannot do better.
pub(crate) struct Abuse {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// What comes of it: the code of an error message, or how the connection ends.
    pub(crate) expected: String,
}

impl Abuse {
    /// Sends it after the hello. What comes of it.
    pub(crate) async fn commit(&self, address: SocketAddr) -> String {
        let mut client = RawClient::connect(address).await;
        client.write(&self.bytes).await;
        if self.expected.starts_with(|first: char| first.is_ascii_digit()) {
            client.end().await
        } else {
            client.next().await
        }
    }
}

const BROKEN: &str = "1002 message_invalid";
const NOT_UTF8: &str = "1007 message_invalid";
const TOO_LARGE: &str = "1009 message_invalid";
/// No message, but no reason to end the connection either.
const NO_MESSAGE: &str = "message_invalid null";

/// One fragment after the other.
fn in_turn(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.concat()
}

fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    [header(first, payload.len(), false), payload.to_vec()].concat()
}

/// A close frame with `code`.
fn close(code: u16) -> Vec<u8> {
    frame(FIN | CLOSE, &code.to_be_bytes())
}

/// Everything that breaks the rules of frames, or comes close.
pub(crate) fn abuses() -> Vec<Abuse> {
    let mut abuses = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>, expected: &str| {
        abuses.push(Abuse { name: name.to_owned(), bytes, expected: expected.to_owned() });
    };
    // Frames that are none.
    for bits in [0x40, 0x20, 0x10, 0x70] {
        add(&format!("reserved bits {bits:#x}"), frame(FIN | bits | TEXT, b"{}"), BROKEN);
    }
    add("a reserved bit in a ping", frame(FIN | 0x40 | PING, b""), BROKEN);
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        add(&format!("reserved opcode {opcode:#x}"), frame(FIN | opcode, b""), BROKEN);
    }
    add("an unmasked text", unmasked(FIN | TEXT, b"{}"), BROKEN);
    add("an unmasked ping", unmasked(FIN | PING, b"x"), BROKEN);
    add("an unmasked close", unmasked(FIN | CLOSE, &1000_u16.to_be_bytes()), BROKEN);
    add("HTTP after the upgrade", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), BROKEN);
    add("TLS after the upgrade", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), BROKEN);
    add("nothing but zeros", vec![0; 8], BROKEN);
    add("nothing but ones", vec![0xFF; 64], BROKEN);
    // Control frames.
    add("a long ping", frame(FIN | PING, &[0; 126]), BROKEN);
    add("a long pong", frame(FIN | PONG, &[0; 126]), BROKEN);
    add("a ping of 60,000 bytes", frame(FIN | PING, &[0; 60_000]), BROKEN);
    add("a fragmented ping", frame(PING, b""), BROKEN);
    add("a fragmented close", frame(CLOSE, b""), BROKEN);
    add("the longest ping, and then no message", in_turn(&[frame(FIN | PING, &[7; 125]), text("x")]), NO_MESSAGE);
    add(
        "a pong that nobody asked for, and then no message",
        in_turn(&[frame(FIN | PONG, b"?"), text("x")]),
        NO_MESSAGE,
    );
    // Closing.
    for code in [0, 1, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 5000, 65_535] {
        add(&format!("close code {code}"), close(code), "1002 Protocol violation");
    }
    for code in [1000, 1001, 1011, 3000, 4999] {
        add(&format!("close code {code}"), close(code), &code.to_string());
    }
    add("a close without a code", frame(FIN | CLOSE, b""), "closed");
    add("a close with half a code", frame(FIN | CLOSE, b"\x03"), BROKEN);
    add("a close with bad UTF-8", frame(FIN | CLOSE, b"\x03\xe8\xff"), NOT_UTF8);
    add("a close that is too long", frame(FIN | CLOSE, &[3; 126]), BROKEN);
    add("a close with a message behind it", in_turn(&[close(1000), text("x")]), "1000");
    add("two closes", in_turn(&[close(1000), close(1001)]), "1000");
    add("a close in the middle of a message", in_turn(&[frame(TEXT, b"{"), close(1000)]), "1000");
    // Fragments.
    add("a continuation of nothing", frame(FIN | CONTINUATION, b"{}"), BROKEN);
    add("the beginning of a continuation of nothing", frame(CONTINUATION, b"{}"), BROKEN);
    add("a text inside a text", in_turn(&[frame(TEXT, b"{"), text("}")]), BROKEN);
    add("bytes inside a text", in_turn(&[frame(TEXT, b"{"), frame(FIN | BINARY, b"}")]), BROKEN);
    add("two messages in one another", in_turn(&[frame(TEXT, b"{"), frame(TEXT, b"{")]), BROKEN);
    add(
        "16 fragments, which are not too many",
        in_turn(&[frame(TEXT, b"{"), frame(CONTINUATION, b"").repeat(14), frame(FIN | CONTINUATION, b"}")]),
        NO_MESSAGE,
    );
    add(
        "17 fragments",
        in_turn(&[frame(TEXT, b"{"), frame(CONTINUATION, b"").repeat(15), frame(FIN | CONTINUATION, b"}")]),
        TOO_LARGE,
    );
    add("10,000 fragments", in_turn(&[frame(TEXT, b"{"), frame(CONTINUATION, b"").repeat(9_999)]), TOO_LARGE);
    add(
        "fragments with pings between them",
        in_turn(&[frame(TEXT, b"{"), frame(FIN | PING, b"x").repeat(20), frame(FIN | CONTINUATION, b"}")]),
        NO_MESSAGE,
    );
    add("an empty message in two fragments", in_turn(&[frame(TEXT, b""), frame(FIN | CONTINUATION, b"")]), NO_MESSAGE);
    // Sizes.
    add("64 KiB of nothing", frame(FIN | TEXT, &[b' '; 65_536]), NO_MESSAGE);
    add("a frame over 64 KiB", only_head(65_537), TOO_LARGE);
    add("a frame of 16 MiB", only_head(16 << 20), TOO_LARGE);
    add("a frame of 4 GiB", only_head(1 << 32), TOO_LARGE);
    add("a frame of 2^62 bytes", only_head(1 << 62), TOO_LARGE);
    add(
        "fragments over 64 KiB",
        in_turn(&[frame(TEXT, &[b' '; 40_000]), frame(FIN | CONTINUATION, &[b' '; 40_000])]),
        TOO_LARGE,
    );
    // Bytes that are no text.
    add("a binary frame", frame(FIN | BINARY, b"{}"), "1003 message_invalid");
    add("an empty binary frame", frame(FIN | BINARY, b""), "1003 message_invalid");
    add(
        "a binary message in fragments",
        in_turn(&[frame(BINARY, b"{"), frame(FIN | CONTINUATION, b"}")]),
        "1003 message_invalid",
    );
    for (name, bytes) in [
        ("bytes that UTF-8 has not", &b"\xff\xfe"[..]),
        ("an overlong encoding", b"\xc0\xaf"),
        ("half a surrogate pair", b"\xed\xa0\x80"),
        ("beyond the last character", b"\xf4\x90\x80\x80"),
        ("a character that breaks off", b"{\xe2\x82"),
        ("a continuation byte alone", b"\x80"),
    ] {
        add(name, frame(FIN | TEXT, bytes), NOT_UTF8);
    }
    add("bad UTF-8 across fragments", in_turn(&[frame(TEXT, b"\xe2\x82"), frame(FIN | CONTINUATION, b"x")]), NOT_UTF8);
    // Texts that are no messages.
    add("an empty text", text(""), NO_MESSAGE);
    add("a NUL", text("\0"), NO_MESSAGE);
    add("depth 30,000", text(&"[".repeat(30_000)), NO_MESSAGE);
    add("60,000 quotes", text(&"\"".repeat(60_000)), NO_MESSAGE);
    // Too much of it.
    for (name, one) in [
        ("a flood of pings", frame(FIN | PING, b"x")),
        ("a flood of pongs", frame(FIN | PONG, b"x")),
        ("a flood of texts", text("x")),
        ("a flood of operations", text(r#"{"type":"logout","id":1}"#)),
    ] {
        add(name, one.repeat(300), "4103 rate_limited");
    }
    abuses
}
