//! After a test run that kept its logs, and with them metrics, refusals and the files of stores: no secret is in any of
//! them. They are hundreds of megabytes, so `grep` looks through them, for all secrets at once; it names files, never
//! what it has found.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use roompass_tests::logs;

/// The shortest text that counts as a secret: shorter ones are found in anything.
const SHORTEST: usize = 20;
/// What has the shape of a token, the tag, the high bytes of an expiry, a long base64 text; or of a backend's or a
/// webhook's key: what it begins with, an id, a secret.
const SHAPES: &str = "0[34]AAAAA[A-Za-z0-9+/=]{51}|(rp_|rpwh_)[A-Za-z0-9_-]{40}";

/// What every file of the store begins with.
const STORE: &[u8] = b"SQLite format 3\0";

/// The files in `folder`, whatever is in them, but for the lists of secrets, in which `grep`, told `how`, finds one of `patterns`.
fn found(folder: &Path, how: &str, patterns: &str) -> Vec<String> {
    let mut grep = Command::new("grep");
    grep.args(["-r", "-l", "-a", "--exclude=*.secrets", how, "-f", "-"]).arg(folder).env("LC_ALL", "C");
    let mut grep = grep.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("grep is there");
    let mut stdin = grep.stdin.take().expect("it is piped");
    stdin.write_all(patterns.as_bytes()).expect("grep reads");
    drop(stdin);
    let output = grep.wait_with_output().expect("grep ends");
    // 1 is for nothing found.
    assert!(matches!(output.status.code(), Some(0 | 1)), "grep failed");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

// proves T16 (logs, metrics, refusals and stores of all tests that `make test` runs)
#[test]
fn no_secret_or_token_is_in_anything_that_was_kept() {
    let Some(folder) = logs::folder() else {
        // Not by a macro, whose words a test keeps to itself when all is well.
        let said = "log_scan: NOT RUN, since nothing was kept to look into: `make test` keeps it and runs this again\n";
        io::stderr().write_all(said.as_bytes()).expect("somebody listens");
        return;
    };
    let (mut secrets, mut bytes, mut stores, mut metrics) = (BTreeSet::new(), 0, 0, 0);
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("secrets") => {
                let noted = fs::read_to_string(&path).expect("it can be read");
                secrets.extend(noted.lines().filter(|secret| secret.len() >= SHORTEST).map(str::to_owned));
            }
            _ => {
                bytes += path.metadata().expect("it is there").len();
                let start = start_of(&path);
                stores += usize::from(start.starts_with(STORE));
                metrics += usize::from(String::from_utf8_lossy(&start).contains("# HELP roompass_"));
            }
        }
    }
    assert!(bytes > 100_000 && secrets.len() > 20, "{bytes} bytes, {} secrets: no whole run", secrets.len());
    let all = secrets.iter().fold(String::new(), |all, secret| all + secret + "\n");
    assert_eq!(found(&folder, "-F", &all), Vec::<String>::new(), "these hold a secret");
    assert_eq!(found(&folder, "-E", SHAPES), Vec::<String>::new(), "these hold what looks like a token or a key");
    println!(
        "{} MB, among them {stores} stores and the metrics of {metrics} servers, hold none of {} secrets, and nothing \
         that looks like one",
        bytes / 1_000_000,
        secrets.len()
    );
}

/// The first kilobytes of a file.
fn start_of(path: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    let file = fs::File::open(path).expect("it can be read");
    file.take(4096).read_to_end(&mut start).expect("it can be read");
    start
}

#[test]
fn what_is_looked_for_would_be_found() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (token, key) = (format!("04AAAAAGsETAAAED{}", "A".repeat(60)), format!("rp_Qm3vT8xYz0Ab_{}", "k".repeat(43)));
    let harmless = "04AAAAAGsETAAAED is cut, rp_Qm3vT8xYz0Ab has no secret";
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it can be written");
    write("clean.log", harmless);
    assert_eq!(found(folder.path(), "-E", SHAPES), Vec::<String>::new());
    write("token.log", &format!("login with {token} refused\n{harmless}"));
    write("key.log", &format!("by {key} here"));
    write("secret.log", "a line\nwith the-secret-of-somebody in it");
    assert_eq!(found(folder.path(), "-E", SHAPES).len(), 2);
    let secrets = found(folder.path(), "-F", "another-secret-of-somebody\nthe-secret-of-somebody\n");
    assert!(secrets.len() == 1 && secrets[0].ends_with("secret.log"), "{secrets:?}");
    let store = [STORE, &[0, 255, 0], b"the-secret-of-somebody", &[0, 10, 0]].concat();
    fs::write(folder.path().join("kept.db"), store).expect("it can be written");
    fs::write(folder.path().join("kept.secrets"), "the-secret-of-somebody\n").expect("it can be written");
    let secrets = found(folder.path(), "-F", "the-secret-of-somebody\n");
    assert!(secrets.len() == 2 && secrets.iter().any(|name| name.ends_with("kept.db")), "{secrets:?}");
}
