//! `keygen`, and the files that secrets live in.

use std::fs;

use crate::process::{APP, command, file, finish, new_path, run};

#[test]
fn new_secrets_have_their_form_and_differ() {
    let [first, second] = [run(&["keygen"]), run(&["keygen"])];
    assert!(first.line().len() == 32 && first.line().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_ne!(first.line(), second.line());
    let sign = run(&["keygen", "--app-sign", "--json"]).json();
    assert_eq!(sign["app_sign"].as_str().map(str::len), Some(64));
    assert_eq!(run(&["keygen", "--json"]).json()["server_secret"].as_str().map(str::len), Some(32));
}

#[test]
fn a_written_secret_is_usable_at_once_and_never_overwritten() {
    let path = new_path("secret.txt");
    let path = path.to_string_lossy();
    let written = run(&["keygen", "--out", &path]);
    assert_eq!((written.code, written.stdout.as_str()), (Some(0), ""), "{}", written.stderr);
    let secret = fs::read_to_string(&*path).expect("it was written");
    assert_eq!(secret.len(), 33);
    assert!(!written.stderr.contains(secret.trim()));

    let again = run(&["keygen", "--out", &path]);
    assert_eq!(again.code, Some(64));
    assert_eq!(fs::read_to_string(&*path).expect("it is still there"), secret);

    // The file counts, also where the environment holds another secret.
    let token = run(&["mint", "--app-id", APP, "--user-id", "alice", "--server-secret-file", &path]);
    assert_eq!((token.code, token.stderr.as_str()), (Some(0), ""));
    let verify = ["verify", token.line(), "--app-id", APP, "--server-secret-file", &path];
    assert_eq!(run(&verify).code, Some(0));
    assert_eq!(run(&verify[..4]).code, Some(2));
    let unset = finish(command(&verify).env_remove("SERVER_SECRET").output().expect("the binary runs"));
    assert_eq!(unset.code, Some(0));
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;

    let path = file("open.txt", "aaaabbbbccccddddeeeeffffgggghhhh\r\n");
    let mint = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        run(&["mint", "--app-id", APP, "--user-id", "a", "--server-secret-file", &path.to_string_lossy()])
    };
    let open = mint(0o644);
    assert_eq!(open.code, Some(0), "{}", open.stderr);
    assert!(open.stderr.contains("chmod 600"), "{}", open.stderr);
    assert_eq!(mint(0o600).stderr, "");

    let written = new_path("mode.txt");
    run(&["keygen", "--out", &written.to_string_lossy()]);
    assert_eq!(fs::metadata(&written).expect("it was written").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_secret_that_some_generators_cannot_use_is_warned_about() {
    let output = command(&["mint", "--app-id", APP, "--user-id", "a"]).env("SERVER_SECRET", "é".repeat(16)).output();
    let run = finish(output.expect("the binary runs"));
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.contains("not plain ASCII"), "{}", run.stderr);
}
