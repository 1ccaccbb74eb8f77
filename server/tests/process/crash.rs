//! Kills a server with writers at random moments: what it acknowledged is there when it comes back.

use std::{
    collections::{BTreeSet, HashSet},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{TryRng, rngs::SysRng};
use serde_json::{Value, json};

use crate::{
    harness::{Installation, Server, eventually},
    postgres_server::Server as Postgres,
};

const WRITERS: usize = 8;
/// A release runs more: set `ROOMPASS_KILL_CYCLES`.
const CYCLES: u32 = 30;
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Everything the server has acknowledged. What was asked for without an answer may be there or not.
#[derive(Default)]
struct Acknowledged {
    keys: BTreeSet<String>,
    deleted_keys: BTreeSet<String>,
    revoked: BTreeSet<String>,
    banned: BTreeSet<String>,
    lifted: BTreeSet<String>,
    count: u32,
}

// proves F6
#[test]
fn no_acknowledged_write_is_lost_by_a_kill() {
    kill_again_and_again(Installation::new());
}

// proves F6, S1
#[test]
fn no_acknowledged_write_is_lost_by_a_kill_on_postgres() {
    kill_again_and_again(Installation::on(&Postgres::shared().database()));
}

fn kill_again_and_again(installation: Installation) {
    let (installation, _) = installation.with_app();
    let rights = ["--right", "admin", "--right", "revoke", "--right", "read"];
    let key = installation.operate(&[&["key", "create", "--app-id", "77"][..], &rights].concat());
    let key = key["backend_key"].as_str().unwrap();
    let acknowledged = Mutex::new(Acknowledged::default());
    let serial = AtomicU32::new(0);
    #[expect(clippy::disallowed_methods, reason = "how long to go on is for whoever runs the tests")]
    let cycles = std::env::var("ROOMPASS_KILL_CYCLES").map_or(CYCLES, |cycles| cycles.parse().unwrap());
    for _ in 0..cycles {
        let server = Server::serve(&installation.config());
        check(server.address, key, &acknowledged.lock().unwrap());
        let enough = acknowledged.lock().unwrap().count + 20 + SysRng.try_next_u32().unwrap() % 200;
        let stopping = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| write(server.address, key, &acknowledged, &serial, &stopping));
            }
            eventually(|| (acknowledged.lock().unwrap().count >= enough).then_some(()));
            server.signal("KILL");
            stopping.store(true, Ordering::Relaxed);
        });
    }
    let server = Server::serve(&installation.config());
    check(server.address, key, &acknowledged.lock().unwrap());
    assert_eq!(installation.operate(&["doctor"])["faults"], json!([]));
}

fn write(address: SocketAddr, key: &str, done: &Mutex<Acknowledged>, serial: &AtomicU32, stopping: &AtomicBool) {
    let acknowledge = |list: fn(&mut Acknowledged) -> &mut BTreeSet<String>, name: &str| {
        let mut done = done.lock().unwrap();
        done.count += 1;
        list(&mut done).insert(name.to_owned());
    };
    while !stopping.load(Ordering::Relaxed) {
        let number = serial.fetch_add(1, Ordering::Relaxed);
        let user = format!("u{number}");
        let created = send(address, key, "POST", "keys", &json!({"name": user, "rights": ["mint"]}));
        if let Some(key_id) = created.and_then(|created| created["key_id"].as_str().map(str::to_owned)) {
            if number.is_multiple_of(3) {
                if send(address, key, "DELETE", &format!("keys/{key_id}"), &Value::Null).is_some() {
                    acknowledge(|done| &mut done.deleted_keys, &key_id);
                }
            } else {
                acknowledge(|done| &mut done.keys, &key_id);
            }
        }
        if send(address, key, "POST", "tokens/revoke", &json!({"user_id": user})).is_some() {
            acknowledge(|done| &mut done.revoked, &user);
        }
        let banned = send(address, key, "POST", "bans", &json!({"user_id": user}));
        if let Some(ban_id) = banned.and_then(|banned| banned["ban"]["ban_id"].as_str().map(str::to_owned)) {
            if number.is_multiple_of(3) {
                if send(address, key, "DELETE", &format!("bans/{ban_id}"), &Value::Null).is_some() {
                    acknowledge(|done| &mut done.lifted, &user);
                }
            } else {
                acknowledge(|done| &mut done.banned, &user);
            }
        }
    }
}

fn check(address: SocketAddr, key: &str, acknowledged: &Acknowledged) {
    let keys = listed(address, key, "keys", "key_id");
    let revoked = listed(address, key, "revocations", "user_id");
    let banned = listed(address, key, "bans", "user_id");
    let lost = |done: &BTreeSet<String>, listed: &HashSet<String>| {
        done.iter().filter(|&one| !listed.contains(one)).cloned().collect::<Vec<_>>()
    };
    let revived = |done: &BTreeSet<String>, listed: &HashSet<String>| {
        done.iter().filter(|&one| listed.contains(one)).cloned().collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    assert_eq!(lost(&acknowledged.keys, &keys), none, "keys lost");
    assert_eq!(revived(&acknowledged.deleted_keys, &keys), none, "keys revived");
    assert_eq!(lost(&acknowledged.revoked, &revoked), none, "revocations lost");
    assert_eq!(lost(&acknowledged.banned, &banned), none, "bans lost");
    assert_eq!(revived(&acknowledged.lifted, &banned), none, "bans revived");
}

/// One member of every entry of a list, all pages of it.
fn listed(address: SocketAddr, key: &str, list: &str, member: &str) -> HashSet<String> {
    let (mut all, mut cursor) = (HashSet::new(), String::new());
    loop {
        let page = send(address, key, "GET", &format!("{list}?limit=1000{cursor}"), &Value::Null).unwrap();
        let entries = page[list].as_array().unwrap();
        all.extend(entries.iter().filter_map(|entry| entry[member].as_str().map(str::to_owned)));
        let Some(next) = page["cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// The body of a 200 that came back whole; `None` if anything went wrong on the way.
fn send(address: SocketAddr, key: &str, method: &str, path: &str, body: &Value) -> Option<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    let head = format!(
        "{method} /v1/apps/77/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).ok())?
}
