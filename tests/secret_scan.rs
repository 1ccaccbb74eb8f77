//! Whether a secret was checked in: private keys, backend keys and webhook keys, values of secrets in configurations. What
//! tests make up on purpose repeats itself so much that it cannot be taken for one.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// What is built or fetched, and what is not ours to judge.
const NOT_OURS: &[&str] = &["target", "node_modules", ".git", ".roompass"];
/// Tokens of public generators under public sample secrets, and samples of messages.
const SAMPLES: &[&str] = &["token-gen/tests/vectors", "token-gen/fuzz/corpus", "sdk/wire/samples"];
/// What files with keys are called.
const KEY_FILES: &[&str] = &["pem", "key", "p12", "pfx", "jks", "kdbx"];
/// What files with settings are called.
const SETTINGS: &[&str] = &["toml", "yaml", "yml", "env", "conf", "ini", "service"];
/// Bits that a character of random text carries at least, by its own letters: 43 of a key have 4.9, 32 hexadecimal
/// digits 3.6, and a counted or repeated text 3.3 or less.
const RANDOM: f64 = 3.4;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("it can be listed") {
        let entry = entry.expect("it can be listed");
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().expect("it is there");
        if kind.is_dir() && !NOT_OURS.iter().any(|not| name == *not) {
            files(&path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}

/// How many bits a character carries, as often as each occurs in `text`.
fn bits_per_character(text: &str) -> f64 {
    let mut counts = HashMap::new();
    text.bytes().for_each(|byte| *counts.entry(byte).or_insert(0_u32) += 1);
    let all = text.len() as f64;
    counts.values().map(|&count| f64::from(count) / all).map(|share| -share * share.log2()).sum()
}

fn is_random(text: &str) -> bool {
    bits_per_character(text) > RANDOM
}

/// The text of letters, digits and `-`, `_` at the beginning.
fn word(text: &str) -> &str {
    let end = text.find(|character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character)));
    &text[..end.unwrap_or(text.len())]
}

/// A backend's key, an operator's or a webhook's: what it begins with, and 40 random characters or more at its end.
fn has_key(line: &str) -> bool {
    ["rp_", "rpwh_"].iter().flat_map(|head| line.match_indices(head)).any(|(at, head)| {
        let key = word(&line[at + head.len()..]);
        let secret = key.split_once('_').filter(|(id, _)| id.len() == 12).map_or(key, |(_, secret)| secret);
        secret.len() >= 40 && is_random(secret)
    })
}

fn has_private_key(text: &str) -> bool {
    // In two pieces, so that this line is none.
    let end = concat!("PRIVATE ", "KEY-----");
    text.lines().any(|line| line.contains("-----BEGIN ") && line.contains(end))
}

/// A setting whose name says that it is a secret, with one written behind it rather than a place where to find it.
fn has_secret_setting(line: &str) -> bool {
    let Some((name, value)) = line.split_once(['=', ':']) else { return false };
    let name = name.trim().trim_start_matches(['#', '-', ' ']).to_ascii_lowercase();
    let named = ["secret", "password", "key", "token", "sign"].iter().any(|word| name.ends_with(word));
    let value = value.trim().trim_matches(['"', '\'']);
    named && value.len() >= 20 && word(value) == value && is_random(value)
}

/// What is wrong with a file, one line each.
fn faults(path: &str, text: &str) -> Vec<String> {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let mut faults = Vec::new();
    if KEY_FILES.contains(&extension) {
        faults.push(format!("{path} is called like a file with a key"));
    }
    if has_private_key(text) {
        faults.push(format!("{path} holds a private key"));
    }
    for (number, line) in text.lines().enumerate() {
        if has_key(line) {
            faults.push(format!("{path}:{} holds a key", number + 1));
        }
        if SETTINGS.contains(&extension) && has_secret_setting(line) {
            faults.push(format!("{path}:{} holds a secret", number + 1));
        }
    }
    faults
}

// proves T62 (no secret is checked in)
#[test]
fn no_secret_is_in_the_repository() {
    let root = root();
    let mut found = Vec::new();
    files(&root, &mut found);
    let (mut read, mut all) = (0, Vec::new());
    for file in found {
        let path = file.strip_prefix(&root).expect("it is below the root").display().to_string();
        if SAMPLES.iter().any(|samples| path.starts_with(samples)) {
            continue;
        }
        let bytes = fs::read(&file).expect("it can be read");
        all.extend(faults(&path, &String::from_utf8_lossy(&bytes)));
        read += 1;
    }
    assert!(read > 500, "{read} files: this is not the repository");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn what_would_be_one_is_found() {
    // Put together here, so that this file holds none.
    let random = ["Tq7vXc2LmZ9aKd4R", "fB8sWn1YpEg6UhJo", "k3Jx0QzvR8m"].concat();
    let hexadecimal = ["8f3a1c5e7b9d2046", "f1e3a5c7092b4d6e"].concat();
    for (path, text) in [
        ("server/deploy/tls.pem", String::new()),
        ("docs/page.md", ["-----BEGIN EC ", "PRIVATE ", "KEY-----\nMHcCAQEE"].concat()),
        ("src/a.rs", format!("let key = \"rp_abcdefghijkl_{random}\";")),
        ("src/a.rs", format!("rpwh_{random}")),
        ("deploy/compose.yaml", format!("  ROOMPASS_MASTER_KEY: {hexadecimal}")),
        ("roompass.toml", format!("password = \"{random}\"")),
    ] {
        assert_eq!(faults(path, &text).len(), 1, "{path}: {text}");
    }
    let counted = "0123456789".repeat(5);
    for (path, text) in [
        ("src/a.rs", format!("rp_abcdefghijkl_{counted}")),
        ("src/a.rs", format!("rpwh_{}", "A".repeat(43))),
        ("roompass.toml", "file = \"/etc/roompass/master.key\"".to_owned()),
        ("roompass.toml", "key = \"/etc/roompass/a-long-name-of-tls-key-file\"".to_owned()),
        ("compose.yaml", "    POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?say one}".to_owned()),
        ("src/a.rs", format!("let digest = \"{hexadecimal}\";")),
    ] {
        assert_eq!(faults(path, &text), [""; 0], "{path}: {text}");
    }
}
