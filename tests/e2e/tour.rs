//! The README's tour, word for word, against `roompass dev` as `make run` starts it. Only `cargo run` is replaced by what
//! it would have built.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use roompass_tests::{logs, program};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

const TOUR: &str = include_str!("../../server/src/cli/tour.sh");

/// The steps of the tour, without their comments.
fn steps() -> Vec<String> {
    let tour = TOUR
        .replace("cargo run -p token-gen --", &program("token-gen").display().to_string())
        .replace("cargo run -p roompass-sdk --example ", &format!("{}/", program("examples").display()))
        .replace("room_chat -- ", "room_chat ");
    assert!(!tour.contains("cargo"), "{tour}");
    let commands = |step: &str| step.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    tour.split("\n\n").map(commands).collect()
}

fn bash(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// A step that goes on until Ctrl-C.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(environment: &str, step: &str, folder: &Path) -> Self {
        let mut child = bash(&format!("{environment}\nexec {step}"), folder).spawn().expect("bash starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, lines }
    }

    /// Waits until it says this.
    async fn says(&mut self, words: &str) {
        let mut said = String::new();
        while let Some(line) = self.lines.next_line().await.expect("it can be read") {
            if line.contains(words) {
                return;
            }
            said += &format!("{line}\n");
        }
        panic!("it never said {words:?}, but: {said}");
    }

    async fn ctrl_c(&mut self) -> ExitStatus {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it runs");
        kill_process(pid, Signal::INT).expect("it is ours");
        self.child.wait().await.expect("it ends")
    }
}

#[tokio::test]
async fn the_tour_of_the_readme_works_word_for_word() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut dev = Command::new(program("roompass"));
    dev.args(["dev", "--listen", "127.0.0.1:0"]).current_dir(&folder).env("ROOMPASS_LOG_FILTER", "trace");
    dev.stdout(Stdio::piped()).stderr(logs::file().map_or_else(Stdio::null, Stdio::from)).kill_on_drop(true);
    let mut dev = dev.spawn().expect("it starts");
    let mut printed = BufReader::new(dev.stdout.take().expect("it is piped")).lines();
    while !printed.next_line().await.expect("it can be read").expect("a last line comes").starts_with("Ctrl-C") {}
    let key = std::fs::read_to_string(folder.path().join(".roompass/demo.key")).expect("it is kept");
    logs::note_secret(key.trim());

    let steps = steps();
    let [environment, mint, verify, join, renew, chat] = &steps[..] else { panic!("{} steps", steps.len()) };
    let run = bash(&format!("{environment}\n{mint}\n{verify}"), folder.path()).output().await.expect("bash starts");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    // The last of them explains a refusal, and ends like one.
    assert_eq!(run.status.code(), Some(2), "{text}{}", String::from_utf8_lossy(&run.stderr));
    assert!(text.contains("\"token_id\":") && text.contains("\"valid\":true"), "{text}");
    assert!(text.contains("room1") && text.contains("room2"), "{text}");

    let mut renewing = Running::start(environment, renew, folder.path());
    let mut joined = Running::start(environment, join, folder.path());
    joined.says("in room1 as alice; Ctrl-C leaves").await;
    joined.says("publishing alice-camera").await;
    assert!(joined.ctrl_c().await.success());
    converse(environment, chat, folder.path()).await;
    renewing.says("in room1 with a token of 20 s").await;
    renewing.says("renewed: good until").await;
    assert!(renewing.ctrl_c().await.success());
}

/// The step that wants a terminal: talks, publishes, renews and leaves by what its help says.
async fn converse(environment: &str, step: &str, folder: &Path) {
    let mut chat = Command::new("script");
    chat.args(["-qec", &format!("{environment}\nexec {step}"), "/dev/null"]).env("SHELL", "/bin/bash");
    chat.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut chat = chat.spawn().expect("`script` gives it a terminal");
    let (screen, keyboard) = (chat.stdout.take().expect("it is piped"), chat.stdin.take().expect("it is piped"));
    let mut terminal = Terminal { screen, keyboard, shown: Vec::new() };
    terminal.shows("/help lists commands").await;
    for (typed, shown) in [
        ("/help", "/switch ROOM"),
        ("hello, everybody", "<alice> hello, everybody"),
        ("/publish", "+ stream alice-camera"),
        ("/renew", "* the token is renewed"),
        ("/unpublish", "- stream alice-camera"),
        ("/dance", "! /dance is unknown"),
    ] {
        terminal.types(typed).await;
        terminal.shows(shown).await;
    }
    terminal.types("/leave").await;
    terminal.screen.read_to_end(&mut terminal.shown).await.expect("it can be read");
    let (ended, shown) = (chat.wait().await.expect("it ends"), terminal.text());
    assert!(ended.success() && shown.contains("left"), "{shown}");
}

/// A terminal with a program on it.
struct Terminal {
    screen: ChildStdout,
    keyboard: ChildStdin,
    /// Since something was typed last.
    shown: Vec<u8>,
}

impl Terminal {
    async fn types(&mut self, line: &str) {
        self.shown.clear();
        self.keyboard.write_all(format!("{line}\r").as_bytes()).await.expect("it reads");
    }

    /// Waits until it shows this.
    async fn shows(&mut self, words: &str) {
        while !self.text().contains(words) {
            let read = timeout(PATIENCE, self.screen.read_buf(&mut self.shown)).await;
            let read = read.unwrap_or_else(|_| panic!("{words:?} does not come: {}", self.text()));
            assert!(read.expect("it can be read") > 0, "{words:?} is not shown: {}", self.text());
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }
}
