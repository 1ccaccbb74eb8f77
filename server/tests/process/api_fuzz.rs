//! The description of the API against the running server: schemathesis sends what it allows and what it forbids, and
//! every answer must be one that it names.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::harness::{Installation, Server};

/// How many requests for each operation and phase, unless the environment says otherwise.
const EXAMPLES: &str = "20";

struct Run {
    output: Output,
    report: Value,
}

/// `arguments` on the description of `server`.
#[expect(clippy::disallowed_methods, reason = "tests are told their tools by the environment")]
fn schemathesis(server: &Server, arguments: &[&str]) -> Run {
    let python = env::var("ROOMPASS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let examples = env::var("ROOMPASS_FUZZ_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let seed = env::var("ROOMPASS_FUZZ_SEED").unwrap_or_else(|_| "1".to_owned());
    let directory = tempfile::tempdir().unwrap();
    let (document, report) = (directory.path().join("openapi.json"), directory.path().join("report.json"));
    fs::write(&document, server.get("/openapi.json").body.to_string()).unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis.toml");
    let output = Command::new(python)
        .current_dir(directory.path())
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(config)
        .arg("run")
        .arg(&document)
        .args(["--url", &format!("http://{}", server.address), "--no-color", "--checks", "all"])
        // The same requests each run, unless told otherwise: a change shall fail for its own faults only.
        .args(["--seed", &seed, "--max-examples", &examples, "--report", "json", "--report-json-path"])
        .arg(&report)
        .args(arguments)
        .output()
        .expect(
            "install Python 3 with the package `schemathesis`, or name an interpreter that has it in ROOMPASS_PYTHON",
        );
    let report = fs::read(&report).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    Run { report: serde_json::from_slice(&report).unwrap(), output }
}

fn check(server: &Server, arguments: &[&str]) {
    let run = schemathesis(server, arguments);
    let text = String::from_utf8_lossy(&run.output.stdout);
    assert!(run.output.status.success(), "{text}");
    let document = server.get("/openapi.json").body;
    let paths = document["paths"].as_object().unwrap();
    let described: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(run.report["operations"]["tested"], described, "{text}");
    assert_eq!(run.report["operations"]["errored"], 0, "{text}");
    assert_eq!(run.report["test_cases"]["errored"], 0, "{text}");
}

/// A server for app 77 that is not offended by wrong credentials, and a key with every right.
fn start() -> (Installation, Server, String) {
    let installation = Installation::new();
    let config = fs::read_to_string(installation.config()).unwrap();
    fs::write(installation.config(), config + "[limits]\nguesses_per_minute = 1000000\n").unwrap();
    let (installation, _) = installation.with_app();
    let rights = ["mint", "introspect", "explain", "revoke", "read", "admin"].map(|right| ["--right", right]);
    let key = installation.operate(&[&["key", "create", "--app-id", "77"], &rights.concat()[..]].concat());
    let server = Server::serve(&installation.config());
    (installation, server, key["backend_key"].as_str().unwrap().to_owned())
}

// proves T21 (no field or answer beyond the description)
#[test]
fn every_answer_to_a_known_caller_is_described() {
    let (_installation, server, key) = start();
    check(&server, &["--header", &format!("Authorization: Bearer {key}")]);
}

// proves T19 (every operation)
#[test]
fn every_answer_to_a_stranger_is_described() {
    let (_installation, server, _) = start();
    check(&server, &["--phases", "coverage"]);
    check(&server, &["--header", "Authorization: Bearer rp_unknown_key", "--phases", "coverage"]);
}
