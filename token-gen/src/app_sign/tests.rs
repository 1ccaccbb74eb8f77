//! The login proof against Wycheproof's HMAC-SHA256, and against what it must bind.

use std::println;

use super::*;
use crate::test_data::{hex, published, wycheproof};

#[test]
fn wycheproof_hmac_sha256() {
    let Some(file) = published("wycheproof/hmac_sha256_test.json") else { return };
    let (mut taken, mut refused, mut short) = (0, 0, 0);
    for (_, case) in wycheproof(&file) {
        let id = &case["tcId"];
        let tag = hex(&case["tag"]);
        let mut mac = new_mac(&hex(&case["key"]));
        mac.update(&hex(&case["msg"]));
        let full: [u8; PROOF_LEN] = mac.clone().finalize().into_bytes().into();
        let verified = mac.verify_slice(&tag).is_ok();
        if tag.len() < PROOF_LEN {
            // A proof is 32 bytes: even the right first half of one is refused.
            assert!(!verified, "{id}");
            assert_eq!(full.starts_with(&tag), case["result"] == "valid", "{id}");
            short += 1;
        } else {
            assert_eq!(verified, case["result"] == "valid", "{id}");
            assert_eq!(verified, full == *tag, "{id}");
            *if verified { &mut taken } else { &mut refused } += 1;
        }
    }
    println!("Wycheproof HMAC-SHA256: {taken} taken, {refused} refused, {short} shorter than a proof and so refused");
    assert_eq!(Some(taken + refused + short), file["numberOfTests"].as_u64());
    assert!(taken > 0 && refused > 0);
}

const PROOF: LoginProof<'_> = LoginProof {
    server_origin: "https://rtc.example.com",
    app_id: match AppId::new(7) {
        Ok(app_id) => app_id,
        Err(_) => panic!("seven is an app id"),
    },
    user_id: "alice",
    room_id: "room1",
    challenge: &[3; CHALLENGE_LEN],
    timestamp: UnixSeconds::new(1_795_440_112),
};

#[test]
fn a_proof_is_good_for_its_own_login_only() {
    let sign = AppSign::new(&"0a".repeat(32)).unwrap();
    let proof = PROOF.compute(&sign);
    assert!(PROOF.verify(&sign, &proof));
    assert!(!PROOF.verify(&AppSign::new(&"0b".repeat(32)).unwrap(), &proof));
    for other in [
        LoginProof { server_origin: "http://rtc.example.com", ..PROOF },
        LoginProof { app_id: AppId::new(8).unwrap(), ..PROOF },
        LoginProof { user_id: "alice2", ..PROOF },
        LoginProof { room_id: "room2", ..PROOF },
        // What one field loses the next one gains: the lengths keep them apart.
        LoginProof { user_id: "alicer", room_id: "oom1", ..PROOF },
        LoginProof { challenge: &[4; CHALLENGE_LEN], ..PROOF },
        LoginProof { timestamp: UnixSeconds::new(1_795_440_113), ..PROOF },
    ] {
        assert!(!other.verify(&sign, &proof), "{other:?}");
    }
    for cut in 0..PROOF_LEN {
        assert!(!PROOF.verify(&sign, &proof[..cut]));
        let mut spoiled = proof;
        spoiled[cut] ^= 1;
        assert!(!PROOF.verify(&sign, &spoiled));
    }
}
