//! A real Redis for tests: on a socket in a directory of its own. It ends with the process that started it, however
//! that ends.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::{net::UnixStream, process::CommandExt},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// Waits until the server listens and says so; when its input ends, kills the server.
const WATCH: &str = r#"
directory=$1; shift
redis-server --save '' --appendonly no --dir "$directory" --unixsocket "$directory/redis.sock" "$@" \
    >"$directory/log" 2>&1 &
echo $!
cat >/dev/null
kill -KILL $!
"#;

/// A server, which may be stopped and started again.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    options: Vec<String>,
    running: Option<Running>,
}

struct Running {
    watch: Child,
    /// What keeps it running.
    input: Option<ChildStdin>,
    pid: String,
}

impl Server {
    /// A running server, with nothing in it and without a port.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--port", "0"])
    }

    /// The same, with options for the command line of Redis.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("roompass-redis-").tempdir().unwrap();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { directory, options, running: None };
        server.start_again();
        server
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// The URL of the server.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Ends it at once, with all that is in it.
    pub(crate) fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.input.take());
            // Nothing to be done here if it cannot be waited for.
            let _ = running.watch.wait();
        }
    }

    /// Starts it, with nothing in it, where it was.
    pub(crate) fn start_again(&mut self) {
        let mut watch = Command::new("sh");
        watch.args(["-c", WATCH, "sh"]).arg(self.directory.path()).args(&self.options);
        // A group of its own, so that Ctrl-C at a terminal does not end it before its time.
        let mut watch = watch.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let pid = first_line(watch.stdout.take().unwrap());
        self.running = Some(Running { input: watch.stdin.take(), watch, pid });
        let start = Instant::now();
        while !self.answers() {
            assert!(start.elapsed() < Duration::from_secs(20), "redis-server does not start: run `.ci/setup test`");
            std::thread::yield_now();
        }
    }

    /// Sends a signal: `STOP` makes it hang, `CONT` ends that.
    pub(crate) fn signal(&self, name: &str) {
        let pid = &self.running.as_ref().unwrap().pid;
        assert!(Command::new("kill").args(["-s", name, pid]).status().unwrap().success());
    }

    /// What a command, written as one line, is answered with.
    pub(crate) fn command(&self, line: &str) -> String {
        let words = line.split(' ');
        let output = Command::new("redis-cli").arg("-s").arg(self.socket()).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.socket()) else { return false };
        let mut answer = [0];
        std::io::Write::write_all(&mut stream, b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    }
}

fn first_line(output: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
