//! Help, completions, wrong usage.

use crate::process::{APP, command, run};

#[test]
fn the_top_level_help() {
    let expected = "\
Mint, verify, inspect and explain room tokens (token04, token03, Kit Token)

Usage: token-gen <COMMAND>

Commands:
  mint         Mint a token, or one for each of many users
  verify       Check a token against the secret; exit 0 when it is valid, 2 when it is refused
  inspect      Show all that can be read without the secret, as an annotated byte map
  explain      Say exactly what is wrong with a token, and how to put it right
  kit          Mint, parse and verify Kit Tokens
  keygen       Make a new server secret or AppSign
  completions  Print a completion script for a shell
  help         Print this message or the help of the given subcommand(s)

Options:
  -h, --help     Print help
  -V, --version  Print version

A first round:
  token-gen keygen --out secret.txt
  token-gen mint --app-id 1234567890 --user-id alice --server-secret-file secret.txt > token.txt
  token-gen verify - --app-id 1234567890 --server-secret-file secret.txt < token.txt

The server secret comes from --server-secret-file FILE or the environment variable SERVER_SECRET,
never from an argument. Where both are there, the file counts.
Exit codes: 0 done or valid, 2 refused, 64 wrong usage (the message says the next step),
74 input or output failed.
Colours appear on a terminal only; NO_COLOR=1 turns them off.
";
    let help = run(&["--help"]);
    assert_eq!((help.code, help.stdout.as_str()), (Some(0), expected));
    assert_eq!(run(&["--version"]).line(), concat!("token-gen ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_has_examples_that_fit_the_page() {
    for command in ["mint", "verify", "inspect", "explain", "kit", "keygen", "completions"] {
        let help = run(&[command, "--help"]);
        assert_eq!(help.code, Some(0), "{command}");
        assert!(help.stdout.contains("\nExamples:\n  token-gen "), "{command}: {}", help.stdout);
        assert!(help.stdout.lines().all(|line| line.len() <= 100), "{command}: {}", help.stdout);
    }
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{shell}");
        assert!(script.stdout.contains("keygen") && script.stdout.contains("server-secret-file"), "{shell}");
    }
}

#[test]
fn wrong_usage_exits_64_and_says_the_next_step() {
    let secret_file = ["--server-secret-file", "/nonexistent/secret"];
    for (args, says) in [
        (&[][..], "Usage: token-gen <COMMAND>"),
        (&["frobnicate"], "--help"),
        (&["verify", "04x"], "--app-id <N>"),
        (&["verify", "-x", "--app-id", APP], "--"),
        (&["verify", "04x", "--app-id", "0"], "1 to 4294967295"),
        (&["verify", "04x", "--app-id", APP, "--accept", "all"], "none of gcm, cbc, 03, kit"),
        (&["verify", "04x", "--app-id", APP, "--at", "yesterday"], "--help"),
        (&["verify", "04x", "--app-id", APP, secret_file[0], secret_file[1]], "token-gen keygen --out FILE"),
        (&["mint", "--app-id", APP], "--user-id"),
        (&["mint", "--app-id", APP, "--user-id", "用户"], "may not hold the character"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--privilege", "login"], "Add --room-id R, or --any-room"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--stream-id", "s"], "Add --room-id R, or --any-room"),
        (
            &["mint", "--app-id", APP, "--user-id", "a", "--room-id", "r", "--privilege", "login", "--stream-id", "s"],
            "Add --privilege publish",
        ),
        (&["mint", "--app-id", APP, "--user-id", "a", "--privilege", "play"], "login or publish"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--payload", "x", "--room-id", "r"], "cannot be used with"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--payload", "@/nonexistent"], "Name a readable file"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--ttl", "25days"], "--ttl 1h10m"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--ttl", "0"], "--ttl 1h10m"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--ttl", "1500ms"], "whole seconds"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--ttl", "soon"], "give seconds"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--format", "03"], "With --format 03"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--format", "03", "--cipher", "gcm"], "Leave --format out"),
        (&["mint", "--app-id", APP, "--user-id", "a", "--users", "f"], "cannot be used with"),
        (&["mint", "--app-id", APP, "--user-prefix", "u"], "--count <N>"),
        (&["mint", "--app-id", APP, "--users", "/nonexistent"], "Name a readable file"),
    ] {
        let run = run(args);
        assert_eq!(run.code, Some(64), "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{args:?}");
        assert!(run.stderr.contains(says), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn bad_secrets_are_refused_without_showing_them() {
    for (secret, says) in [
        ("", "32 characters"),
        ("short", "exactly 32 bytes, not 5"),
        (" aaaabbbbccccddddeeeeffffgggghhhh", "white space around it"),
        (&"0123456789abcdef".repeat(4), "are an AppSign"),
    ] {
        let output = command(&["mint", "--app-id", APP, "--user-id", "a"]).env("SERVER_SECRET", secret).output();
        let output = output.expect("the binary runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
        assert!(secret.is_empty() || !stderr.contains(secret.trim()), "{stderr}");
    }
    let output = command(&["mint", "--app-id", APP, "--user-id", "a"]).env_remove("SERVER_SECRET").output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Add --server-secret-file FILE, or set SERVER_SECRET"));
}

#[test]
fn colours_come_only_when_forced_into_a_pipe() {
    let output = command(&["inspect", "04"]).env("CLICOLOR_FORCE", "1").output().expect("the binary runs");
    assert!(output.stdout.contains(&b'\x1b'));
    // Without it there are none, as every other run checks.
    assert_eq!(run(&["inspect", "04"]).code, Some(0));
}
