//! A real server on a disk that is full, may only be read, or fails: what goes on, what is refused, and what is left.
//! And when what it writes is safe from a loss of power.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    harness::{Answer, Installation, Server, eventually, http},
    socket::Socket,
};

/// Calls app 77 with a key of many rights.
struct Caller<'a> {
    server: &'a Server,
    key: String,
}

impl<'a> Caller<'a> {
    fn new(installation: &Installation, server: &'a Server) -> Self {
        let rights = ["mint", "introspect", "revoke", "read", "admin"].map(|right| ["--right", right]).concat();
        let key = installation.operate(&[&["key", "create", "--app-id", "77"][..], &rights].concat());
        let caller = Self { server, key: key["backend_key"].as_str().unwrap().to_owned() };
        eventually(|| (caller.call("GET", "/keys", &Value::Null).status == 200).then_some(()));
        caller
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.key);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http(self.server.address, method, &format!("/v1/apps/77{path}"), &headers, &body)
    }

    fn mint(&self) -> Answer {
        self.call("POST", "/tokens", &json!({"user_id": "alice", "room_id": "room1"}))
    }
}

/// What is wrong with the disk.
#[derive(Debug)]
enum Fault {
    /// No file may grow any further.
    Full,
    /// Every such call of the store fails with this error of the system: `strace` sees to it.
    Fails { calls: &'static str, error: &'static str },
}

/// A fault, until it is dropped.
struct Faulty<'a> {
    server: &'a Server,
    strace: Option<Child>,
}

impl<'a> Faulty<'a> {
    fn begin(fault: &Fault, installation: &Installation, server: &'a Server) -> Self {
        match fault {
            Fault::Full => {
                let size = |name: &str| fs::metadata(installation.path(name)).map_or(0, |file| file.len());
                server.limit_files(&(size("roompass.db").max(size("roompass.db-wal")) + 4096).to_string());
                Self { server, strace: None }
            }
            Fault::Fails { calls, error } => {
                // Sockets and logs are written by other calls.
                let inject = format!("inject={calls}:error={error}");
                let trace = format!("trace={calls}");
                let mut strace = Command::new("strace");
                strace.args(["-f", "-qq", "-e", &trace, "-e", &inject, "-o", "/dev/null", "-p"]);
                strace.arg(server.pid().to_string()).stdout(Stdio::null()).stderr(Stdio::null());
                Self { server, strace: Some(strace.spawn().expect("strace is installed: `.ci/setup test`")) }
            }
        }
    }
}

impl Drop for Faulty<'_> {
    fn drop(&mut self) {
        match &mut self.strace {
            None => self.server.limit_files("unlimited"),
            Some(strace) => {
                // Told to end, it lets go of the server; killed, it might not.
                let _ = Command::new("kill").arg(strace.id().to_string()).status();
                let _ = strace.wait();
            }
        }
    }
}

// proves F5, T63
#[test]
fn on_a_disk_that_takes_nothing_nothing_is_done_without_a_record_and_sockets_and_verifying_go_on() {
    let (installation, _) = Installation::new().with_app();
    let server = Server::serve_with_a_limit(&installation.config());
    let caller = Caller::new(&installation, &server);
    let mut acknowledged = BTreeSet::new();
    let mut mint = || {
        let answer = caller.mint();
        acknowledged.extend(answer.body["token_id"].as_str().map(str::to_owned));
        answer
    };
    let token = mint().body["token"].as_str().unwrap().to_owned();
    let is_active = || caller.call("POST", "/tokens/introspect", &json!({"token": token})).body["active"] == true;
    assert!(is_active());
    let mut alice = Socket::open(server.address);
    assert_eq!(alice.login(&json!(77), "alice", "room1", &token)["type"], "logged_in");

    let faults = [
        Fault::Full,
        Fault::Fails { calls: "pwrite64", error: "EROFS" },
        Fault::Fails { calls: "pwrite64", error: "EIO" },
        Fault::Fails { calls: "fsync,fdatasync", error: "EIO" },
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let faulty = Faulty::begin(&fault, &installation, &server);
        eventually(|| (mint().status == 507).then_some(()));
        for (method, path, body) in [
            ("POST", "/tokens", json!({"user_id": "bob"})),
            ("POST", "/secrets/rotate", json!({})),
            ("POST", "/keys", json!({"name": "never", "rights": ["mint"]})),
            ("POST", "/tokens/revoke", json!({"user_id": "bob"})),
            ("POST", "/bans", json!({"user_id": "bob"})),
            ("PATCH", "", json!({"version": 1, "settings": {"enabled": false}})),
        ] {
            let refused = caller.call(method, path, &body);
            assert_eq!(
                (refused.status, &refused.body["code"]),
                (507, &json!("disk_full")),
                "{fault:?} {method} {path}"
            );
        }
        assert!(is_active(), "{fault:?}");
        assert_eq!(server.get("/healthz").status, 200);
        assert_eq!(server.get("/readyz").status, 507);
        let stream = json!({ "stream_id": format!("stream-{number}") });
        assert_eq!(alice.ask("publish", stream)["type"], "ok", "{fault:?}: who is in goes on");

        drop(faulty);
        let room = Instant::now();
        eventually(|| (mint().status == 200).then_some(()));
        println!("minting again {:?} after {fault:?}", room.elapsed());
        assert!(room.elapsed().as_secs() < 10, "{:?}", room.elapsed());
        assert_eq!(caller.call("POST", "/bans", &json!({"user_id": "carol"})).status, 200);
        assert!(is_active());

        // No partial state: what was refused has not happened.
        assert_eq!(caller.call("GET", "/secrets", &Value::Null).body["secrets"].as_array().unwrap().len(), 1);
        assert_eq!(caller.call("GET", "/keys", &Value::Null).body["keys"].as_array().unwrap().len(), 2);
        assert_eq!(caller.call("GET", "/revocations", &Value::Null).body["revocations"], json!([]));
        let bans = caller.call("GET", "/bans", &Value::Null).body["bans"].clone();
        assert_eq!((bans.as_array().unwrap().len(), &bans[0]["user_id"]), (1, &json!("carol")));
        assert_eq!(installation.operate(&["doctor"])["faults"], json!([]), "{fault:?}");
    }
    // And every token that was handed out is in the trail.
    drop(server);
    let minted = installation.operate(&["audit", "list", "--action", "mint", "--result", "done", "--limit", "1000"]);
    let minted = minted["records"].as_array().unwrap().iter();
    let minted: BTreeSet<String> = minted.map(|record| record["token_id"].as_str().unwrap().to_owned()).collect();
    assert!(acknowledged.is_subset(&minted), "the ban was recorded after all of them");
}

/// What a server does to its write-ahead log, as `strace` sees it, until it is dropped.
struct Watched {
    strace: Child,
    trace: PathBuf,
}

impl Watched {
    fn begin(installation: &Installation, server: &Server) -> Self {
        let trace = installation.path("trace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-y", "-s", "0", "-e", "trace=pwrite64,fsync,fdatasync", "-o"]).arg(&trace);
        strace.arg("-p").arg(server.pid().to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { strace: strace.spawn().expect("strace is installed: `.ci/setup test`"), trace }
    }

    /// For each time, whether it was made durable; otherwise it was written to.
    fn log(&self) -> Vec<bool> {
        let trace = fs::read_to_string(&self.trace).unwrap_or_default();
        // A call that another thread's interrupts stands in two lines, of which the second names no file.
        let lines = trace.lines().filter(|line| line.contains("-wal>") && !line.contains("resumed"));
        lines.map(|line| !line.contains("pwrite64(")).collect()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.strace.id().to_string()).status();
        let _ = self.strace.wait();
    }
}

// proves S1
#[test]
fn records_of_a_rush_share_the_waits_for_the_disk_and_are_durable_soon_after() {
    let (installation, _) = Installation::new().with_app();
    let server = Server::serve(&installation.config());
    let caller = Caller::new(&installation, &server);
    let watched = Watched::begin(&installation, &server);
    eventually(|| {
        assert_eq!(caller.mint().status, 200);
        watched.log().last().copied()
    });
    let is_settled = || (watched.log().last() == Some(&true)).then_some(());
    eventually(is_settled);

    let durable = || watched.log().into_iter().filter(|&durable| durable).count();
    let before = durable();
    for user_id in ["first", "second", "third", "last"] {
        let items = vec![json!({"user_id": user_id, "room_id": "room1"}); 1000];
        assert_eq!(caller.call("POST", "/tokens/batch", &json!({ "items": items })).status, 200);
    }
    eventually(|| {
        let listed = installation.operate(&["audit", "list", "--user-id", "last", "--limit", "1000"]);
        (listed["records"].as_array().unwrap().len() == 1000).then_some(())
    });
    eventually(is_settled);
    println!("{} waits for the disk", durable() - before);
    assert!(durable() - before < 4000 / 125, "not one for each transaction");
}
