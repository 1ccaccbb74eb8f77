//! Bytes that no honest client sends: each is refused or closed, and the server goes on.

use std::{
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

// proves T27 (malformed requests)
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

#[tokio::test]
async fn whoever_is_refused_while_still_sending_reads_why() {
    let server = Server::start(Arc::new(SystemClock::new())).await;
    let key = server.key(KeyKind::Bearer).await;
    let good = format!("Authorization: Bearer {}\r\n", key.expose());
    let many = vec![b' '; 64 * 1024];
    // Far more than the system keeps on the way.
    let (times, length) = (96, 96 * many.len());
    let chunk = [format!("{:x}\r\n", many.len()).as_bytes(), &many, b"\r\n"].concat();
    let announced = format!("Content-Length: {length}\r\n");
    for (authorization, framing, piece, expected) in [
        ("", &*announced, &many, 401),
        (&*good, &*announced, &many, 413),
        (&*good, "Transfer-Encoding: chunked\r\n", &chunk, 413),
    ] {
        let mut stream = server.connect_from([127, 0, 0, 1]).await;
        let head = format!("POST /v1/apps/{APP_ID}/tokens HTTP/1.1\r\nHost: a\r\n{authorization}{JSON}{framing}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..times {
            stream.write_all(piece).await.unwrap();
        }
        let answer = read_to_end(&mut stream).await;
        assert_eq!((status(&answer), answers(&answer)), (expected, 1), "{}", String::from_utf8_lossy(&answer));
        assert!(String::from_utf8_lossy(&answer).ends_with('}'), "the whole of it");
    }
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
