//! Guessing at keys stops the guesser, and nobody else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use roompass_server::{admin::KeyKind, clock::ManualClock};
use token_gen::UnixSeconds;

use crate::harness::{APP_ID, Server};

/// What the other clients may be made to wait. Code without optimisation, and a machine that others use, get more.
const BAR: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 100 });

fn mint(key: &str) -> String {
    let body = r#"{"user_id":"alice"}"#;
    format!(
        "POST /v1/apps/{APP_ID}/tokens HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

// proves T26
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_guesses_disturb_no_other_client() {
    let server = Arc::new(Server::start(Arc::new(ManualClock::new(UnixSeconds::new(1_800_000_000)))).await);
    let key = server.key(KeyKind::Bearer).await;
    let guess = mint(&format!("rp_{}_{}", key.key_id(), "x".repeat(43)));
    let done = Arc::new(AtomicBool::new(false));
    let client = {
        let (server, done, request) = (Arc::clone(&server), Arc::clone(&done), mint(key.expose()));
        tokio::spawn(async move {
            let mut times = Vec::new();
            while !done.load(Ordering::Relaxed) || times.len() < 100 {
                let asked = Instant::now();
                assert_eq!(server.status_from([127, 0, 0, 1], &request).await, 200);
                times.push(asked.elapsed());
            }
            times.sort_unstable();
            times[times.len() * 99 / 100]
        })
    };
    let guesser = [127, 0, 0, 2];
    let mut refused = [0_u32; 2];
    for _ in 0..10_000 {
        match server.status_from(guesser, &guess).await {
            401 => refused[0] += 1,
            429 => refused[1] += 1,
            other => panic!("a guess was answered with {other}"),
        }
    }
    assert_eq!(refused, [20, 9_980]);
    // From there, not even the right key is looked at: that would tell which guess is right.
    assert_eq!(server.status_from(guesser, &mint(key.expose())).await, 429);
    done.store(true, Ordering::Relaxed);
    let p99 = client.await.unwrap();
    println!("beside 10,000 guesses a mint takes {p99:?} (p99)");
    assert!(p99 < BAR, "{p99:?}");
}
