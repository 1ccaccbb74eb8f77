//! Time and size, each limit from both sides.

use std::time::{Duration, Instant};

use token_gen::{
    Format, Limits, MAX_LIFETIME, Minter, Payload, TokenError, TokenRequest, UserId, Verifier, expire_at_unverified,
};

use crate::forge::{FORMATS, NOW, TTL, app, good_claims, lenient, mint, now, object, seal, secret};

fn code(verifier: &Verifier, token: &str, at: i64) -> &'static str {
    verifier.verify(token, at.into()).err().map_or("accepted", |refused| refused.reason().code())
}

/// A token with these times, as `(issued at, expiring at)`.
fn living(format: Format, issued_at: i64, expire_at: i64) -> String {
    let mut claims = good_claims(format);
    claims[3].1 = issued_at.to_string();
    claims[4].1 = expire_at.to_string();
    seal(format, expire_at, [4; 16], object(&claims).as_bytes())
}

// proves T14
#[test]
fn a_token_ends_in_the_very_second_it_names() {
    for format in FORMATS {
        let token = mint(format, "alice");
        for (at, expected) in [(-1, "accepted"), (0, "expired"), (1, "expired")] {
            assert_eq!(code(&lenient(), &token, NOW + TTL + at), expected, "{format}");
        }
        assert_eq!(expire_at_unverified(&token).unwrap().get(), NOW + TTL);
    }
}

// proves T14
#[test]
fn an_issue_time_in_the_future_is_tolerated_for_thirty_seconds() {
    for format in FORMATS {
        let token = mint(format, "alice");
        for (ahead, expected) in [(29, "accepted"), (30, "accepted"), (31, "issued_in_future")] {
            assert_eq!(code(&lenient(), &token, NOW - ahead), expected, "{format}");
        }
        let exact = Verifier::builder(app(), &secret()).accept(lenient().accept()).skew(Duration::ZERO).build();
        assert_eq!(code(&exact, &token, NOW), "accepted");
        assert_eq!(code(&exact, &token, NOW - 1), "issued_in_future");
    }
}

// proves T14
#[test]
fn a_lifetime_over_the_cap_is_refused_at_verify() {
    const DAY: i64 = 24 * 3600;
    let ceiling = MAX_LIFETIME.as_secs().cast_signed();
    let day = Verifier::builder(app(), &secret())
        .accept(lenient().accept())
        .max_lifetime(Duration::from_secs(DAY as u64))
        .build();
    let beyond = Verifier::builder(app(), &secret()).accept(lenient().accept()).max_lifetime(Duration::MAX).build();
    for format in FORMATS {
        for (verifier, cap) in [(&day, DAY), (&lenient(), ceiling), (&beyond, ceiling)] {
            assert_eq!(code(verifier, &living(format, NOW, NOW + cap), NOW), "accepted");
            assert_eq!(code(verifier, &living(format, NOW, NOW + cap + 1), NOW), "lifetime_too_long");
        }
        assert_eq!(code(&lenient(), &living(format, NOW, NOW + 1), NOW), "accepted");
        assert_eq!(code(&lenient(), &living(format, 1, i64::MAX), NOW), "lifetime_too_long");
    }
}

// proves T14
#[test]
fn a_lifetime_over_the_cap_is_refused_at_mint() {
    let day = Duration::from_secs(24 * 3600);
    let whole = Minter::new(app(), &secret());
    let capped = whole.clone().with_max_ttl(day);
    let raised = whole.clone().with_max_ttl(Duration::MAX);
    let (second, tick) = (Duration::from_secs(1), Duration::from_nanos(1));
    for (minter, max) in [(&whole, MAX_LIFETIME), (&capped, day), (&raised, MAX_LIFETIME)] {
        for (ttl, fits) in [
            (Duration::ZERO, false),
            (second - tick, false),
            (second, true),
            (max, true),
            (max + tick, false),
            (max + second, false),
        ] {
            let request = TokenRequest { user_id: UserId::new("alice").unwrap(), ttl, payload: Payload::Identity };
            let minted = minter.mint(&request, now(), &mut rand::rngs::SysRng);
            assert_eq!(minted.as_ref().err(), (!fits).then_some(&TokenError::TtlInvalid { max }), "{ttl:?}");
        }
    }
}

// proves T15
#[test]
fn a_huge_token_is_refused_unread() {
    let huge = format!("04{}", "A".repeat(1024 * 1024));
    let fastest = (0..20)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(code(&lenient(), &huge, NOW), "too_long");
            start.elapsed()
        })
        .min()
        .unwrap();
    // Decoding it takes longer than this even once; the fastest of twenty is not the machine's mood.
    assert!(fastest < Duration::from_micros(50), "{fastest:?}");
    let kit = format!("{huge}#e30=");
    assert_eq!(lenient().verify_kit(&kit, None, now()).unwrap_err().reason().code(), "too_long");
    let max = Limits::STRICT.max_token_bytes;
    assert_eq!(code(&lenient(), &format!("04{}", "A".repeat(max - 1)), NOW), "too_long");
    assert_ne!(code(&lenient(), &format!("04{}", "A".repeat(max - 2)), NOW), "too_long");
}

// proves T15
#[test]
fn a_payload_ends_at_four_kilobytes_on_both_sides() {
    let minter = Minter::new(app(), &secret());
    for (len, fits) in [(4095, true), (4096, true), (4097, false), (70_000, false)] {
        let payload = Payload::Text("p".repeat(len));
        let request = TokenRequest { user_id: UserId::new("alice").unwrap(), ttl: Duration::from_secs(60), payload };
        let minted = minter.mint(&request, now(), &mut rand::rngs::SysRng);
        assert_eq!(minted.is_ok(), fits, "{len}");
        if let Ok(minted) = minted {
            assert_eq!(code(&lenient(), &minted.token, NOW), "accepted", "{len}");
        } else if len < 5000 {
            let mut claims = good_claims(Format::Token04Gcm);
            claims[5].1 = format!("\"{}\"", "p".repeat(len));
            let token = seal(Format::Token04Gcm, NOW + TTL, [4; 16], object(&claims).as_bytes());
            assert_eq!(code(&lenient(), &token, NOW), "payload_too_long", "{len}");
        }
    }
}

// proves T10
#[test]
fn what_does_not_fit_the_format_is_refused_at_mint_and_nothing_wraps() {
    let minter = Minter::new(app(), &secret()).with_max_payload_bytes(usize::MAX);
    for format in [Format::Token04Gcm, Format::Token04Cbc] {
        let minter = minter.clone().with_format(format);
        let mut longest = 0;
        for len in (65_300..65_540).chain([70_000, 131_072]) {
            let payload = Payload::Text("p".repeat(len));
            let request =
                TokenRequest { user_id: UserId::new("alice").unwrap(), ttl: Duration::from_secs(60), payload };
            match minter.mint(&request, now(), &mut rand::rngs::SysRng) {
                Ok(minted) => {
                    let verified = crate::forge::unlimited().verify(&minted.token, now()).unwrap();
                    assert_eq!(verified.claims.payload().map(str::len), Some(len));
                    longest = len;
                }
                Err(error) => assert_eq!(error.code(), "payload_too_long"),
            }
        }
        assert!((65_300..65_520).contains(&longest), "{format}: {longest}");
    }
}

// proves T15
#[test]
fn claims_nest_eight_deep_and_no_deeper() {
    for format in FORMATS {
        for (arrays, expected) in [(6, "accepted"), (7, "accepted"), (8, "undecryptable"), (600, "undecryptable")] {
            let nested = format!("{}{}", "[".repeat(arrays), "]".repeat(arrays));
            let claims = [&good_claims(format)[..], &[("extra", nested)]].concat();
            let token = seal(format, NOW + TTL, [4; 16], object(&claims).as_bytes());
            assert_eq!(code(&lenient(), &token, NOW), expected, "{arrays} arrays in the claims object");
        }
    }
}
