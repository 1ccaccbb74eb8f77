//! Bytes that no honest client sends: each is refused or closed, and the server goes on.

use std::{
    fs, io,
    sync::Arc,
    time::{Duration, Instant},
};

use roompass_server::{admin::KeyKind, clock::SystemClock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::harness::{APP_ID, Server, answers, read_to_end, status};

const GET: &str = "GET /healthz HTTP/1.1\r\n";
const JSON: &str = "Content-Type: application/json\r\n";
/// Far shorter than a connection may be idle: whoever is closed by then was closed for what it sent.
const AT_ONCE: Duration = Duration::from_secs(3);
/// How long the head of a request may take.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// What a busy machine adds to it.
const SLACK: Duration = Duration::from_secs(3);

/// Requests that must not be answered as if they were good, from a caller with a good key.
fn malformed(key: &str) -> Vec<Vec<u8>> {
    let post = format!("POST /v1/apps/{APP_ID}/tokens HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n{JSON}");
    let mut cases: Vec<Vec<u8>> = Vec::new();
    let mut add = |text: String| cases.push(text.into_bytes());
    // Two lengths, or a length and chunks.
    for lengths in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5,5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length:\r\n",
        "Content-Length: five\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
    ] {
        add(format!("{post}{lengths}\r\n{{\"user_id\":\"alice\"}}"));
    }
    // Chunks that are none.
    for chunks in [
        "x\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
    ] {
        add(format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunks}"));
    }
    // Heads that are none.
    for head in [
        "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET /healthz http/1.1\r\nHost: a\r\n\r\n",
        "/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health z HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz\t HTTP/1.1\r\nHost: a\r\n\r\n",
        "G\0T /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1 x\r\nHost: a\r\n\r\n",
        "(GET) /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
        "SSH-2.0-client\r\n\r\n",
        "EHLO a\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    ] {
        add(head.to_owned());
    }
    // Header lines that are none.
    for line in [
        "Host: a\r\nX: a\r\n b\r\n",
        "Host: a\r\n X: a\r\n",
        "Host: a\r\nX : a\r\n",
        "Host : a\r\n",
        "Host: a\r\n: a\r\n",
        "Host: a\r\nX\r\n",
        "Host: a\r\nX\0: a\r\n",
        "Host: a\r\nX: a\0b\r\n",
        "Host: a\r\nX: a\rb\r\n",
        "Host: a\r\n(X): a\r\n",
        "Host: a\r\nX Y: a\r\n",
        "Host: a\r\nX: \x7f\r\n",
        "Host: a\r\nX: \x01\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nHost: a\r\n",
        "",
    ] {
        add(format!("{GET}{line}\r\n"));
    }
    // Too much of it.
    add(format!("{GET}Host: a\r\nX: {}\r\n\r\n", "x".repeat(100 * 1024)));
    add(format!("{GET}Host: a\r\n{}\r\n", "X: a\r\n".repeat(10_000)));
    add(format!("{GET}Host: a\r\n{}\r\n", "X: a\r\n".repeat(100)));
    add(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100 * 1024)));
    add(format!("{}\r\n\r\n", "X".repeat(100 * 1024)));
    add("\r\n".repeat(20 * 1024));
    cases
}

// proves T27
#[tokio::test]
async fn malformed_requests_are_refused_and_closed() {
    let server = Server::start(Arc::new(SystemClock::new())).await;
    let key = server.key(KeyKind::Bearer).await;
    let cases = malformed(key.expose());
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let mut stream = server.connect_from([127, 0, 0, 1]).await;
        // The server may close before it has read everything. Our side stays open: only the server can end this.
        let _ = stream.write_all(&case).await;
        let mut answer = Vec::new();
        let closed = timeout(AT_ONCE, stream.read_to_end(&mut answer)).await.is_ok();
        let refused = matches!(status(&answer), 400 | 414 | 431) && answers(&answer) == 1;
        if !refused || !closed {
            let shown = String::from_utf8_lossy(&case[..case.len().min(300)]).replace(key.expose(), "KEY");
            wrong.push(format!("{shown:?}: closed {closed}, {}", String::from_utf8_lossy(&answer)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(server.is_alive().await);
}

// proves T27 (paths)
#[tokio::test]
async fn no_other_spelling_of_a_path_is_that_path() {
    let server = Server::start(Arc::new(SystemClock::new())).await;
    for path in ["//healthz", "/healthz/../healthz", "/%68ealthz%2f", "/healthz/", "/HEALTHZ", "/./healthz"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(server.status_from([127, 0, 0, 1], &request).await, 404, "{path}");
    }
}

// proves T27 (smuggling)
#[tokio::test]
async fn nothing_is_taken_for_a_second_request() {
    let server = Server::start(Arc::new(SystemClock::new())).await;
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Smuggled: 1\r\n\r\n";
    for framing in [
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        "Transfer-Encoding:\x0bchunked\r\nContent-Length: 3\r\n",
        "Content-Length: 0\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let request = format!("POST /healthz HTTP/1.1\r\nHost: a\r\n{framing}\r\n0\r\n\r\n{smuggled}");
        let answer = server.ask_and_hang_up(request.as_bytes()).await;
        assert!(answers(&answer) <= 1, "{framing:?} gave {}", String::from_utf8_lossy(&answer));
    }
}

/// How a flood ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// The server ends it in its midst.
    AtOnce,
    /// Each piece is answered, and whoever reads the answers costs no memory; the connection ends for being idle.
    Idle,
}

/// The bytes that a flood sends as its nth piece.
type Flood = Box<dyn Fn(u32) -> Vec<u8>>;

const FLOOD: u32 = 50_000;
const FLOOD_TIME: Duration = Duration::from_secs(60);
/// What every frame begins with.
const FRAME_HEAD: usize = 9;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /healthz` from the static table, without end of stream.
fn head() -> Vec<u8> {
    [&[0x82, 0x86, 0x44, 0x08][..], b"/healthz", &[0x41, 0x01, b'a']].concat()
}

// proves T27 (HTTP/2 floods)
#[tokio::test]
async fn http2_floods_end_their_connection_and_cost_no_memory() {
    let server = Server::start(Arc::new(SystemClock::new())).await;
    let settings = || frame(4, 0, 0, &[]);
    let odd = |number: u32| 2 * number + 1;
    let floods: [(&str, End, Flood); 5] = [
        (
            "rapid reset",
            End::AtOnce,
            Box::new(move |n| [frame(1, 0x05, odd(n), &head()), frame(3, 0, odd(n), &8_u32.to_be_bytes())].concat()),
        ),
        (
            "continuation",
            End::AtOnce,
            Box::new(|n| if n == 0 { frame(1, 0, 1, &head()) } else { frame(9, 0, 1, &[0; 1_000]) }),
        ),
        (
            "empty data",
            End::AtOnce,
            Box::new(|n| if n == 0 { frame(1, 0x04, 1, &head()) } else { frame(0, 0, 1, &[]) }),
        ),
        ("settings", End::Idle, Box::new(|_| frame(4, 0, 0, &[]))),
        ("streams", End::AtOnce, Box::new(move |n| frame(1, 0x04, odd(n), &head()))),
    ];
    for (name, end, flood) in floods {
        forget_peak();
        let before = memory_kib("VmRSS:");
        let stream = server.connect_from([127, 0, 0, 1]).await;
        let (mut reader, mut writer) = stream.into_split();
        let write = async move {
            writer.write_all(&[PREFACE, &settings()].concat()).await?;
            for number in 0..FLOOD {
                writer.write_all(&flood(number)).await?;
            }
            // Not hung up: ending it is for the server to do.
            Ok::<_, io::Error>(writer)
        };
        let read = async {
            let mut said = Vec::new();
            // A reset connection is a closed one.
            let _ = reader.read_to_end(&mut said).await;
            said
        };
        let both = timeout(FLOOD_TIME, async { tokio::join!(write, read) }).await;
        let (written, said) = both.unwrap_or_else(|_| panic!("{name}: not ended"));
        // Closed while we were still writing, or told why.
        assert!(end == End::Idle || written.is_err() || goes_away(&said), "{name}: {} bytes", said.len());
        let grown = memory_kib("VmHWM:").saturating_sub(before);
        println!("{name}: ended, {grown} KiB more at the peak");
        assert!(grown < 32 * 1024, "{name}: {grown} KiB more");
        assert!(server.is_alive().await, "{name}");
    }
}

/// Whether one of the frames is GOAWAY.
fn goes_away(mut frames: &[u8]) -> bool {
    while let Some((head, rest)) = frames.split_at_checked(FRAME_HEAD) {
        if head[3] == 7 {
            return true;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        frames = rest.get(length..).unwrap_or_default();
    }
    false
}

/// From now on the peak of this process's memory counts anew.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

fn memory_kib(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|all| all.strip_prefix(line)).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

// proves T27 (slow heads), F8, W2 (the head of the request)
#[tokio::test]
async fn a_client_that_never_finishes_its_head_is_closed() {
    let server = Server::start(Arc::new(SystemClock::new())).await;
    let mut streams = Vec::new();
    let begun = Instant::now();
    for beginning in
        ["", "P", "PRI * HT", "GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", "GET /v1/gateway HTTP/1.1\r\nUpgrade: w"]
    {
        let mut stream = server.connect_from([127, 0, 0, 1]).await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        streams.push((beginning, stream));
    }
    for (beginning, mut stream) in streams {
        let answer = read_to_end(&mut stream).await;
        assert!(matches!(status(&answer), 0 | 408), "{beginning:?}");
        assert!(begun.elapsed() < HEAD_LIMIT + SLACK, "{beginning:?} after {:?}", begun.elapsed());
    }
    assert!(server.is_alive().await);
}
