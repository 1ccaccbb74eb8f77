//! How the first admin gets in: a link at the terminal where the server starts, and no trace of it anywhere else.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::harness::{Installation, Server, refusal, roompass};

/// `roompass serve` at a terminal of its own.
struct Terminal {
    script: std::process::Child,
    /// Everything that came to the terminal, up to the link or the line of the log that says the server is ready.
    lines: Vec<String>,
}

impl Terminal {
    /// Reads until a line has `last` in it.
    fn start(installation: &Installation, last: &str) -> Self {
        let (program, config) = (env!("CARGO_BIN_EXE_roompass"), installation.config());
        let serve = format!("exec '{program}' serve --listen 127.0.0.1:0 --config '{}'", config.display());
        let mut script = Command::new("script");
        let script = script.env_clear().env("ROOMPASS_LOG_FORMAT", "json").args(["-q", "-e", "-f", "-c", &serve]);
        let mut script = script.arg("/dev/null").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(script.stdout.take().unwrap()).lines().map(Result::unwrap) {
            lines.push(line);
            if lines.last().is_some_and(|line| line.contains(last)) {
                break;
            }
        }
        assert!(lines.last().is_some_and(|line| line.contains(last)), "{lines:?}");
        Self { script, lines }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let script = self.script.id();
        let server = fs::read_to_string(format!("/proc/{script}/task/{script}/children")).unwrap_or_default();
        // It may have ended already.
        let _ = Command::new("kill").arg(server.trim()).stderr(Stdio::null()).status();
        let _ = self.script.wait();
    }
}

// proves A10 (the first owner's code is printed locally)
#[test]
fn the_first_start_at_a_terminal_prints_a_link_that_no_log_has() {
    let (installation, _) = Installation::new().with_app();
    let terminal = Terminal::start(&installation, "/console/setup#");
    let link = terminal.lines.last().unwrap().trim();
    let (address, code) = link.split_once("/console/setup#").unwrap();
    assert!(address.starts_with("http://127.0.0.1:") && !address.ends_with(":0"), "{link}");
    assert!(code.len() >= 22, "{link}");
    let log: Vec<&String> = terminal.lines.iter().filter(|line| line.starts_with('{')).collect();
    assert!(log.iter().any(|line| line.contains("\"address\"")), "the log came to the terminal, too");
    assert!(!log.iter().any(|line| line.contains(code)));
    drop(terminal);

    // Where the output goes to a file, the link would stay in it.
    let server = Server::serve(&installation.config());
    let hint = server.log_line("nobody can sign in to the console yet");
    assert!(hint.contains("roompass admin setup-link") && !hint.contains("setup#"), "{hint}");
}

#[test]
fn a_link_names_a_port_that_can_be_opened() {
    let (installation, _) = Installation::new().with_app();
    let printed = installation.operate(&["admin", "setup-link"]);
    assert!(printed["setup_link"].as_str().unwrap().starts_with("http://127.0.0.1:8080/console/setup#"), "{printed}");

    let config = fs::read_to_string(installation.config()).unwrap();
    let with = |server: &str| fs::write(installation.config(), format!("{config}[server]\n{server}\n")).unwrap();
    with("listen = \"127.0.0.1:0\"");
    let config_path = installation.config();
    let mut setup_link = roompass(["admin", "setup-link", "--config", config_path.to_str().unwrap()]);
    let line = refusal(&mut setup_link);
    assert!(line.starts_with("server.public_url: must be set to print a link"), "{line}");
    with("listen = \"127.0.0.1:0\"\npublic_url = \"https://rooms.example.com\"");
    let printed = installation.operate(&["admin", "setup-link"]);
    assert!(printed["setup_link"].as_str().unwrap().starts_with("https://rooms.example.com/console/setup#"));
}
