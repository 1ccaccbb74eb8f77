//! What a token costs beside the bare cipher: `cargo bench -p token-gen`.
//!
//! Both sides run in one process on one thread, turn about in short rounds, so that a noisy machine disturbs them
//! alike; the table shows medians over the rounds. "Bare" is AES-256-GCM of the very same plaintexts, in place, with a
//! prepared key: no JSON, no base64, no allocation and no nonce to draw. The bar holds whole tokens against that.
//!
//! The plaintexts are those of 64 privilege tokens whose user ids differ in length, because the bare cipher is a third
//! faster on whole blocks and one length alone would flatter or slander it.

use std::{hint::black_box, time::Duration, time::Instant};

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::TryRng;
use token_gen::{
    AppId, Minter, Payload, Privilege, Rights, RoomId, ServerSecret, StreamId, SystemRng, TokenRequest, UnixSeconds,
    UserId, Verifier,
};

const SECRET: &str = "k3Jx0QzvR8mYt5LwPa7NsE1hUbG6dCfT";
const NOW: UnixSeconds = UnixSeconds::new(1_795_440_112);

/// One of each operation in a round is this many tokens.
const TOKENS: usize = Minter::BATCH;
const PASSES_PER_ROUND: usize = 8;
const ROUNDS: usize = 401;

const MINT_BAR: f64 = 2.0;
const VERIFY_BAR: f64 = 2.5;

fn main() {
    let secret = ServerSecret::new(SECRET).expect("32 bytes");
    let app_id = AppId::new(1_234_567_890).expect("not zero");
    let minter = Minter::new(app_id, &secret);
    let verifier = Verifier::new(app_id, &secret);
    let bare = Aes256Gcm::new(SECRET.as_bytes().try_into().expect("32 bytes"));

    let requests: Vec<TokenRequest> = (0..TOKENS).map(typical_request).collect();
    let minted = minter.mint_all(&requests, NOW, &mut SystemRng).expect("the requests fit");
    let opened: Vec<Opened> = minted.iter().map(|minted| Opened::open(&bare, &minted.token)).collect();
    let mut buffer = [0u8; 512];

    let [mut seal, mut fresh, mut mint, mut mint_all, mut open, mut verify] = [const { Vec::new() }; 6];
    for _ in 0..ROUNDS {
        seal.push(nanoseconds(|| {
            for token in &opened {
                let buffer = load(&mut buffer, &token.plaintext);
                black_box(bare.encrypt_inout_detached(&black_box(token.nonce).into(), &[], buffer.into()).is_ok());
            }
        }));
        fresh.push(nanoseconds(|| {
            for token in &opened {
                let mut nonce = [0; 12];
                SystemRng.try_fill_bytes(&mut nonce).expect("the system has randomness");
                let buffer = load(&mut buffer, &token.plaintext);
                black_box(bare.encrypt_inout_detached(&nonce.into(), &[], buffer.into()).is_ok());
            }
        }));
        mint.push(nanoseconds(|| {
            for request in &requests {
                black_box(minter.mint(black_box(request), NOW, &mut SystemRng).is_ok());
            }
        }));
        mint_all.push(nanoseconds(|| {
            black_box(minter.mint_all(black_box(&requests), NOW, &mut SystemRng).is_ok());
        }));
        open.push(nanoseconds(|| {
            for Opened { nonce, sealed, tag, .. } in &opened {
                let buffer = load(&mut buffer, sealed);
                black_box(
                    bare.decrypt_inout_detached(&black_box(*nonce).into(), &[], buffer.into(), &(*tag).into()).is_ok(),
                );
            }
        }));
        verify.push(nanoseconds(|| {
            for minted in &minted {
                black_box(verifier.verify(black_box(&minted.token), NOW).is_ok());
            }
        }));
    }

    let lengths = opened.iter().map(|token| token.plaintext.len());
    println!(
        "token04-GCM, {} to {} bytes of plaintext, one core, medians of {ROUNDS} rounds",
        lengths.clone().min().unwrap_or(0),
        lengths.max().unwrap_or(0),
    );
    println!("{:<36} {:>6} {:>12} {:>7}  bar", "", "ns", "per second", "ratio");
    row("bare AES-256-GCM seal", &seal, None);
    row("  with its nonce drawn from the OS", &fresh, None);
    row("mint, one by one", &mint, Some((&seal, Some(MINT_BAR))));
    row("mint_all, 64 at once", &mint_all, Some((&seal, Some(MINT_BAR))));
    row("bare AES-256-GCM open", &open, None);
    row("verify", &verify, Some((&open, Some(VERIFY_BAR))));
}

/// One room, both privileges, one stream, ids of ordinary lengths.
fn typical_request(index: usize) -> TokenRequest {
    let rights = Rights::builder(&RoomId::new("room_4217").expect("a room id"))
        .allow(Privilege::Login)
        .allow(Privilege::Publish)
        .stream(&StreamId::new("stream_4217_1").expect("a stream id"))
        .build();
    let length = 4 + index % 16;
    TokenRequest {
        user_id: UserId::new(format!("user_{index:0length$}")).expect("a user id"),
        ttl: Duration::from_secs(3600),
        payload: Payload::Rights(rights),
    }
}

/// A token's inside, for the bare cipher.
struct Opened {
    nonce: [u8; 12],
    sealed: Vec<u8>,
    tag: [u8; 16],
    plaintext: Vec<u8>,
}

impl Opened {
    fn open(bare: &Aes256Gcm, token: &str) -> Self {
        let body = STANDARD.decode(&token[2..]).expect("it was just minted");
        // Expiry (8), nonce length (2), nonce (12), content length (2), content, tag (16), mode (1).
        let nonce = body[10..22].try_into().expect("twelve bytes");
        let tag_at = body.len() - 17;
        let sealed = body[24..tag_at].to_vec();
        let tag = body[tag_at..][..16].try_into().expect("sixteen bytes");
        let mut plaintext = sealed.clone();
        bare.decrypt_inout_detached(&nonce, &[], plaintext.as_mut_slice().into(), &tag).expect("it has the same key");
        Self { nonce: nonce.into(), sealed, tag: tag.into(), plaintext }
    }
}

/// Puts `bytes` where they are to be sealed or opened.
fn load<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> &'b mut [u8] {
    let buffer = &mut buffer[..bytes.len()];
    buffer.copy_from_slice(bytes);
    black_box(buffer)
}

/// How long one token takes, on average over a round of passes over all of them.
fn nanoseconds(mut pass: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..PASSES_PER_ROUND {
        pass();
    }
    start.elapsed().as_nanos() as f64 / (PASSES_PER_ROUND * TOKENS) as f64
}

fn row(name: &str, samples: &[f64], against: Option<(&[f64], Option<f64>)>) {
    let ns = median(samples.iter().copied());
    let (mut ratio, mut bar) = (String::new(), String::new());
    if let Some((base, limit)) = against {
        // The ratio within each round, then the median: both sides of one round met the same machine.
        let measured = median(samples.iter().zip(base).map(|(ours, theirs)| ours / theirs));
        ratio = format!("{measured:.2}");
        bar = limit
            .map_or(String::new(), |limit| format!("{limit:.1} {}", if measured <= limit { "met" } else { "MISSED" }));
    }
    println!("{name:<36} {ns:>6.0} {:>12.0} {ratio:>7}  {bar}", 1e9 / ns);
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
