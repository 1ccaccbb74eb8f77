//! The server secret is rotated while backends mint at one node and verify at another, over HTTP: nobody is refused before
//! its end, and everybody after it.

use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::{
    harness::{Installation, Server, eventually, http},
    postgres_server::Server as Postgres,
    socket::Socket,
};

const CLIENTS: usize = 4;
/// Every so many turns of a client its user goes to a room as well.
const LOGIN_EVERY: usize = 4;
/// How often an old secret must have verified before it is ended.
const ENOUGH: u32 = 100;
/// Long enough for a good many requests on a busy machine.
const OVERLAP_SECS: i64 = 4;

/// How an overlap ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// By itself, at its date.
    Date,
    /// By an operator.
    Retired,
}

/// What clients know of the rotation that is under way.
struct Rotation {
    /// Of each node.
    addresses: Vec<SocketAddr>,
    key: String,
    /// How long after the rotation the new secret mints.
    spread_secs: i64,
    /// Set before the rotation is asked for.
    begun: AtomicBool,
    /// Set when it was answered.
    rotated: AtomicBool,
    /// The server's second from which on what is minted is sealed with the new secret.
    new_from: AtomicI64,
    /// Set before the old secret is retired.
    retiring: AtomicBool,
    /// The server's second from which on the old secret does not count.
    ends_at: AtomicI64,
    over: AtomicBool,
    /// Tokens that the old secret sealed.
    old: Mutex<Vec<String>>,
    verified_old: AtomicU32,
    verified_new: AtomicU32,
    /// Logins to rooms by tokens of the old secret in the overlap.
    entered_by_old: AtomicU32,
}

impl Rotation {
    fn post(&self, node: usize, path: &str, body: &Value) -> Value {
        self.ask(node, path, body).0
    }

    /// The answer of a node, and the second it was given at.
    fn ask(&self, node: usize, path: &str, body: &Value) -> (Value, i64) {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.key);
        let address = self.addresses[node % self.addresses.len()];
        // A server that is late with everything puts off what it can.
        let answer = eventually(|| {
            let answer = http(address, "POST", &format!("/v1/apps/77/{path}"), &headers, &body.to_string());
            (answer.status != 503).then_some(answer)
        });
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let second = answer.head.lines().find_map(|line| line.strip_prefix("roompass-server-time: ")).unwrap();
        let second = second.trim().parse().unwrap();
        (answer.body, second)
    }

    /// A token, and whether the new secret has certainly sealed it.
    fn mint(&self, node: usize) -> (String, bool) {
        let answer = self.post(node, "tokens", &json!({ "user_id": "u" }));
        let is_new = answer["issued_at"].as_i64().unwrap() >= self.new_from.load(Ordering::SeqCst);
        (answer["token"].as_str().unwrap().to_owned(), is_new)
    }

    /// Whether the token is good, and the second of the answer.
    fn introspect(&self, node: usize, token: &str) -> (bool, i64) {
        let (answer, second) = self.ask(node, "tokens/introspect", &json!({ "token": token }));
        (answer["active"].as_bool().unwrap(), second)
    }

    /// Whether the token lets its user into a room.
    fn enters(&self, node: usize, token: &str) -> bool {
        let address = self.addresses[node % self.addresses.len()];
        Socket::open(address).login(&json!(77), "u", "r", token)["type"] == "logged_in"
    }

    /// Whether the old secret certainly counted when something was answered at `second`.
    fn old_counts(&self, second: i64) -> bool {
        !self.retiring.load(Ordering::SeqCst) && second < self.ends_at.load(Ordering::SeqCst)
    }

    /// What a backend does all day: one node mints, and the next one judges.
    fn work(&self, client: usize) {
        let mut turn = client;
        while !self.over.load(Ordering::SeqCst) {
            turn += 1;
            let was_begun = self.begun.load(Ordering::SeqCst);
            let (token, is_new) = self.mint(turn);
            let (is_good, second) = self.introspect(turn + 1, &token);
            assert!(is_good || !(is_new || self.old_counts(second)), "a fresh token was refused, at {second}");
            if is_new {
                self.verified_new.fetch_add(1, Ordering::SeqCst);
            } else if !was_begun && !self.begun.load(Ordering::SeqCst) {
                self.old.lock().unwrap().push(token);
            }
            // One of the old ones again, which go on until their end.
            let Some(token) = nth(&self.old.lock().unwrap(), turn) else { continue };
            let tries_login = turn.is_multiple_of(LOGIN_EVERY);
            let entered = tries_login && self.enters(turn / LOGIN_EVERY, &token);
            let (is_good, second) = self.introspect(turn, &token);
            if self.old_counts(second) {
                assert!(entered || !tries_login, "a token of the old secret let nobody in, before {second}");
                self.entered_by_old.fetch_add(u32::from(entered), Ordering::SeqCst);
                assert!(is_good, "a token of the old secret was refused in the overlap, at {second}");
                if self.rotated.load(Ordering::SeqCst) {
                    self.verified_old.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }
}

fn nth(tokens: &[String], number: usize) -> Option<String> {
    (!tokens.is_empty()).then(|| tokens[number % tokens.len()].clone())
}

// proves C11
#[test]
fn a_rotation_under_load_refuses_nobody_in_the_overlap_and_everybody_after_it() {
    rotate_again_and_again(Installation::new(), 1, 0);
}

// proves C11 (several nodes)
#[test]
fn a_rotation_of_several_nodes_under_load_refuses_nobody_in_the_overlap_and_everybody_after_it() {
    rotate_again_and_again(Installation::on(&Postgres::shared().database()), 2, 5);
}

fn rotate_again_and_again(installation: Installation, nodes: usize, spread_secs: i64) {
    let config = std::fs::read_to_string(installation.config()).unwrap();
    let limits = "[limits]\nkey_per_second = 1000000\nsource_per_second = 1000000\n";
    std::fs::write(installation.config(), config + limits).unwrap();
    let (installation, _) = installation.with_app();
    let rights = ["--right", "mint", "--right", "introspect", "--right", "admin", "--right", "read"];
    let key = installation.operate(&[&["key", "create", "--app-id", "77"][..], &rights].concat());
    let servers: Vec<Server> = (0..nodes).map(|_| Server::serve(&installation.config())).collect();
    for end in [End::Retired, End::Date, End::Retired] {
        rotate(&servers, key["backend_key"].as_str().unwrap(), spread_secs, end);
    }
}

fn rotate(servers: &[Server], key: &str, spread_secs: i64, end: End) {
    let rotation = Rotation {
        addresses: servers.iter().map(|server| server.address).collect(),
        key: key.to_owned(),
        spread_secs,
        begun: AtomicBool::new(false),
        rotated: AtomicBool::new(false),
        new_from: AtomicI64::new(i64::MAX),
        retiring: AtomicBool::new(false),
        ends_at: AtomicI64::new(i64::MAX),
        over: AtomicBool::new(false),
        old: Mutex::default(),
        verified_old: AtomicU32::new(0),
        verified_new: AtomicU32::new(0),
        entered_by_old: AtomicU32::new(0),
    };
    let active = active_secret(&servers[0], key);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let rotation = &rotation;
            scope.spawn(move || {
                // Whatever a client finds wrong ends the others, too.
                let _over = Over(&rotation.over);
                rotation.work(client);
            });
        }
        let _over = Over(&rotation.over);
        rotation.go_through(&active, end);
    });
    for server in servers {
        assert_ne!(active_secret(server, key), active);
    }
}

impl Rotation {
    fn go_through(&self, active: &str, end: End) {
        wait(self, || self.old.lock().unwrap().len() >= 50);
        let overlap_secs = if end == End::Date { OVERLAP_SECS } else { 3600 };
        if end == End::Date {
            // Before the rotation can have begun, so not after what it will say.
            let (_, second) = self.introspect(0, &self.old.lock().unwrap()[0].clone());
            self.ends_at.store(second + self.spread_secs + overlap_secs, Ordering::SeqCst);
        }
        self.begun.store(true, Ordering::SeqCst);
        let (rotated, second) = self.ask(0, "secrets/rotate", &json!({ "overlap_secs": overlap_secs }));
        self.new_from.store(second + self.spread_secs, Ordering::SeqCst);
        self.rotated.store(true, Ordering::SeqCst);
        let until = rotated["previous_valid_until"].as_i64().unwrap();
        self.ends_at.store(until, Ordering::SeqCst);
        wait(self, || {
            self.verified_old.load(Ordering::SeqCst)
                >= match end {
                    End::Date => 10,
                    End::Retired => ENOUGH,
                }
        });
        // The new one is at work before the old one ends.
        wait(self, || self.verified_new.load(Ordering::SeqCst) >= 10);
        if end == End::Retired {
            self.retiring.store(true, Ordering::SeqCst);
            self.post(0, &format!("secrets/{active}/retire"), &json!({}));
        } else {
            wait(self, || self.introspect(0, &self.mint(0).0).1 >= until);
        }
        // All of them, while others go on; at the other nodes soon after.
        let old = self.old.lock().unwrap().clone();
        for node in 1..self.addresses.len() {
            wait(self, || !self.introspect(node, &old[0]).0);
        }
        for (turn, token) in old.iter().enumerate() {
            assert!(!self.introspect(turn, token).0, "a token of the old secret is good after its end");
        }
        assert!(!self.enters(0, &old[0]) && self.enters(1, &self.mint(0).0));
        assert!(self.entered_by_old.load(Ordering::SeqCst) > 0);
        let before = self.verified_new.load(Ordering::SeqCst);
        wait(self, || self.verified_new.load(Ordering::SeqCst) >= before + 20);
        println!(
            "{} tokens of the old secret; verified {} times in the overlap, those of the new one {} times",
            old.len(),
            self.verified_old.load(Ordering::SeqCst),
            self.verified_new.load(Ordering::SeqCst)
        );
    }
}

/// Waits for a state of the clients, unless one of them has failed.
fn wait(rotation: &Rotation, mut state: impl FnMut() -> bool) {
    eventually(|| {
        assert!(!rotation.over.load(Ordering::SeqCst), "a client failed");
        state().then_some(())
    });
}

/// Says so when it goes, however it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn active_secret(server: &Server, key: &str) -> String {
    let ring = http(server.address, "GET", "/v1/apps/77/secrets", &format!("Authorization: Bearer {key}\r\n"), "").body;
    let active: Vec<&Value> =
        ring["secrets"].as_array().unwrap().iter().filter(|secret| secret["state"] == "active").collect();
    assert_eq!(active.len(), 1);
    active[0]["secret_id"].as_str().unwrap().to_owned()
}
