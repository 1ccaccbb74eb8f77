//! The server secret is rotated while backends mint and verify over HTTP: nobody is refused before its end, and
//! everybody after it.

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
    address: SocketAddr,
    key: String,
    /// Set before the rotation is asked for.
    begun: AtomicBool,
    /// Set when it was answered: what is minted from now on is sealed with the new secret.
    rotated: AtomicBool,
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
    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(path, body).0
    }

    /// The answer, and the second it was given at.
    fn ask(&self, path: &str, body: &Value) -> (Value, i64) {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.key);
        let answer = http(self.address, "POST", &format!("/v1/apps/77/{path}"), &headers, &body.to_string());
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let second = answer.head.lines().find_map(|line| line.strip_prefix("roompass-server-time: ")).unwrap();
        let second = second.trim().parse().unwrap();
        (answer.body, second)
    }

    fn mint(&self) -> String {
        self.post("tokens", &json!({ "user_id": "u" }))["token"].as_str().unwrap().to_owned()
    }

    /// Whether the token is good, and the second of the answer.
    fn introspect(&self, token: &str) -> (bool, i64) {
        let (answer, second) = self.ask("tokens/introspect", &json!({ "token": token }));
        (answer["active"].as_bool().unwrap(), second)
    }

    /// Whether the token lets its user into a room.
    fn enters(&self, token: &str) -> bool {
        Socket::open(self.address).login(&json!(77), "u", "r", token)["type"] == "logged_in"
    }

    /// Whether the old secret certainly counted when something was answered at `second`.
    fn old_counts(&self, second: i64) -> bool {
        !self.retiring.load(Ordering::SeqCst) && second < self.ends_at.load(Ordering::SeqCst)
    }

    /// What a backend does all day.
    fn work(&self) {
        let mut turn = 0;
        while !self.over.load(Ordering::SeqCst) {
            turn += 1;
            let surely_new = self.rotated.load(Ordering::SeqCst);
            let token = self.mint();
            let (is_good, second) = self.introspect(&token);
            assert!(is_good || !(surely_new || self.old_counts(second)), "a fresh token was refused, at {second}");
            if surely_new {
                self.verified_new.fetch_add(1, Ordering::SeqCst);
            } else if !self.begun.load(Ordering::SeqCst) {
                self.old.lock().unwrap().push(token);
            }
            // One of the old ones again, which go on until their end.
            let Some(token) = nth(&self.old.lock().unwrap(), turn) else { continue };
            let entered = turn % LOGIN_EVERY == 0 && self.enters(&token);
            let (is_good, second) = self.introspect(&token);
            if self.old_counts(second) {
                assert!(entered || turn % LOGIN_EVERY != 0, "a token of the old secret let nobody in, before {second}");
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
    let installation = Installation::new();
    let config = std::fs::read_to_string(installation.config()).unwrap();
    let limits = "[limits]\nkey_per_second = 1000000\nsource_per_second = 1000000\n";
    std::fs::write(installation.config(), config + limits).unwrap();
    let (installation, _) = installation.with_app();
    let rights = ["--right", "mint", "--right", "introspect", "--right", "admin", "--right", "read"];
    let key = installation.operate(&[&["key", "create", "--app-id", "77"][..], &rights].concat());
    let server = Server::serve(&installation.config());
    for end in [End::Retired, End::Date, End::Retired] {
        rotate(&server, key["backend_key"].as_str().unwrap(), end);
    }
}

fn rotate(server: &Server, key: &str, end: End) {
    let rotation = Rotation {
        address: server.address,
        key: key.to_owned(),
        begun: AtomicBool::new(false),
        rotated: AtomicBool::new(false),
        retiring: AtomicBool::new(false),
        ends_at: AtomicI64::new(i64::MAX),
        over: AtomicBool::new(false),
        old: Mutex::default(),
        verified_old: AtomicU32::new(0),
        verified_new: AtomicU32::new(0),
        entered_by_old: AtomicU32::new(0),
    };
    let active = active_secret(server, key);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                // Whatever a client finds wrong ends the others, too.
                let _over = Over(&rotation.over);
                rotation.work();
            });
        }
        let _over = Over(&rotation.over);
        wait(&rotation, || rotation.old.lock().unwrap().len() >= 50);
        let overlap_secs = if end == End::Date { OVERLAP_SECS } else { 3600 };
        if end == End::Date {
            // Before the rotation can have begun, so not after what it will say.
            let (_, second) = rotation.introspect(&rotation.old.lock().unwrap()[0].clone());
            rotation.ends_at.store(second + overlap_secs, Ordering::SeqCst);
        }
        rotation.begun.store(true, Ordering::SeqCst);
        let rotated = rotation.post("secrets/rotate", &json!({ "overlap_secs": overlap_secs }));
        rotation.rotated.store(true, Ordering::SeqCst);
        let until = rotated["previous_valid_until"].as_i64().unwrap();
        rotation.ends_at.store(until, Ordering::SeqCst);
        wait(&rotation, || {
            rotation.verified_old.load(Ordering::SeqCst)
                >= match end {
                    End::Date => 10,
                    End::Retired => ENOUGH,
                }
        });
        if end == End::Retired {
            rotation.retiring.store(true, Ordering::SeqCst);
            rotation.post(&format!("secrets/{active}/retire"), &json!({}));
        } else {
            wait(&rotation, || rotation.introspect(&rotation.mint()).1 >= until);
        }
        // All of them, while others go on.
        let old = rotation.old.lock().unwrap().clone();
        for token in &old {
            assert!(!rotation.introspect(token).0, "a token of the old secret is good after its end");
        }
        assert!(!rotation.enters(&old[0]) && rotation.enters(&rotation.mint()));
        assert!(rotation.entered_by_old.load(Ordering::SeqCst) > 0);
        let before = rotation.verified_new.load(Ordering::SeqCst);
        wait(&rotation, || rotation.verified_new.load(Ordering::SeqCst) >= before + 20);
        println!(
            "{} tokens of the old secret; verified {} times in the overlap, those of the new one {} times",
            old.len(),
            rotation.verified_old.load(Ordering::SeqCst),
            rotation.verified_new.load(Ordering::SeqCst)
        );
    });
    assert_ne!(active_secret(server, key), active);
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
