//! Nonces of real tokens, from processes that share a secret and are killed again and again.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    harness::{Installation, Server, http},
    postgres_server::Server as Postgres,
};

const PROCESSES: usize = 4;
const KILLS: u32 = 50;
/// A release looks at more: set `ROOMPASS_NONCES` to 10000000.
const TOKENS: usize = 1_000_000;
const PATH: &str = "/v1/apps/77/tokens/batch";
/// What one request mints.
const BATCH: usize = 1_000;
/// The bytes of a token before its nonce: expiry and length.
const BEFORE_NONCE: usize = 10;
const NONCE_LEN: usize = 12;

// proves T07 (1 M of 10 M mints)
#[test]
fn no_nonce_repeats_in_four_processes_and_across_fifty_kills() {
    let (installation, key) = Installation::on(&Postgres::shared().database()).with_app();
    #[expect(clippy::disallowed_methods, reason = "how much to look at is for whoever runs the tests")]
    let wanted = std::env::var("ROOMPASS_NONCES").map_or(TOKENS, |tokens| tokens.parse().unwrap());
    let body = body();
    let request =
        format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{}\r\n{body}", body.len(), headers(&key));
    let (minted, kills) = (AtomicUsize::new(0), AtomicU32::new(0));
    let mint_and_die = || {
        let mut nonces = Vec::new();
        while minted.load(Ordering::Relaxed) < wanted || kills.load(Ordering::Relaxed) < KILLS {
            let server = Server::serve(&installation.config());
            // So that the kills are spread over all that is minted.
            let life = wanted / KILLS as usize;
            let mut lived = 0;
            while lived < life && minted.load(Ordering::Relaxed) < wanted {
                let fresh = mint(server.address, &key, &body);
                (lived, _) = (lived + fresh.len(), minted.fetch_add(fresh.len(), Ordering::Relaxed));
                nonces.extend(fresh);
            }
            // In the midst of one more, of which nobody will ever hear.
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            server.signal("KILL");
            kills.fetch_add(1, Ordering::Relaxed);
        }
        nonces
    };
    let mut nonces: Vec<[u8; NONCE_LEN]> = thread::scope(|scope| {
        let processes: Vec<_> = (0..PROCESSES).map(|_| scope.spawn(mint_and_die)).collect();
        processes.into_iter().flat_map(|process| process.join().unwrap()).collect()
    });
    assert!(nonces.len() >= wanted && kills.into_inner() >= KILLS);
    nonces.sort_unstable();
    let mut repeated = BTreeMap::new();
    for pair in nonces.windows(2).filter(|pair| pair[0] == pair[1]) {
        *repeated.entry(pair[0]).or_insert(1) += 1;
    }
    println!("{} tokens, {} nonces repeated", nonces.len(), repeated.len());
    assert_eq!(repeated, BTreeMap::new());
}

fn body() -> String {
    json!({ "items": vec![json!({ "user_id": "u" }); BATCH] }).to_string()
}

fn headers(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n")
}

/// The nonces of a batch; none when no mints were reserved just then.
fn mint(address: SocketAddr, key: &str, body: &str) -> Vec<[u8; NONCE_LEN]> {
    let answer = http(address, "POST", PATH, &headers(key), body);
    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    let items = answer.body["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| nonce_of(item["token"].as_str().unwrap())).collect()
}

fn nonce_of(token: &str) -> [u8; NONCE_LEN] {
    // Eight groups of four characters are 24 bytes.
    let start = STANDARD.decode(&token[2..34]).unwrap();
    start[BEFORE_NONCE..][..NONCE_LEN].try_into().unwrap()
}
