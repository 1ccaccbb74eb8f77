//! Whether the time that a comparison of secrets takes tells how much of a guess is right, by the method of dudect:
//! two kinds of guesses in random order, Welch's t of their times, the slowest measurements left out.
//!
//! A test binary of its own with a single test: nothing else of it runs meanwhile.
#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/welch.rs"]
mod welch;

use std::{hint::black_box, time::Instant};

use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng, rngs::SysRng};
use roompass_server::{
    keys::{BackendKey, Caller, KeyText, Keyring, Proof, Scope},
    signed::SigningKey,
};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use token_gen::{AppId, AppSign, LoginProof, ServerSecret, UnixSeconds};
use welch::MAX_T;

/// A release measures more: set `ROOMPASS_TIMING_SAMPLES` to 1000000.
const SAMPLES: usize = 100_000;
/// How often a guess is judged for one sample, since the clock is no finer than some of them.
const REPEATS: usize = 8;
/// A machine that is busy with something else can look like a leak once; a leak looks like one every time.
const BATCHES: usize = 3;
const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

// proves T17 (100 k of 1 M samples)
#[test]
fn no_comparison_of_secrets_tells_by_its_time_how_much_is_right() {
    #[expect(clippy::disallowed_methods, reason = "how much to measure is for whoever runs the tests")]
    let samples = std::env::var("ROOMPASS_TIMING_SAMPLES").map_or(SAMPLES, |samples| samples.parse().unwrap());
    let leaks = |name: &str, judge: &dyn Fn(usize) -> bool| {
        let ts: Vec<f64> = (0..BATCHES).map(|_| t_of(samples, judge)).collect();
        println!("{name}: t = {ts:.2?}");
        ts.iter().all(|t| t.abs() >= MAX_T)
    };

    let secret = "Tq7vXc2LmZ9aKd4RfB8sWn1YpEg6UhJo";
    let guesses = guesses(secret.as_bytes());
    let careless = |class: usize| guesses[class].iter().zip(secret.as_bytes()).all(|(guess, right)| guess == right);
    assert!(leaks("a careless comparison", &careless), "the method sees what it is there to see");

    let right = ServerSecret::new(secret).unwrap();
    let secrets = guesses.each_ref().map(|guess| ServerSecret::new(std::str::from_utf8(guess).unwrap()).unwrap());
    assert!(!leaks("server secret", &|class| bool::from(right.ct_eq(&secrets[class]))));

    let sign = "c3d1a9f07e5b4826".repeat(4);
    let app_sign = AppSign::new(&sign).unwrap();
    let signs = [format!("{}0", &sign[..63]), "0".repeat(64)].map(|sign| AppSign::new(&sign).unwrap());
    assert!(!leaks("AppSign", &|class| bool::from(app_sign.ct_eq(&signs[class]))));

    let login = LoginProof {
        server_origin: "https://rtc.example.com",
        app_id: AppId::new(7).unwrap(),
        user_id: "u",
        room_id: "r",
        challenge: &[7; 32],
        timestamp: NOW,
    };
    let proofs = self::guesses(&login.compute(&app_sign));
    assert!(!leaks("proof of the AppSign", &|class| login.verify(&app_sign, &proofs[class])));

    let (text, keyring) = keyring(|text| Proof::Bearer(text.hash()));
    let key = text.expose();
    let wrong = |from: usize| {
        // Of the same kind, since looking at the shape of a guess may take longer for a letter than for a digit.
        let other = |byte: u8| match byte {
            b'9' => b'0',
            b'Z' => b'A',
            b'z' => b'a',
            byte => byte + 1,
        };
        format!("{}{}", &key[..from], key[from..].bytes().map(|byte| char::from(other(byte))).collect::<String>())
    };
    let keys = [wrong(key.len() - 1), wrong(key.len() - 43)];
    assert!(!leaks("backend key", &|class| keyring.authenticate(&keys[class], NOW).is_some()));

    let (text, keyring) = self::keyring(|text| Proof::Signed(Box::new(SigningKey::new(text))));
    let mut mac = Hmac::<Sha256>::new_from_slice(text.expose().as_bytes()).unwrap();
    mac.update(b"request");
    let signatures = self::guesses(&mac.finalize().into_bytes()).map(|guess| <[u8; 32]>::try_from(guess).unwrap());
    let id = text.key_id();
    let judge = |class: usize| keyring.authenticate_signed(id, "request", &signatures[class], NOW).is_some();
    assert!(!leaks("signature of a request", &judge));
}

/// A guess that is right but for its last byte, and one that is wrong in every byte.
fn guesses(right: &[u8]) -> [Vec<u8>; 2] {
    let wrong: Vec<u8> = right.iter().map(|byte| byte ^ 1).collect();
    let mut almost = right.to_vec();
    *almost.last_mut().unwrap() ^= 1;
    [almost, wrong]
}

fn keyring(proof: impl Fn(&KeyText) -> Proof) -> (KeyText, Keyring) {
    let text = KeyText::generate(&mut SysRng).unwrap();
    let caller = Caller { key_id: text.key_id().to_owned(), app_id: AppId::new(7).unwrap(), scope: Scope::default() };
    let keyring = Keyring::default();
    keyring.put(BackendKey::new(caller, proof(&text), None));
    (text, keyring)
}

/// Welch's t between the times of the two kinds of guesses.
fn t_of(samples: usize, judge: &dyn Fn(usize) -> bool) -> f64 {
    let mut coins = vec![0; samples];
    SysRng.try_fill_bytes(&mut coins).unwrap();
    let times: Vec<(usize, f64)> = coins
        .into_iter()
        .map(|coin| {
            let class = usize::from(coin & 1);
            let start = Instant::now();
            for _ in 0..REPEATS {
                black_box(judge(black_box(class)));
            }
            (class, start.elapsed().as_secs_f64() * 1e9)
        })
        .collect();
    welch::t(times)
}
