//! Whether a dependency is known to be bad: judged by cargo-deny with `.deny.toml`, and by cargo-audit with a dated copy
//! of the advisory database, which `ROOMPASS_ADVISORY_DB` names if it is neither beside the checkout nor where
//! `.ci/setup test` puts it. Both are installed by that. Nothing is fetched here.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// A lock file with a crate that has a known flaw and no fix.
const FLAWED: &str = r#"version = 4

[[package]]
name = "planted"
version = "0.0.0"
dependencies = ["rsa"]

[[package]]
name = "rsa"
version = "0.9.6"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "5d0e5124fcb30e76a7e79bfee683a2746db83784b86289f6251b54b7950a0dfc"
"#;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "what there is to judge by is for whoever runs the tests")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// What a tool says of the workspace, and whether it is content.
fn judge(tool: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("cargo").arg(tool).args(arguments).current_dir(root()).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!said.contains("no such command"), "cargo-{tool} is installed: run `.ci/setup test`");
    (output.status.success(), said)
}

// proves T65
#[test]
fn no_dependency_breaks_the_rules_and_a_planted_one_is_found() {
    let rules = ["--offline", "--locked", "check"];
    let (content, said) = judge("deny", &[&rules[..], &["bans", "licenses", "sources"]].concat());
    assert!(content, "{said}");

    let folder = tempfile::tempdir().expect("a folder can be made");
    let planted = folder.path().join("deny.toml");
    let text = fs::read_to_string(root().join(".deny.toml")).expect("it can be read");
    let ban = "deny = [\n    { crate = \"serde\", reason = \"planted\" },";
    fs::write(&planted, text.replacen("deny = [", ban, 1)).expect("it can be written");
    let planted = planted.to_str().expect("it is text");
    let (content, said) = judge("deny", &[&["--config", planted][..], &rules, &["bans"]].concat());
    assert!(!content && said.contains("planted"), "{said}");
}

// proves T65
#[test]
fn no_dependency_has_a_known_flaw_and_a_planted_one_is_found() {
    let places = ["../shared/data/advisory-db", "target/advisory-db"].map(|place| root().join(place));
    let [beside, fetched] = places;
    let found = if beside.exists() { beside } else { fetched };
    let database = variable("ROOMPASS_ADVISORY_DB").map_or(found, PathBuf::from);
    if !database.exists() {
        // A machine that reaches package registries alone has none. Past the capture of what tests print.
        let _ = writeln!(
            io::stderr(),
            "NOT RUN: there is no copy of the RustSec advisory database at {}, so known flaws of dependencies are not \
             looked for; name one in ROOMPASS_ADVISORY_DB",
            database.display()
        );
        return;
    }
    let database = database.to_str().expect("it is text");
    let strictly = ["--db", database, "--no-fetch", "--stale", "--deny", "warnings"];
    let (content, said) = judge("audit", &strictly);
    assert!(content, "{said}");

    let folder = tempfile::tempdir().expect("a folder can be made");
    let lock = folder.path().join("Cargo.lock");
    fs::write(&lock, FLAWED).expect("it can be written");
    let (content, said) = judge("audit", &[&strictly[..], &["--file", lock.to_str().expect("it is text")]].concat());
    assert!(!content && said.contains("RUSTSEC-2023-0071"), "{said}");
}
