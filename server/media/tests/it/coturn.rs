//! coturn, started for one test.

use std::{
    io::{BufRead, BufReader},
    net::UdpSocket,
    process::{Child, Command, Stdio},
};

/// A TURN server that knows some secrets.
pub(crate) struct Coturn {
    process: Child,
    pub(crate) port: u16,
    /// Holds its database.
    _directory: tempfile::TempDir,
}

impl Coturn {
    pub(crate) fn start(secrets: &[&str]) -> Self {
        // A port that was free a moment ago; if somebody was faster, coturn ends and the next one is tried.
        std::iter::repeat_with(|| Self::try_start(secrets)).take(5).flatten().next().expect("coturn starts")
    }

    fn try_start(secrets: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let port =
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("there is a free port").port();
        let mut process = Command::new("turnserver")
            .args("-n --no-cli --no-tls --no-dtls --listening-ip=127.0.0.1 --relay-ip=127.0.0.1".split(' '))
            .args(
                "--allow-loopback-peers --realm=test.local --use-auth-secret --log-file=stdout --simple-log --verbose"
                    .split(' '),
            )
            .args(secrets.iter().map(|secret| format!("--static-auth-secret={secret}")))
            .arg(format!("--listening-port={port}"))
            .arg(format!("--db={}", directory.path().join("turndb").display()))
            .arg(format!("--pidfile={}", directory.path().join("pid").display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn is installed: run `.ci/setup test`");
        let mut log = BufReader::new(process.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let up = log.any(|line| line.contains("UDP listener opened on"));
        // What it says later has to go somewhere.
        std::thread::spawn(move || log.for_each(drop));
        let server = Self { process, port, _directory: directory };
        up.then_some(server)
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
