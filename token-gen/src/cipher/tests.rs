//! The wrappers against their own padding rules and the Wycheproof vectors.

use std::{println, vec, vec::Vec};

use super::*;
use crate::test_data::{hex, published, wycheproof};

#[test]
fn padding_round_trips_for_every_length() {
    let key = SealingKey::from_bytes(&[7; 32]);
    for len in 0..70 {
        let mut buffer = vec![0xabu8; len];
        buffer.extend_from_slice(padding(len));
        key.seal_cbc(&[9; 16], &mut buffer);
        let (opened, sound) = key.open_cbc(&[9; 16], &mut buffer);
        assert!(bool::from(sound));
        assert_eq!(&buffer[..opened], vec![0xabu8; len]);
    }
}

#[test]
fn unsound_padding_is_reported_and_removes_nothing() {
    for bad in [0u8, 17, 255] {
        let mut block = [1u8; 16];
        block[15] = bad;
        let (len, sound) = unpad(&block);
        assert_eq!((len, bool::from(sound)), (16, false));
    }
    let mut uneven = [4u8; 16];
    uneven[13] = 3;
    assert!(!bool::from(unpad(&uneven).1));
}

#[test]
fn every_last_block_is_judged_as_the_definition_says() {
    for count in 0..=u8::MAX {
        for spoiled in 0..BLOCK_LEN {
            let mut block = [count; BLOCK_LEN];
            block[spoiled] ^= 0x40;
            let last = usize::from(block[BLOCK_LEN - 1]);
            let expected = (1..=BLOCK_LEN).contains(&last)
                && block[BLOCK_LEN - last..].iter().all(|&byte| usize::from(byte) == last);
            let (len, sound) = unpad(&block);
            assert_eq!(bool::from(sound), expected, "{block:?}");
            assert_eq!(len, if expected { BLOCK_LEN - last } else { BLOCK_LEN });
        }
    }
}

#[test]
fn wycheproof_aes_gcm() {
    let Some(file) = published("wycheproof/aes_gcm_test.json") else { return };
    let (mut sealed, mut refused, mut other_sizes, mut with_aad) = (0, 0, 0, 0);
    for (group, case) in wycheproof(&file) {
        let id = &case["tcId"];
        // The wrapper has no form for other sizes: its key, nonce and tag are arrays of the only lengths in use.
        let (Ok(key), Ok(nonce)) = (hex(&case["key"]).try_into(), <[u8; 12]>::try_from(hex(&case["iv"]))) else {
            other_sizes += 1;
            continue;
        };
        assert_eq!(group["tagSize"], 128);
        if !hex(&case["aad"]).is_empty() {
            with_aad += 1;
            continue;
        }
        let key = SealingKey::from_bytes(&key);
        let (message, ciphertext) = (hex(&case["msg"]), hex(&case["ct"]));
        let tag: [u8; TAG_LEN] = hex(&case["tag"]).try_into().unwrap();
        let mut buffer = ciphertext.clone();
        let opened = key.open_gcm(&nonce, &mut buffer, &tag);
        if case["result"] == "valid" {
            assert_eq!((opened, &buffer), (Some(()), &message), "{id}");
            assert_eq!(key.seal_gcm(&nonce, &mut buffer), Some(tag), "{id}");
            assert_eq!(buffer, ciphertext, "{id}");
            sealed += 1;
        } else {
            assert_eq!(opened, None, "{id}");
            refused += 1;
        }
    }
    println!(
        "Wycheproof AES-GCM: {sealed} sealed and opened, {refused} refused; not expressible here: {other_sizes} of \
         other key or nonce sizes, {with_aad} with associated data"
    );
    assert_eq!(Some(sealed + refused + other_sizes + with_aad), file["numberOfTests"].as_u64());
    assert!(sealed > 0 && refused > 0);
}

#[test]
fn wycheproof_aes_cbc_pkcs5() {
    let Some(file) = published("wycheproof/aes_cbc_pkcs5_test.json") else { return };
    let (mut sealed, mut refused, mut no_blocks, mut other_sizes) = (0, 0, 0, 0);
    for (_, case) in wycheproof(&file) {
        let id = &case["tcId"];
        let Ok(key) = hex(&case["key"]).try_into() else {
            other_sizes += 1;
            continue;
        };
        let key = SealingKey::from_bytes(&key);
        let iv: [u8; BLOCK_LEN] = hex(&case["iv"]).try_into().unwrap();
        let (message, ciphertext) = (hex(&case["msg"]), hex(&case["ct"]));
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK_LEN) {
            // Refused before this wrapper is asked: see `Envelope::parse`.
            assert_eq!(case["result"], "invalid", "{id}");
            no_blocks += 1;
            continue;
        }
        let mut buffer = ciphertext.clone();
        let (len, sound) = key.open_cbc(&iv, &mut buffer);
        assert_eq!(bool::from(sound), case["result"] == "valid", "{id}");
        if case["result"] == "valid" {
            assert_eq!(&buffer[..len], message, "{id}");
            let mut buffer: Vec<u8> = [&message, padding(message.len())].concat();
            key.seal_cbc(&iv, &mut buffer);
            assert_eq!(buffer, ciphertext, "{id}");
            sealed += 1;
        } else {
            refused += 1;
        }
    }
    println!(
        "Wycheproof AES-CBC-PKCS5: {sealed} sealed and opened, {refused} refused for their padding, {no_blocks} no \
         whole blocks; not expressible here: {other_sizes} of other key sizes"
    );
    assert_eq!(Some(sealed + refused + no_blocks + other_sizes), file["numberOfTests"].as_u64());
    assert!(sealed > 0 && refused > 0);
}
