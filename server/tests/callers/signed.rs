//! Signed requests as they come over the wire.

use std::{process::Stdio, sync::Arc};

use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng, rngs::SysRng};
use roompass_server::{
    admin::KeyKind,
    clock::{ManualClock, SystemClock},
    keys::KeyText,
};
use roompass_wire::signed::{SignatureHeader, SignedParts};
use sha2::{Digest, Sha256};
use token_gen::UnixSeconds;
use tokio::process::Command;

use crate::harness::{APP_ID, Server, status};

const NOW: i64 = 1_800_000_000;
const BODY: &str = r#"{"user_id":"alice"}"#;

/// A request to be signed, then perhaps changed on its way.
#[derive(Clone)]
struct Request {
    method: String,
    host: String,
    target: String,
    content_type: String,
    body: String,
    /// More header lines, each with its line end.
    more: String,
    authorization: String,
}

impl Request {
    fn signed(key: &KeyText, timestamp: i64) -> Self {
        let path = format!("/v1/apps/{APP_ID}/tokens");
        let mut nonce = [0; 16];
        SysRng.try_fill_bytes(&mut nonce).unwrap();
        let parts = SignedParts {
            method: "POST",
            host: "rooms.test",
            path: &path,
            query: None,
            content_type: Some("application/json"),
            body_sha256: &Sha256::digest(BODY).into(),
            key_id: key.key_id(),
            timestamp,
            nonce: &nonce,
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).unwrap();
        mac.update(parts.text().unwrap().as_bytes());
        let signature = mac.finalize().into_bytes().into();
        let header = SignatureHeader { key_id: key.key_id().to_owned(), timestamp, nonce, signature };
        Self {
            method: "POST".to_owned(),
            host: "rooms.test".to_owned(),
            target: path,
            content_type: "application/json".to_owned(),
            body: BODY.to_owned(),
            more: String::new(),
            authorization: header.to_string(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { method, host, target, content_type, body, more, authorization } = self;
        let length =
            if more.contains("chunked") { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\n{length}\
             Authorization: {authorization}\r\n{more}Connection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

async fn bench() -> (Server, KeyText) {
    let server = Server::start(Arc::new(ManualClock::new(UnixSeconds::new(NOW)))).await;
    let key = server.key(KeyKind::Signed).await;
    (server, key)
}

// proves T22, T25
#[tokio::test]
async fn a_request_changed_on_its_way_is_refused_and_the_same_one_in_other_clothes_is_not() {
    let (server, key) = bench().await;
    let send = async |change: &dyn Fn(&mut Request)| {
        let mut request = Request::signed(&key, NOW);
        change(&mut request);
        status(&server.ask(&request.bytes()).await)
    };
    assert_eq!(send(&|_| {}).await, 200);
    // The same request to any reader.
    assert_eq!(send(&|request| request.host = "ROOMS.test".to_owned()).await, 200);
    assert_eq!(send(&|request| request.more = "X-Other: a\r\nX-Other: b\r\n".to_owned()).await, 200);
    assert_eq!(send(&|request| request.content_type = "  application/json  ".to_owned()).await, 200);
    let chunked = |request: &mut Request| {
        request.more = "Transfer-Encoding: chunked\r\n".to_owned();
        request.body = format!("4\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &BODY[..4], BODY.len() - 4, &BODY[4..]);
    };
    assert_eq!(send(&chunked).await, 200);
    // Another one.
    let others: [&dyn Fn(&mut Request); 9] = [
        &|request| request.method = "PUT".to_owned(),
        &|request| request.host = "other.test".to_owned(),
        &|request| request.host = "rooms.test:80".to_owned(),
        &|request| request.target.push_str("?a=1"),
        &|request| request.content_type = "application/json; charset=utf-8".to_owned(),
        &|request| request.body = BODY.replace("alice", "carol"),
        &|request| request.body.push(' '),
        &|request| request.body.clear(),
        &|request| request.authorization = request.authorization.replace(&NOW.to_string(), &(NOW - 1).to_string()),
    ];
    for other in others {
        assert!([401, 405].contains(&send(other).await));
    }
    // One that two readers could take for different ones.
    let ambiguous: [&dyn Fn(&mut Request); 9] = [
        &|request| request.target.push('?'),
        &|request| request.target.push_str("?a=1&a=2"),
        &|request| request.target.push_str("?a"),
        &|request| request.target.insert_str(3, "/."),
        &|request| request.target = format!("http://rooms.test{}", request.target),
        &|request| request.more = "Host: rooms.test\r\n".to_owned(),
        &|request| request.more = "Content-Type: application/json\r\n".to_owned(),
        &|request| request.more = "Content-Encoding: identity\r\n".to_owned(),
        &|request| request.more = format!("Content-Length: {}\r\n", BODY.len() + 1),
    ];
    for (index, change) in ambiguous.into_iter().enumerate() {
        let status = send(change).await;
        assert!([400, 404].contains(&status), "number {index} gave {status}");
    }
    let twice = send(&|request| request.more = format!("Authorization: {}\r\n", request.authorization)).await;
    assert_eq!(twice, 401);
}

// proves T23
#[tokio::test]
async fn of_a_hundred_copies_at_once_one_mints() {
    let (server, key) = bench().await;
    let request = Request::signed(&key, NOW).bytes();
    // Guesses count by source, and ninety-nine of these are wrong.
    let copies = (0..100).map(|copy| server.ask_from([127, 0, 1, copy], &request));
    let statuses: Vec<u16> = join_all(copies).await.iter().map(|answer| status(answer)).collect();
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|&&status| status == 401).count(), 99);
}

// proves T24
#[tokio::test]
async fn outside_the_window_every_answer_is_the_same() {
    let (server, key) = bench().await;
    let mut seen = Vec::new();
    for timestamp in [NOW - 61, NOW + 61, 0, -NOW, NOW * 1000] {
        let answer = server.ask(&Request::signed(&key, timestamp).bytes()).await;
        let text = String::from_utf8(answer).unwrap();
        let body = text.split_once("\r\n\r\n").unwrap().1;
        let mut problem: serde_json::Value = serde_json::from_str(body).unwrap();
        problem["request_id"].take();
        seen.push((text[..12].to_owned(), problem));
    }
    for absent in ["timestamp=,", ""] {
        let mut request = Request::signed(&key, NOW);
        request.authorization = request.authorization.replace(&format!("timestamp={NOW},"), absent);
        assert_eq!(status(&server.ask(&request.bytes()).await), 401);
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
    for timestamp in [NOW - 60, NOW + 60] {
        assert_eq!(status(&server.ask(&Request::signed(&key, timestamp).bytes()).await), 200);
    }
}

#[tokio::test]
async fn a_signed_body_that_is_too_large_is_not_read_to_its_end() {
    let (server, key) = bench().await;
    let mut request = Request::signed(&key, NOW);
    request.body = "x".repeat(2 * 1024 * 1024);
    assert_eq!(status(&server.ask(&request.bytes()).await), 413);
    assert!(server.is_alive().await);
}

#[tokio::test]
async fn the_documented_recipe_works_as_it_stands() {
    let server = Server::start(Arc::new(SystemClock::new())).await;
    let key = server.key(KeyKind::Signed).await;
    let page = include_str!("../../docs/signed-requests.md");
    let recipe = page.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    let run = async |key: &str| {
        let child = Command::new("sh")
            .args(["-euc", recipe])
            .env("ROOMPASS_URL", server.running.url())
            .env("ROOMPASS_KEY", key)
            .env("APP_ID", APP_ID.to_string())
            .env("no_proxy", "*")
            .stdin(Stdio::null())
            .output();
        String::from_utf8(child.await.unwrap().stdout).unwrap()
    };
    let answer = run(key.expose()).await;
    assert!(answer.contains("\"token\":\"04"), "{answer}");
    let wrong = KeyText::generate(&mut SysRng).unwrap();
    let answer = run(&wrong.expose().replace(wrong.key_id(), key.key_id())).await;
    assert!(answer.contains("\"code\":\"unauthorized\""), "{answer}");
}
