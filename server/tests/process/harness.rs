//! Starts `roompass`, talks HTTP to it by hand, and ends it.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::kept;

/// Far beyond what anything here takes; a test that needs it has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// `roompass` with an environment of its own.
pub(crate) fn roompass<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roompass"));
    command.args(arguments).env_clear();
    command
}

/// Runs to the end.
pub(crate) fn output<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Output {
    roompass(arguments).output().unwrap()
}

/// Runs to the end, which must be a failure with one line on standard error. Returns the line.
pub(crate) fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty());
    assert_eq!(text.lines().count(), 1, "{text}");
    text.strip_prefix("roompass: ").unwrap().trim_end().to_owned()
}

/// A server process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// The first line that said it was ready.
    pub(crate) ready: Value,
    pub(crate) address: SocketAddr,
    /// What a server started by [`Server::serve`] has logged since.
    log: Arc<Mutex<String>>,
}

impl Server {
    /// `roompass dev --json` on a free port.
    pub(crate) fn dev(arguments: &[&str]) -> Self {
        let mut command = roompass(["dev", "--json", "--listen", "127.0.0.1:0"]);
        let log = kept::log().map_or_else(Stdio::null, Stdio::from);
        command.env("ROOMPASS_LOG_FILTER", "trace");
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        note_secrets(&ready);
        let address = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        Self { child, ready, address, log: Arc::default() }
    }

    /// What `roompass dev` tells people, up to its last line.
    pub(crate) fn dev_for_people(data_dir: &str) -> String {
        let mut command = roompass(["dev", "--listen", "127.0.0.1:0", "--data-dir", data_dir]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let tour: Vec<String> = lines.take_while(|line| !line.starts_with("Ctrl-C")).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        tour.join("\n")
    }

    /// `roompass serve` on a free port.
    pub(crate) fn serve(config: &Path) -> Self {
        let mut command = roompass(["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(config);
        Self::started(command)
    }

    /// The same, which goes on when it may not write: then it is told so by the system, and not ended.
    pub(crate) fn serve_with_a_limit(config: &Path) -> Self {
        let mut command = Command::new("sh");
        let serve = r#"trap "" XFSZ; exec "$0" serve --listen 127.0.0.1:0 --config "$1""#;
        command.env_clear().args(["-c", serve, env!("CARGO_BIN_EXE_roompass")]).arg(config);
        Self::started(command)
    }

    /// From now on no file of the process may be longer.
    pub(crate) fn limit_files(&self, bytes: &str) {
        let (pid, limit) = (format!("--pid={}", self.child.id()), format!("--fsize={bytes}:unlimited"));
        assert!(Command::new("prlimit").args([pid, limit]).status().unwrap().success());
    }

    /// The same, which logs what its configuration says, and no more in any run.
    pub(crate) fn serve_by_its_filter(config: &Path) -> Self {
        let mut command = roompass(["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(config);
        Self::run(command, None)
    }

    /// The server that `command`, a `roompass serve`, starts.
    pub(crate) fn started(mut command: Command) -> Self {
        let whole = kept::log();
        if whole.is_some() {
            command.env("ROOMPASS_LOG_FILTER", "trace").env("ROOMPASS_METRICS_LISTEN", "127.0.0.1:0");
        }
        Self::run(command, whole)
    }

    /// Starts it, with `whole` for everything it logs, of which the tests see what an operator would.
    fn run(mut command: Command, mut whole: Option<fs::File>) -> Self {
        command.env("ROOMPASS_LOG_FORMAT", "json");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut log = lines.filter(move |line| {
            let Some(whole) = &mut whole else { return true };
            writeln!(whole, "{line}").unwrap();
            !["TRACE", "DEBUG"].iter().any(|level| line.contains(&format!("\"level\":\"{level}\"")))
        });
        let line = log.next().unwrap_or_default();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        let address = ready["address"].as_str().unwrap().parse().unwrap();
        // Keeps the pipe from filling up.
        let kept = Arc::new(Mutex::new(String::new()));
        let keeper = Arc::clone(&kept);
        std::thread::spawn(move || {
            for line in log {
                keeper.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, ready, address, log: kept }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Does `act`, and waits for a line with `words` in the log. Returns the line.
    pub(crate) fn log_of(&self, act: impl FnOnce(), words: &str) -> String {
        let before = self.log.lock().unwrap().len();
        act();
        eventually(|| self.log.lock().unwrap()[before..].lines().find(|line| line.contains(words)).map(str::to_owned))
    }

    /// Waits for a line with `words` in the log so far or from now on.
    pub(crate) fn log_line(&self, words: &str) -> String {
        eventually(|| self.log.lock().unwrap().lines().find(|line| line.contains(words)).map(str::to_owned))
    }

    /// The listener for whoever watches, of a server that has one.
    pub(crate) fn watcher(&self) -> SocketAddr {
        let line = self.log_line("metrics are at");
        serde_json::from_str::<Value>(&line).unwrap()["address"].as_str().unwrap().parse().unwrap()
    }

    /// Processor time used so far.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// How long its threads have been ready to run, and something else had the processors.
    pub(crate) fn queued(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let of_thread =
            |stat: String| stat.split_whitespace().nth(1).unwrap().parse().map(Duration::from_nanos).unwrap();
        // One that has just ended is not there any more.
        threads
            .filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("schedstat")).ok())
            .map(of_thread)
            .sum()
    }

    /// What it says of itself, where this run keeps anything and the server still lives.
    fn keep_metrics(&self) {
        let said = self.log.lock().map(|log| log.clone()).unwrap_or_default();
        let Some(line) = said.lines().find(|line| line.contains("metrics are at")) else { return };
        let address = serde_json::from_str::<Value>(line).ok().and_then(|line| line["address"].as_str()?.parse().ok());
        let Some(mut stream) = address.and_then(|address: SocketAddr| TcpStream::connect(address).ok()) else { return };
        let Some(mut kept) = kept::log() else { return };
        // A server that is stopped, in both senses, says nothing.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let _ = io::copy(&mut stream, &mut kept);
    }

    /// Waits for the end.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.end().code()
    }

    /// Waits for the end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        eventually(|| self.child.try_wait().unwrap())
    }

    /// Mints as the demo app's backend.
    pub(crate) fn mint(&self, body: &Value) -> Answer {
        self.mint_with(self.ready["backend_key"].as_str().unwrap(), &self.ready["app_id"].to_string(), body)
    }

    pub(crate) fn mint_with(&self, key: &str, app_id: &str, body: &Value) -> Answer {
        let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
        http(self.address, "POST", &format!("/v1/apps/{app_id}/tokens"), &headers, &body.to_string())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http(self.address, "GET", path, "", "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.keep_metrics();
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Notes what of a command's answer no log may hold.
fn note_secrets(answer: &Value) {
    for name in ["app_sign", "server_secret", "backend_key", "setup_code", "signing_key"] {
        answer[name].as_str().into_iter().for_each(kept::note_secret);
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// As it came.
    pub(crate) raw_head: String,
    pub(crate) body: Value,
}

/// One request on a connection of its own.
pub(crate) fn http(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).unwrap();
    read_answer(stream)
}

/// A body that is no JSON.
pub(crate) fn text(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    body.to_owned()
}

/// Reads until the server closes.
pub(crate) fn read_answer(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status >= 400 {
        keep_refusal(&text);
    }
    let (raw_head, head) = (head.to_owned(), head.to_lowercase());
    Answer { status, head, raw_head, body: serde_json::from_str(body).unwrap_or(Value::Null) }
}

/// Keeps an answer that gives nothing out, if this run keeps anything: nothing may be in it that was given out before.
fn keep_refusal(answer: &str) {
    static KEPT: OnceLock<Option<Mutex<fs::File>>> = OnceLock::new();
    let Some(kept) = KEPT.get_or_init(|| kept::log().map(Mutex::new)) else { return };
    writeln!(kept.lock().unwrap(), "{answer}").unwrap();
}

/// Waits for a state.
pub(crate) fn eventually<T>(mut state: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(state) = state() {
            return state;
        }
        assert!(start.elapsed() < DEADLINE, "the state never came");
        std::thread::yield_now();
    }
}

/// A configuration with everything it needs, in a directory of its own.
pub(crate) struct Installation {
    pub(crate) directory: tempfile::TempDir,
}

pub(crate) const MASTER_KEY: &str = "8f3a1c5e7b9d2046f1e3a5c7092b4d6e80a2c4e6f8193b5d7f90a1b2c3d4e5f6";

impl Drop for Installation {
    /// Keeps the store's files, if this run keeps anything: what is in them is sealed.
    fn drop(&mut self) {
        for name in ["roompass.db", "roompass.db-wal"] {
            let Ok(mut file) = fs::File::open(self.path(name)) else { continue };
            let Some(mut kept) = kept::log() else { return };
            let _ = io::copy(&mut file, &mut kept);
        }
    }
}

impl Installation {
    /// On SQLite.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("roompass.db").display());
        Self::in_directory(directory, &url)
    }

    /// On another store.
    pub(crate) fn on(store_url: &str) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), store_url)
    }

    fn in_directory(directory: tempfile::TempDir, store_url: &str) -> Self {
        let installation = Self { directory };
        installation.write_key(MASTER_KEY, 0o600);
        let key_file = installation.path("master.key");
        let config = format!("[store]\nurl = \"{store_url}\"\n[master_key]\nfile = \"{}\"\n", key_file.display());
        fs::write(installation.config(), config).unwrap();
        installation
    }

    pub(crate) fn write_key(&self, key: &str, mode: u32) {
        fs::write(self.path("master.key"), key).unwrap();
        fs::set_permissions(self.path("master.key"), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("roompass.toml")
    }

    /// Runs an operator's command with `--json`, which must succeed.
    pub(crate) fn operate(&self, arguments: &[&str]) -> Value {
        let config = self.config();
        let output = output(arguments.iter().copied().chain(["--json", "--config", config.to_str().unwrap()]));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer = serde_json::from_slice(&output.stdout).unwrap();
        note_secrets(&answer);
        answer
    }

    /// An app 77 and a key for it that may mint.
    pub(crate) fn with_app(self) -> (Self, String) {
        let app = self.operate(&["app", "create", "--name", "Shop", "--app-id", "77"]);
        assert_eq!(app["app_id"], json!(77));
        let key = self.operate(&["key", "create", "--app-id", "77"]);
        let key = key["backend_key"].as_str().unwrap().to_owned();
        (self, key)
    }

    /// `roompass serve`, not started.
    pub(crate) fn serve(&self) -> Command {
        let mut command = roompass(["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(self.config());
        command
    }
}
