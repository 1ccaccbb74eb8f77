use alloc::string::ToString;
use std::vec::Vec;

use super::*;

/// The worked example of the token-formats specification, section 13.2.
const GCM: &str = "04AAAAAGsETAAADEcIZ4GpUR9iotekbAB0kT2WJg/tfH2Qu2Y1l3TmuDR91jAHVp/sFFSIVCDuIRGtUljOjGkoFPzbvG5y7QlpGMf9XhVs9bcKfIOeWYDea5PUv99EOKPGnuFhtEasamJb/LDhI2GSVl0mv6WR8plKSZhXn0MI5T+Heq4qoNkleEnfuxwB";

fn codes(text: &str) -> Vec<&'static str> {
    let codes: Vec<_> = inspect(text).findings.iter().map(|finding| finding.code).collect();
    let readme = include_str!("../../README.md");
    assert!(codes.iter().all(|code| readme.contains(&format!("`{code}`"))), "{codes:?}");
    codes
}

#[test]
fn a_sound_token_shows_all_its_fields() {
    let inspection = inspect(GCM);
    assert_eq!(inspection.findings, []);
    assert_eq!(inspection.format, Some(Format::Token04Gcm));
    let shape: Vec<_> = inspection.fields.iter().map(|field| (field.name, field.range.clone())).collect();
    assert_eq!(
        shape,
        [
            ("expire", 0..8),
            ("iv_len", 8..10),
            ("iv", 10..22),
            ("ct_len", 22..24),
            ("ciphertext", 24..124),
            ("tag", 124..140),
            ("mode", 140..141)
        ]
    );
    assert_eq!(inspection.fields[0].meaning, "expiry in clear: 1795443712 (2026-11-23 14:21:52 UTC)");
}

#[test]
fn every_prefix_of_a_token_is_read_as_far_as_it_goes() {
    for len in 2..GCM.len() {
        let inspection = inspect(&GCM[..len]);
        assert!(!inspection.findings.is_empty(), "{len}");
        let read: usize = inspection.fields.iter().map(|field| field.bytes.len()).sum();
        assert_eq!(read, (len - 2) * 3 / 4, "{len}");
        // The missing characters are known once the lengths have been read, at body byte 24.
        if len >= 34 {
            let missing = std::format!("so {} are missing", GCM.len() - len);
            assert!(inspection.findings[0].problem.contains(&missing), "{len}: {:?}", inspection.findings);
        }
    }
}

#[test]
fn changes_on_the_way_are_named_and_undone() {
    for (text, code) in [
        (std::format!(" {GCM}\n"), "surrounding_white_space"),
        (std::format!("\"{GCM}\""), "quoted"),
        (std::format!("Bearer {GCM}"), "scheme_prefix"),
        (GCM.replace('+', " "), "plus_became_space"),
        (GCM.replace('+', "-").replace('/', "_"), "url_safe_alphabet"),
        (GCM.replace('/', "%2f"), "percent_encoded"),
        (std::format!("{}\r\n{}", &GCM[..78], &GCM[78..]), "line_breaks"),
        (std::format!("{GCM}="), "padding_surplus"),
    ] {
        assert_eq!(codes(&text), [code], "{text}");
        assert_eq!(inspect(&text).repaired(), GCM, "{code}");
    }
}

#[test]
fn what_is_no_token_is_recognised() {
    for (text, code) in [
        ("", "empty"),
        ("0", "empty"),
        ("fa94dd0f974cf2e293728a526b028271", "secret_given"),
        ("04fadd0f974cf2e293728a526b028271", "secret_given"),
        (&"04".repeat(32), "app_sign_given"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt_given"),
        ("02AAAA", "version_unknown"),
        (&GCM[2..], "version_missing"),
    ] {
        assert_eq!(codes(text), [code], "{text}");
    }
}

#[test]
fn no_text_is_too_odd() {
    for text in ["04", "04=", "04====", "04é", "0é", "é", "#", "04#", "04#a#b", "\u{feff}", "04\0", "\"", "Bearer "]
    {
        assert!(!inspect(text).findings.is_empty(), "{text:?}");
    }
    let huge = "04".to_string() + &"A".repeat(2_000_000);
    assert_eq!(codes(&huge), ["too_long"]);
}
