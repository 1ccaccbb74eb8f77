//! The IVs, nonces and claim nonces of real tokens, looked at as a guesser would.

use std::{cell::OnceCell, collections::HashSet, time::Duration};

use token_gen::{Format, Minter, Payload, Rights, RoomId, SystemRng, TokenRequest, UserId};

use crate::{
    forge::{app, body_of, lenient, now, secret},
    noise::Noise,
};

/// Below this, χ² with 255 degrees of freedom passes: p > 0.001. An honest generator misses that once in a thousand
/// samples, so a sample that misses it is followed by a second, and a generator that misses it twice is convicted:
/// once in a million runs wrongly. Every generator the row is about is far beyond it: one that draws from 36 letters
/// scores six times its number of bytes.
const CHI_SQUARED_MAX: f64 = 330.52;
/// Too even is not random either: below this once in 10⁸.
const CHI_SQUARED_MIN: f64 = 150.0;

fn chi_squared(bytes: impl IntoIterator<Item = u8>) -> (usize, f64) {
    let mut counts = [0u32; 256];
    let mut total = 0;
    for byte in bytes {
        counts[usize::from(byte)] += 1;
        total += 1;
    }
    let expected = f64::from(total) / 256.0;
    (total as usize, counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum())
}

// proves T08
#[test]
fn ivs_and_claim_nonces_use_all_256_values_evenly_and_never_repeat() {
    for format in [Format::Token04Gcm, Format::Token04Cbc, Format::Token03] {
        let (first, second) = (scores(format), OnceCell::new());
        for (number, (what, score)) in first.into_iter().enumerate() {
            let is_even = |score: f64| (CHI_SQUARED_MIN..CHI_SQUARED_MAX).contains(&score);
            let again = || second.get_or_init(|| scores(format))[number].1;
            assert!(is_even(score) || is_even(again()), "{format}, {what}: {score}, then {}", again());
        }
    }
}

/// χ² over the IVs and over the claim nonces of many fresh tokens, none of which has one twice.
fn scores(format: Format) -> [(&'static str, f64); 2] {
    const TOKENS: usize = 125_000;
    let minter = Minter::new(app(), &secret()).with_format(format);
    let rights = Rights::builder(&RoomId::new("r").unwrap()).build();
    let request = TokenRequest {
        user_id: UserId::new("alice").unwrap(),
        ttl: Duration::from_secs(60),
        payload: Payload::Rights(rights),
    };
    // Half one by one, half in batches: both ways of minting are on trial.
    let mut minted = minter.mint_all(&vec![request.clone(); TOKENS / 2], now(), &mut SystemRng).unwrap();
    minted.extend((0..TOKENS / 2).map(|_| minter.mint(&request, now(), &mut SystemRng).unwrap()));

    let iv_len = if format == Format::Token04Gcm { 12 } else { 16 };
    let ivs: HashSet<Vec<u8>> = minted.iter().map(|minted| body_of(&minted.token)[10..10 + iv_len].to_vec()).collect();
    assert_eq!(ivs.len(), TOKENS, "an IV repeats");
    let verifier = lenient();
    let nonces: HashSet<i64> =
        minted.iter().map(|minted| verifier.verify(&minted.token, now()).unwrap().claims.nonce).collect();
    assert_eq!(nonces.len(), TOKENS, "a claim nonce repeats");

    [
        ("IV bytes", chi_squared(ivs.into_iter().flatten())),
        ("claim nonce bytes", chi_squared(nonces.into_iter().flat_map(i64::to_be_bytes))),
    ]
    .map(|(what, (total, score))| {
        println!("{format}: χ² over {total} {what}: {score:.0}");
        assert!(total >= 1_000_000);
        (what, score)
    })
}

#[test]
fn the_statistic_convicts_the_generators_it_is_meant_for() {
    let mut noise = Noise::new(8);
    let letters = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let (_, of_letters) = chi_squared((0..10_000).map(|_| letters[noise.below(36)]));
    let (_, of_31_bits) = chi_squared((0..10_000).flat_map(|_| (noise.next() as u32 >> 1).to_be_bytes().into_iter()));
    let (_, of_a_counter) = chi_squared((0..1_000_000).map(|n: u32| n as u8));
    assert!(of_letters > CHI_SQUARED_MAX && of_31_bits > CHI_SQUARED_MAX);
    assert!(of_a_counter < CHI_SQUARED_MIN);
}

#[test]
fn a_failing_random_source_mints_nothing() {
    struct Broken;
    impl rand::TryRng for Broken {
        type Error = std::io::Error;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Err(std::io::ErrorKind::Other.into())
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Err(std::io::ErrorKind::Other.into())
        }
        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            Err(std::io::ErrorKind::Other.into())
        }
    }
    impl rand::TryCryptoRng for Broken {}

    let minter = Minter::new(app(), &secret());
    let request = TokenRequest {
        user_id: UserId::new("alice").unwrap(),
        ttl: Duration::from_secs(60),
        payload: Payload::Identity,
    };
    assert_eq!(minter.mint(&request, now(), &mut Broken).unwrap_err().code(), "randomness");
    assert_eq!(minter.mint_all(&[request], now(), &mut Broken).unwrap_err().code(), "randomness");
}
