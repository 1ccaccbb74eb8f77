//! `roompass config` and the rest of the command line.

use std::fs;

use crate::harness::{Installation, output, refusal, roompass};

fn text(arguments: &[&str]) -> String {
    let output = output(arguments.iter().copied());
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_configuration_is_printed_and_checked() {
    let installation = Installation::new();
    let config = installation.config();
    let config = config.to_str().unwrap();
    assert_eq!(text(&["config", "check", "--config", config]), "the configuration is sound\n");
    assert!(!installation.path("roompass.db").exists());

    // What is printed as the default lacks only what has no default.
    fs::write(installation.config(), text(&["config", "default"])).unwrap();
    let line = refusal(&mut roompass(["config", "check", "--config", config]));
    assert!(line.starts_with("store.url: is needed"), "{line}");
    assert!(text(&["config", "docs"]).contains("`ROOMPASS_SERVER_PUBLIC_URL`"));

    fs::remove_file(installation.config()).unwrap();
    let line = refusal(&mut roompass(["config", "check", "--config", config]));
    assert!(line.contains("roompass.toml: No such file"), "{line}");
}

#[test]
fn help_leads_from_nothing_to_production() {
    let help = text(&["--help"]);
    for step in ["openssl rand -hex 32", "config default", "app create", "key create", "serve --config"] {
        assert!(help.contains(step), "{step}");
    }
    assert!(text(&["completions", "bash"]).contains("roompass"));
}

#[test]
fn wrong_values_on_the_command_line_are_named() {
    let installation = Installation::new();
    let config = installation.config();
    let config = config.to_str().unwrap();
    let create = |arguments: &[&str]| refusal(roompass(["app", "create", "--config", config]).args(arguments));
    assert!(create(&["--name", ""]).starts_with("name: "));
    assert!(create(&["--name", "x", "--max-ttl", "25d"]).starts_with("max_ttl_secs: "));
    let line = refusal(&mut roompass(["key", "create", "--config", config, "--app-id", "5"]));
    assert_eq!(line, "there is no app 5");
    let line = refusal(&mut roompass(["app", "show", "5", "--config", config]));
    assert_eq!(line, "there is no app 5");
    // Usage is clap's to refuse.
    assert_eq!(output(["app", "create", "--config", config, "--name", "x", "--mode", "y"]).status.code(), Some(2));
}
