//! Credentials judged by a real TURN server: coturn.

use std::{
    io::{BufRead, BufReader},
    net::UdpSocket,
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use roompass_media::turn::{IceServers, TurnCredential, TurnSecret};

/// A TURN server that knows some secrets.
struct Coturn {
    process: Child,
    port: u16,
    /// Holds its database.
    _directory: tempfile::TempDir,
}

impl Coturn {
    fn start(secrets: &[&str]) -> Self {
        // A port that was free a moment ago; if somebody was faster, coturn ends and the next one is tried.
        std::iter::repeat_with(|| Self::try_start(secrets)).take(5).flatten().next().expect("coturn starts")
    }

    fn try_start(secrets: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
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
        let mut log = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let up = log.any(|line| line.contains("UDP listener opened on"));
        // What it says later has to go somewhere.
        std::thread::spawn(move || log.for_each(drop));
        let server = Self { process, port, _directory: directory };
        up.then_some(server)
    }

    /// Whether an allocation is made, and a packet relayed through it.
    fn relays(&self, credential: &TurnCredential) -> bool {
        let client = Command::new("turnutils_uclient")
            .args("-y -c -n 1 -m 1".split(' '))
            .args(["-u", &credential.username, "-w", &credential.password, "-p", &self.port.to_string(), "127.0.0.1"])
            .output()
            .expect("coturn's tools are installed: run `.ci/setup test`");
        let said = String::from_utf8_lossy(&client.stdout);
        client.status.success() && said.contains("Total lost packets 0")
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "coturn goes by the machine's clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn mint(secret: &str, life_secs: i64) -> TurnCredential {
    TurnCredential::mint(&TurnSecret::new(secret.into()), "alice@room", now().saturating_add_signed(life_secs))
}

#[test]
fn coturn_relays_for_a_credential_that_is_good_and_for_no_other() {
    let coturn = Coturn::start(&["new-secret", "old-secret"]);
    let servers = IceServers {
        stun: vec![],
        turn: vec![format!("turn:127.0.0.1:{}", coturn.port)],
        secrets: vec![TurnSecret::new("new-secret".into()), TurnSecret::new("old-secret".into())],
        ttl_secs: 600,
    };
    let told = servers.for_user("alice", now()).remove(0).credential.unwrap();
    assert!(coturn.relays(&told), "as a client is told");
    assert!(coturn.relays(&mint("old-secret", 600)), "while secrets rotate");
    assert!(!coturn.relays(&mint("new-secret", -1)), "expired");
    assert!(!coturn.relays(&mint("another-secret", 600)), "of another secret");
    let longer = TurnCredential { username: mint("new-secret", 6000).username, ..mint("new-secret", -1) };
    assert!(!coturn.relays(&longer), "with a life that was not signed");
}
