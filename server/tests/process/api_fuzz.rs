//! The description of the API against the running server: schemathesis sends what it allows and what it forbids, and
//! every answer must be one that it names.

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::{Command, Output},
};

use roompass_wire::{
    gateway::{WHEP_PATH, WHIP_PATH},
    http::{
        CSRF_HEADER, PASSWORD_PATH, RE_AUTHENTICATE_PATH, SETUP_BEGIN_PATH, SETUP_PATH, SIGN_IN_PATH, SIGN_OUT_PATH,
    },
};
use serde_json::{Value, json};
use totp_rs::{Algorithm, Builder, Secret};

use crate::harness::{Installation, Server, eventually, http};

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
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let config = tests.join("schemathesis.toml");
    let output = Command::new(python)
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env("PYTHONPATH", &tests)
        .env("PYTHONDONTWRITEBYTECODE", "1")
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

/// Operations that never answered anything but that the caller is not known or may not.
type Unreached = BTreeSet<String>;

fn check(server: &Server, arguments: &[&str]) -> Unreached {
    check_those(server, arguments, |_, _| true)
}

/// The same where `arguments` choose the operations that `are_meant`, by path and description.
fn check_those(server: &Server, arguments: &[&str], are_meant: impl Fn(&str, &Value) -> bool) -> Unreached {
    let run = schemathesis(server, arguments);
    let text = String::from_utf8_lossy(&run.output.stdout);
    assert!(run.output.status.success(), "{text}{}", String::from_utf8_lossy(&run.output.stderr));
    let document = server.get("/openapi.json").body;
    let paths = document["paths"].as_object().unwrap();
    let operations =
        paths.iter().flat_map(|(path, methods)| methods.as_object().unwrap().values().map(move |one| (path, one)));
    let meant = operations.filter(|(path, operation)| are_meant(path, operation)).count();
    assert!(meant > 0 && run.report["operations"]["tested"] == meant, "not {meant}: {text}");
    assert_eq!(run.report["operations"]["errored"], 0, "{text}");
    assert_eq!(run.report["test_cases"]["errored"], 0, "{text}");
    let unreached = run.report["warnings"]["missing_auth"].as_array().unwrap();
    unreached.iter().map(|operation| operation.as_str().unwrap().to_owned()).collect()
}

/// A server for app 77 that is not offended by wrong credentials, and a key with every right.
fn start() -> (Installation, Server, String) {
    let installation = Installation::new();
    let config = fs::read_to_string(installation.config()).unwrap();
    fs::write(installation.config(), config + "[limits]\nguesses_per_minute = 1000000\n").unwrap();
    let (installation, _) = installation.with_app();
    let rights =
        ["mint", "introspect", "explain", "revoke", "read", "admin", "operate"].map(|right| ["--right", right]);
    let key = installation.operate(&[&["key", "create", "--app-id", "77"], &rights.concat()[..]].concat());
    let server = Server::serve(&installation.config());
    (installation, server, key["backend_key"].as_str().unwrap().to_owned())
}

// proves T21 (no field or answer beyond the description)
#[test]
fn every_answer_to_a_known_caller_is_described_and_every_operation_is_reached() {
    let (installation, server, key) = start();
    let by_key = check(&server, &["--header", &format!("Authorization: Bearer {key}")]);
    let operator = installation.operate(&["key", "create", "--operator"]);
    server.signal("HUP");
    let operator = format!("Authorization: Bearer {}", operator["backend_key"].as_str().unwrap());
    eventually(|| {
        let answer = http(server.address, "GET", "/v1/apps", &format!("{operator}\r\n"), "");
        (answer.status == 200).then_some(())
    });
    let by_operator = check(&server, &["--header", &operator, "--phases", "examples,coverage"]);
    // Whoever signs out or has a new password is nobody from then on, and the rest would not be reached.
    let session = Session::of_first_owner(&installation, &server);
    let ends = [PASSWORD_PATH, SIGN_OUT_PATH];
    let rest = ["--include-tag", "Admins", "--exclude-path", PASSWORD_PATH, "--exclude-path", SIGN_OUT_PATH];
    let is_of_admins = |path: &str, operation: &Value| operation["tags"][0] == "Admins" && !ends.contains(&path);
    let by_session = check_those(&server, &session.arguments(&rest), is_of_admins);

    let nobody = by_key
        .iter()
        .filter(|one| by_operator.contains(*one) && (by_session.contains(*one) || !one.contains("/v1/admin/")));
    // What proves somebody refuses all that is not right, in the same way, and a session ends; other tests do it right.
    let proofs = [SETUP_PATH, SETUP_BEGIN_PATH, SIGN_IN_PATH, RE_AUTHENTICATE_PATH, PASSWORD_PATH, SIGN_OUT_PATH];
    // And a room token is no key: what comes of one takes a WebRTC client.
    let proofs = proofs.into_iter().chain([WHIP_PATH, WHEP_PATH]);
    let proofs: Vec<String> = proofs.map(|path| format!("POST {path}")).collect();
    let nobody: Vec<&String> = nobody.filter(|one| !proofs.contains(one)).collect();
    assert!(nobody.is_empty(), "never reached: {nobody:?}");
}

/// An admin who is signed in, as a browser shows it.
struct Session {
    headers: Vec<String>,
}

impl Session {
    fn of_first_owner(installation: &Installation, server: &Server) -> Self {
        let origin = format!("http://{}", server.address);
        let post = |path: &str, body: &Value| {
            let headers = format!("Origin: {origin}\r\nContent-Type: application/json\r\n");
            let answer = http(server.address, "POST", path, &headers, &body.to_string());
            assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
            answer
        };
        let code = installation.operate(&["admin", "setup-link"])["setup_code"].clone();
        let enrolment = post(SETUP_BEGIN_PATH, &json!({ "code": code })).body;
        let secret = Secret::try_from_base32(enrolment["totp_secret"].as_str().unwrap()).unwrap();
        let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
        let totp = totp.with_secret(secret).build_noncompliant();
        let now = enrolment["server_time"].as_u64().unwrap();
        let body = json!({
            "code": code, "name": "owner", "password": "a long and private phrase",
            "enrolment": enrolment["enrolment"], "totp": totp.generate(now).to_string(),
        });
        let answer = post(SETUP_PATH, &body);
        let cookie = answer.raw_head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        let csrf_token = answer.body["csrf_token"].as_str().unwrap();
        let cookie = cookie.split(';').next().unwrap();
        let headers =
            vec![format!("Cookie: {cookie}"), format!("Origin: {origin}"), format!("{CSRF_HEADER}: {csrf_token}")];
        Self { headers }
    }

    /// With `more`. The description gives the cookie the name that it has over TLS, so for schemathesis nobody is
    /// signed in here: whether that is refused, and what is refused with it, is for other runs.
    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let headers = self.headers.iter().flat_map(|header| ["--header", header]);
        let checks = ["--exclude-checks", "ignored_auth,negative_data_rejection,positive_data_acceptance"];
        headers.chain(checks).chain(["--phases", "examples,coverage"]).chain(more.iter().copied()).collect()
    }
}

// proves T19 (every operation)
#[test]
fn every_answer_to_a_stranger_is_described() {
    let (_installation, server, _) = start();
    check(&server, &["--phases", "coverage"]);
    check(&server, &["--header", "Authorization: Bearer rp_unknown_key", "--phases", "coverage"]);
}
