//! Images of the process's memory: that the system makes none, and what one holds of a secret that has ended.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::harness::{Installation, Server, eventually, http};

const SERVER_SECRET: &str = "Tq7vXc2LmZ9aKd4RfB8sWn1YpEg6UhJo";
const APP_SIGN: &str = "c3d1a9f07e5b48260d94b7e18f3a6c25719c4e0bd8a25f36e1470c9ab35d8f62";

// proves T18
#[test]
fn nothing_of_an_ended_secret_is_left_in_memory() {
    let installation = Installation::new();
    let private = |name: &str, text: &str| {
        let path = installation.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (secret, sign) = (private("secret", SERVER_SECRET), private("sign", APP_SIGN));
    let name = ["app", "import", "--name", "Shop", "--app-id", "77"];
    installation.operate(&[&name[..], &["--server-secret-file", &secret, "--app-sign-file", &sign]].concat());
    let key = installation.operate(&["key", "create", "--app-id", "77", "--right", "mint", "--right", "admin"]);
    let key = key["backend_key"].as_str().unwrap();

    let server = Server::serve(&installation.config());
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    let post = |path: &str, body: &serde_json::Value| {
        let answer = http(server.address, "POST", &format!("/v1/apps/77/{path}"), &headers, &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let mint = || {
        for _ in 0..100 {
            post("tokens", &json!({ "user_id": "u" }));
        }
    };
    mint();
    assert!(copies(&server, SERVER_SECRET) > 0, "the image shows what is there");
    post("secrets/rotate", &json!({ "overlap_secs": 0 }));
    post("app-sign/reset", &json!({ "overlap_secs": 0 }));
    mint();
    assert_eq!((copies(&server, SERVER_SECRET), copies(&server, APP_SIGN)), (0, 0));
}

// proves T16 (core files), C10
#[test]
fn a_server_that_dies_leaves_no_core_file() {
    let (installation, _) = Installation::new().with_app();
    let mut server = Server::started(as_a_group_of_its_own(&installation.serve()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{limit}");

    // Limits may be raised by somebody else. What the system shows of a process belongs to root where the process may
    // not be dumped, and to whoever runs it otherwise.
    let mut ordinary = Command::new("sleep");
    let mut ordinary = as_a_group_of_its_own(ordinary.arg("60")).spawn().unwrap();
    eventually(|| (owner(ordinary.id()) != 0).then_some(()));
    ordinary.kill().unwrap();
    ordinary.wait().unwrap();
    assert_eq!(owner(server.pid()), 0);

    server.signal("ABRT");
    let end = server.end();
    assert!(end.signal().is_some() && !end.core_dumped(), "{end:?}");
}

/// The same command, in a group that is not root's if we are root.
fn as_a_group_of_its_own(command: &Command) -> Command {
    if !is_root() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args()).env_clear();
        return same;
    }
    let mut grouped = Command::new("setpriv");
    grouped.env_clear().args(["--regid=65534", "--clear-groups"]).arg(command.get_program()).args(command.get_args());
    grouped
}

/// To whom the system says that a process belongs: its group if we are root, else its user.
fn owner(pid: u32) -> u32 {
    let shown = fs::metadata(format!("/proc/{pid}/stat")).unwrap();
    if is_root() { shown.gid() } else { shown.uid() }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// How often `text` is in the memory of `server`.
fn copies(server: &Server, text: &str) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let prefix = directory.path().join("image");
    let mut gcore = Command::new("gcore");
    let gcore = gcore.arg("-o").arg(&prefix).arg(server.pid().to_string());
    let made = gcore.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("gdb is installed: `.ci/setup test`");
    assert!(made.success());
    let image = format!("{}.{}", prefix.display(), server.pid());
    let found =
        Command::new("grep").args(["--text", "--only-matching", "--fixed-strings", text, &image]).output().unwrap();
    // It says 1 when it finds nothing.
    assert!(matches!(found.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8_lossy(&found.stdout).lines().count()
}
