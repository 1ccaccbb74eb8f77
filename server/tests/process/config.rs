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
    assert_eq!(line, "there is no app 5: `roompass app list` has all");
    let line = refusal(&mut roompass(["app", "show", "5", "--config", config]));
    assert_eq!(line, "there is no app 5: `roompass app list` has all");
    let line = refusal(&mut roompass(["key", "list", "--config", config, "--app-id", "5"]));
    assert_eq!(line, "there is no app 5: `roompass app list` has all");
    // Usage is clap's to refuse.
    assert_eq!(output(["app", "create", "--config", config, "--name", "x", "--mode", "y"]).status.code(), Some(2));
}

#[test]
fn only_the_first_app_makes_the_store() {
    let installation = Installation::new();
    let config = installation.config();
    let config = config.to_str().unwrap();
    for look in [&["app", "list"][..], &["app", "show", "5"], &["key", "list", "--app-id", "5"]] {
        let line = refusal(roompass(look.iter().copied()).args(["--config", config]));
        assert!(line.ends_with("does not exist: `roompass app create` makes it"), "{line}");
    }
    let print = |arguments: &[&str]| {
        let printed = roompass(arguments.iter().copied()).args(["--config", config]).output().unwrap();
        assert!(printed.status.success(), "{printed:?}");
        String::from_utf8(printed.stdout).unwrap()
    };
    let next = format!("  roompass key create --config {config} --app-id 7\n");
    assert!(print(&["app", "create", "--name", "Shop", "--app-id", "7"]).ends_with(&next));
    assert!(print(&["key", "list", "--app-id", "7"]).starts_with("no keys yet: roompass key create --config "));
    let scope = ["--right", "mint,read", "--room-prefix", "class-", "--privilege", "login", "--max-ttl", "10m"];
    print(&[&["key", "create", "--app-id", "7", "--name", "school"], &scope[..]].concat());
    let listed = print(&["key", "list", "--app-id", "7"]);
    let reach = "  school  may mint, read; rooms class-*, login; tokens up to 10m; never used\n";
    assert!(listed.ends_with(reach), "{listed}");
}
