//! Tokens changed on the way: bits, splices, mode bytes, expiry in clear, the text itself.

use base64::{Engine, engine::general_purpose::STANDARD};
use token_gen::{Format, RefusalClass, Verifier};

use crate::{
    forge::{
        FORMATS, NOW, TTL, app, body, body_of, good_claims, lenient, mint, now, object, seal, secret, text, unlimited,
    },
    noise::Noise,
};

// proves T06
#[test]
fn every_single_bit_flip_of_a_gcm_token_is_refused() {
    let verifier = lenient();
    let mut mutants = 0;
    for user in 0..20 {
        let token = mint(Format::Token04Gcm, &format!("user_{user:02}"));
        assert!(verifier.verify(&token, now()).is_ok());
        let mut body = body_of(&token);
        for bit in 0..body.len() * 8 {
            body[bit / 8] ^= 1 << (bit % 8);
            let refused = verifier.verify(&text("04", &body), now()).expect_err("a bit was flipped");
            // Nothing past the tag was reached, but where the bit stands in clear.
            let expected = match bit / 8 {
                0..8 => "outer_expiry_differs",
                8..10 | 22..24 => "",
                last if last == body.len() - 1 => "mode_byte",
                _ => "undecryptable",
            };
            assert!(expected.is_empty() || refused.reason().code() == expected, "bit {bit}: {}", refused.reason());
            body[bit / 8] ^= 1 << (bit % 8);
            mutants += 1;
        }
    }
    println!("single-bit flips of 20 GCM tokens: {mutants} refused");
    assert!(mutants >= 40_000, "{mutants}");
}

// proves T06
#[test]
fn a_cut_a_longer_and_a_short_tagged_gcm_token_are_refused() {
    let verifier = lenient();
    let token = mint(Format::Token04Gcm, "alice");
    let whole = body_of(&token);
    for len in 0..token.len() {
        assert!(verifier.verify(&token[..len], now()).is_err());
    }
    for len in 0..whole.len() {
        assert!(verifier.verify(&text("04", &whole[..len]), now()).is_err());
    }
    for more in 1..40 {
        let longer = [&whole[..], &vec![1; more]].concat();
        assert!(verifier.verify(&text("04", &longer), now()).is_err());
    }
    // The content keeps its framing and loses bytes of the tag, one by one, then bytes before it too.
    let (iv, content) = (&whole[10..22], &whole[24..whole.len() - 1]);
    for lost in 1..=content.len() {
        let shorter = body(NOW + TTL, iv, &content[..content.len() - lost], Some(1));
        let refused = verifier.verify(&text("04", &shorter), now()).expect_err("the tag is short");
        assert!(matches!(refused.class(), RefusalClass::BadCiphertext | RefusalClass::Malformed));
    }
}

// proves T01
#[test]
fn no_rewritten_cbc_token_passes_the_default_policy() {
    let verifier = Verifier::new(app(), &secret());
    let mut mutants = 0;
    for user in 0..20 {
        let mut body = body_of(&mint(Format::Token04Cbc, &format!("dave{user}")));
        for bit in 0..128 {
            body[10 + bit / 8] ^= 1 << (bit % 8);
            let refused = verifier.verify(&text("04", &body), now()).expect_err("CBC is not taken by default");
            assert_eq!(refused.reason().code(), "cipher_not_accepted");
            body[10 + bit / 8] ^= 1 << (bit % 8);
            mutants += 1;
        }
    }
    assert_eq!(mutants, 20 * 128);
}

/// The gap that the format leaves, and why CBC is off unless asked for.
#[test]
fn whoever_accepts_cbc_lets_a_java_made_token_change_its_user() {
    let plaintext = format!(
        r#"{{"user_id":"dave1","payload":"","expire":{},"ctime":{NOW},"app_id":1234567890,"nonce":1}}"#,
        NOW + TTL
    );
    let mut body = body_of(&seal(Format::Token04Cbc, NOW + TTL, [7; 16], plaintext.as_bytes()));
    for (at, (from, to)) in b"dave".iter().zip(b"root").enumerate() {
        body[10 + r#"{"user_id":""#.len() + at] ^= from ^ to;
    }
    let rewritten = text("04", &body);
    assert_eq!(lenient().verify(&rewritten, now()).unwrap().claims.user_id, "root1");
    assert!(Verifier::new(app(), &secret()).verify(&rewritten, now()).is_err());
}

// proves T02
#[test]
fn no_spliced_cbc_token_is_accepted_even_where_cbc_is() {
    let verifier = lenient();
    let mut noise = Noise::new(2);
    let payload = "A".repeat(320);
    for round in 0..20_000 {
        let mut claims = good_claims(Format::Token04Cbc);
        claims[5].1 = format!("\"{payload}\"");
        let plaintext = object(&claims);
        let mut body = body_of(&seal(Format::Token04Cbc, NOW + TTL, noise.bytes(), plaintext.as_bytes()));
        // Block `spoiled` of the ciphertext becomes noise that turns the next plaintext block into the injection.
        let blocks = plaintext.len() / 16;
        let spoiled = blocks - 19 + noise.below(16);
        let injection = br#"","user_id":"bob"#;
        let next = &plaintext.as_bytes()[(spoiled + 1) * 16..][..16];
        for at in 0..16 {
            body[28 + spoiled * 16 + at] ^= next[at] ^ injection[at];
        }
        let refused = verifier.verify(&text("04", &body), now()).expect_err("one block is garbled");
        assert!(
            matches!(refused.reason().code(), "undecryptable" | "duplicate_member"),
            "round {round}: {}",
            refused.reason()
        );
    }
}

// proves T02
#[test]
fn a_splice_whose_garbled_block_happens_to_be_text_is_still_refused() {
    for format in FORMATS {
        let mut claims = good_claims(format);
        claims.push(("x", "\"garbled\"".to_owned()));
        claims.push(("user_id", "\"bob\"".to_owned()));
        let token = seal(format, NOW + TTL, [1; 16], object(&claims).as_bytes());
        assert_eq!(lenient().verify(&token, now()).unwrap_err().reason().code(), "duplicate_member");
    }
    // A reader that repairs bad UTF-8 would take the garbled block; this one does not read on.
    let spoiled = object(&good_claims(Format::Token04Gcm)).replace("alice", "al\u{1}ce").into_bytes();
    let spoiled: Vec<u8> = spoiled.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    let token = seal(Format::Token04Gcm, NOW + TTL, [1; 16], &spoiled);
    assert_eq!(lenient().verify(&token, now()).unwrap_err().reason().code(), "undecryptable");
}

// proves T04
#[test]
fn only_the_minted_mode_byte_verifies() {
    let verifier = lenient();
    let gcm = body_of(&mint(Format::Token04Gcm, "alice"));
    let cbc = body_of(&mint(Format::Token04Cbc, "alice"));
    for mode in 0..=u8::MAX {
        let (head, _) = gcm.split_at(gcm.len() - 1);
        assert_eq!(verifier.verify(&text("04", &[head, &[mode]].concat()), now()).is_ok(), mode == 1, "{mode}");
        assert!(verifier.verify(&text("04", &[&cbc[..], &[mode]].concat()), now()).is_err(), "{mode}");
        assert!(verifier.verify(&text("03", &[&cbc[..], &[mode]].concat()), now()).is_err(), "{mode}");
    }
    assert!(verifier.verify(&text("04", &gcm[..gcm.len() - 1]), now()).is_err(), "the mode byte is gone");
}

// proves T04
#[test]
fn an_iv_of_the_other_ciphers_length_is_refused() {
    let gcm = body_of(&mint(Format::Token04Gcm, "alice"));
    let cbc = body_of(&mint(Format::Token04Cbc, "alice"));
    let gcm_content = &gcm[24..gcm.len() - 1];
    for iv_len in 0..40 {
        let iv = vec![0; iv_len];
        for (content, mode, right) in [(gcm_content, Some(1), 12), (&cbc[28..], None, 16)] {
            let refused = lenient().verify(&text("04", &body(NOW + TTL, &iv, content, mode)), now()).unwrap_err();
            let expected = if iv_len == right { "undecryptable" } else { "iv_length" };
            assert_eq!(refused.reason().code(), expected, "{iv_len}");
        }
    }
}

// proves T05
#[test]
fn an_edited_expiry_in_clear_is_refused() {
    const TEN_YEARS: i64 = 10 * 365 * 24 * 3600;
    let expire = NOW + TTL;
    for format in FORMATS {
        let token = mint(format, "alice");
        let whole = body_of(&token);
        for edited in
            [expire + 1, expire - 1, expire + TEN_YEARS, expire - TEN_YEARS, 0, -1, -expire, i64::MIN, i64::MAX]
        {
            let edited = [&edited.to_be_bytes()[..], &whole[8..]].concat();
            for at in [NOW, expire, expire + TEN_YEARS] {
                let refused = lenient().verify(&text(&token[..2], &edited), at.into()).unwrap_err();
                assert_eq!(refused.reason().code(), "outer_expiry_differs", "{format}");
            }
        }
        // With the expiry in clear as it was, the sealed one decides.
        assert_eq!(lenient().verify(&token, expire.into()).unwrap_err().class(), RefusalClass::Expired);
    }
}

// proves T10
#[test]
fn what_is_accepted_encodes_to_the_identical_text() {
    const MUTANTS: usize = 1_000_000;
    const OTHERS: &[u8] = b"ABCwxyz0189+/=-_ \n\r\t#.,\0\x7f";
    let verifier = lenient();
    let mut noise = Noise::new(10);
    let mut accepted = 0;
    // Ids of three lengths, so that the base64 ends in no, one and two '='.
    let originals: Vec<String> =
        FORMATS.iter().flat_map(|format| ["al", "ali", "alic"].map(|user| mint(*format, user))).collect();
    for mutant in 0..MUTANTS {
        let original = &originals[mutant % originals.len()];
        let mut bytes = original.clone().into_bytes();
        for _ in 0..=noise.below(2) {
            // Half of the changes fall on the last characters, where padding and spare bits live.
            let at = if noise.below(2) == 0 { noise.below(bytes.len()) } else { bytes.len() - 1 - noise.below(5) };
            let other = OTHERS[noise.below(OTHERS.len())];
            match noise.below(5) {
                0 => bytes.insert(at, other),
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, bytes[at]),
                3 => bytes.push(other),
                _ => bytes[at] = other,
            }
        }
        let mutant = String::from_utf8(bytes).unwrap();
        if verifier.verify(&mutant, now()).is_ok() {
            let again = format!("{}{}", &mutant[..2], STANDARD.encode(STANDARD.decode(&mutant[2..]).unwrap()));
            assert_eq!(again, mutant);
            // A CBC token may have been rewritten in earnest; a GCM token never.
            assert!(mutant == *original || verifier.verify(&mutant, now()).unwrap().format != Format::Token04Gcm);
            accepted += 1;
        }
    }
    println!("text mutants: {MUTANTS}, accepted and canonical: {accepted}");
    assert!(accepted > 0, "some change nothing, such as 'A' for 'A'");
}

// proves T10
#[test]
fn every_other_last_character_and_every_other_alphabet_is_refused() {
    for format in FORMATS {
        for user in ["al", "ali", "alic"] {
            let token = mint(format, user);
            for at in token.len() - 4..token.len() {
                for byte in 0..0x80 {
                    let mut other = token.clone().into_bytes();
                    other[at] = byte;
                    let other = String::from_utf8(other).unwrap();
                    // Of CBC only the last block and with it the padding changes; some few are sound again.
                    if other != token && format == Format::Token04Gcm {
                        assert!(lenient().verify(&other, now()).is_err(), "{byte} at {at}");
                    }
                }
            }
            for decorated in [
                format!("{token}="),
                format!("{token}=="),
                format!(" {token}"),
                format!("{token} "),
                format!("{token}\n"),
                format!("{}\r\n{}", &token[..40], &token[40..]),
                token.trim_end_matches('=').to_owned() + if token.ends_with('=') { "" } else { "=" },
                format!("{}é", &token[..token.len() - 2]),
            ] {
                assert_eq!(
                    unlimited().verify(&decorated, now()).unwrap_err().class().as_str(),
                    if decorated.starts_with(' ') { "wrong_version" } else { "malformed" }
                );
            }
        }
    }
    let url_safe = (0..200)
        .map(|user| mint(Format::Token04Gcm, &format!("u{user}")))
        .find(|token| token.contains('+') && token.contains('/'))
        .unwrap();
    for (from, to) in [('+', "-"), ('/', "_")] {
        let refused = lenient().verify(&url_safe.replace(from, to), now()).unwrap_err();
        assert_eq!(refused.reason().code(), "base64");
    }
}
