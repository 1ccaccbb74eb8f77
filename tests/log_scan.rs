//! After a test run that kept its logs: no secret is in any of them.

use std::{collections::BTreeSet, fs};

use roompass_tests::logs;

/// The shortest text that counts as a secret: shorter ones are found in anything.
const SHORTEST: usize = 20;

#[test]
fn no_secret_or_token_is_in_any_log_line() {
    let Some(folder) = logs::folder() else {
        println!("no logs were kept: set ROOMPASS_TEST_LOGS, as `make test` does");
        return;
    };
    let (mut secrets, mut texts) = (BTreeSet::new(), Vec::new());
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let text = String::from_utf8_lossy(&fs::read(&path).expect("it can be read")).into_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("secrets") => secrets.extend(text.lines().map(str::to_owned)),
            Some("log") => texts.push((path, text)),
            _ => {}
        }
    }
    let lines: usize = texts.iter().map(|(_, text)| text.lines().count()).sum();
    assert!(lines > 200 && secrets.len() > 20, "{lines} lines, {} secrets: this was no whole run", secrets.len());
    for (path, text) in &texts {
        for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
            assert!(!text.contains(&**secret), "{} holds a secret that begins {:.4}", path.display(), secret);
        }
        for (number, line) in text.lines().enumerate() {
            assert!(!holds_a_token(line), "{}:{} holds a token", path.display(), number + 1);
            assert!(!holds_a_key(line), "{}:{} holds a backend key", path.display(), number + 1);
        }
    }
    println!("{lines} log lines hold none of {} secrets, and nothing that looks like a token", secrets.len());
}

/// Whether something in `line` has the shape of a token: the tag, the high bytes of an expiry, a long base64 text.
fn holds_a_token(line: &str) -> bool {
    ["04AAAAA", "03AAAAA"].iter().flat_map(|head| line.match_indices(head)).any(|(at, _)| {
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        line[at..].bytes().take_while(|byte| base64(byte)).count() >= 58
    })
}

/// Whether something in `line` has the shape of a backend's or a webhook's key: what it begins with, an id, a secret.
fn holds_a_key(line: &str) -> bool {
    ["rp_", "rpwh_"].iter().flat_map(|head| line.match_indices(head)).any(|(at, head)| {
        let key = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
        line[at + head.len()..].bytes().take_while(|byte| key(byte)).count() >= 40
    })
}

#[test]
fn what_is_looked_for_would_be_found() {
    let token = format!("04AAAAAGsETAAAED{}", "A".repeat(60));
    assert!(holds_a_token(&format!("login with {token} refused")));
    assert!(!holds_a_token("04AAAAAGsETAAAED is cut"));
    assert!(holds_a_key(&format!("by rp_Qm3vT8xYz0Ab_{} here", "k".repeat(43))));
    assert!(!holds_a_key("by rp_Qm3vT8xYz0Ab here"));
}
