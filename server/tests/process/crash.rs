//! Kills a server with writers at random moments: what it acknowledged is there when it comes back.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
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
    app: App,
    count: u32,
}

/// The app itself, which one writer changes, so that only its last change can be in doubt.
#[derive(Default)]
struct App {
    /// The secrets of rotations that ended the one before at once, in their order.
    rotated: Vec<String>,
    rotation_in_doubt: bool,
    name: Option<String>,
    /// A name that was asked for without an answer.
    name_in_doubt: Option<String>,
    updates: usize,
    app_sign: Option<String>,
    reset_in_doubt: bool,
    resets: usize,
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
        check(server.address, key, &mut acknowledged.lock().unwrap());
        let enough = acknowledged.lock().unwrap().count + 20 + SysRng.try_next_u32().unwrap() % 200;
        let stopping = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| write(server.address, key, &acknowledged, &serial, &stopping));
            }
            scope.spawn(|| change_app(server.address, key, &acknowledged, &serial, &stopping));
            eventually(|| (acknowledged.lock().unwrap().count >= enough).then_some(()));
            server.signal("KILL");
            stopping.store(true, Ordering::Relaxed);
        });
    }
    let server = Server::serve(&installation.config());
    let mut acknowledged = acknowledged.into_inner().unwrap();
    check(server.address, key, &mut acknowledged);
    let App { rotated, updates, resets, .. } = &acknowledged.app;
    let count = acknowledged.count;
    println!("{count} writes; of them {} rotations, {updates} changes of the app, {resets} resets", rotated.len());
    assert!(rotated.len() >= 5 && *updates >= 5 && *resets >= 5);
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

/// Renames the app, gives it a new secret and a new AppSign, again and again.
fn change_app(address: SocketAddr, key: &str, done: &Mutex<Acknowledged>, serial: &AtomicU32, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Relaxed) {
        let name = format!("n{}", serial.fetch_add(1, Ordering::Relaxed));
        let Some(app) = send(address, key, "GET", "", &Value::Null) else { continue };
        done.lock().unwrap().app.name_in_doubt = Some(name.clone());
        let change = json!({"version": app["app"]["version"], "settings": {"name": name}});
        if send(address, key, "PATCH", "", &change).is_none() {
            // Whatever else is asked for now would hide what became of this.
            return;
        }
        acknowledge(done, |app| (app.name, app.name_in_doubt, app.updates) = (Some(name), None, app.updates + 1));

        done.lock().unwrap().app.rotation_in_doubt = true;
        let Some(rotated) = send(address, key, "POST", "secrets/rotate", &json!({"overlap_secs": 0})) else { return };
        acknowledge(done, |app| {
            app.rotated.push(rotated["secret_id"].as_str().unwrap().to_owned());
            app.rotation_in_doubt = false;
        });

        done.lock().unwrap().app.reset_in_doubt = true;
        let Some(reset) = send(address, key, "POST", "app-sign/reset", &json!({"overlap_secs": 60})) else { return };
        acknowledge(done, |app| {
            app.app_sign = Some(reset["app_sign"].as_str().unwrap().to_owned());
            (app.reset_in_doubt, app.resets) = (false, app.resets + 1);
        });
    }
}

fn acknowledge(done: &Mutex<Acknowledged>, note: impl FnOnce(&mut App)) {
    let mut done = done.lock().unwrap();
    done.count += 1;
    note(&mut done.app);
}

/// Compares the app with what was acknowledged; what was in doubt is known from then on.
fn check_app(address: SocketAddr, key: &str, app: &mut App) {
    let ring = send(address, key, "GET", "secrets", &Value::Null).unwrap();
    let states: HashMap<&str, &str> = ring["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| (secret["secret_id"].as_str().unwrap(), secret["state"].as_str().unwrap()))
        .collect();
    let active: Vec<&str> = states.iter().filter(|(_, state)| **state == "active").map(|(id, _)| *id).collect();
    assert_eq!(active.len(), 1, "{states:?}");
    if let Some((last, before)) = app.rotated.split_last() {
        for secret_id in before {
            assert_eq!(states.get(secret_id.as_str()), Some(&"ended"), "a rotation was lost or undone");
        }
        let expected: &[&str] = if app.rotation_in_doubt { &["active", "ended"] } else { &["active"] };
        assert!(states.get(last.as_str()).is_some_and(|state| expected.contains(state)), "{last}: {states:?}");
    }
    if app.rotated.last().is_none_or(|last| last != active[0]) && app.rotation_in_doubt {
        app.rotated.push(active[0].to_owned());
    }
    app.rotation_in_doubt = false;

    let shown = send(address, key, "GET", "", &Value::Null).unwrap();
    let name = shown["app"]["settings"]["name"].as_str().map(str::to_owned);
    assert!(app.name.is_none() || name == app.name || name == app.name_in_doubt, "{name:?}, not {:?}", app.name);
    (app.name, app.name_in_doubt) = (name, None);

    let shown = send(address, key, "POST", "app-sign/show", &json!({})).unwrap();
    let app_sign = shown["app_sign"].as_str().map(str::to_owned);
    assert!(app.app_sign.is_none() || app_sign == app.app_sign || app.reset_in_doubt, "an AppSign was lost");
    (app.app_sign, app.reset_in_doubt) = (app_sign, false);
}

/// Every change that was acknowledged is on record.
fn check_audit(address: SocketAddr, key: &str, acknowledged: &Acknowledged) {
    let recorded = |action: &str, member: &str| {
        let list = format!("audit?action={action}&result=done&");
        listed_as(address, key, &list, "records", member)
    };
    for (action, member, done) in [
        ("create_key", "target", &acknowledged.keys),
        ("revoke_key", "target", &acknowledged.deleted_keys),
        ("revoke", "user_id", &acknowledged.revoked),
        ("ban", "user_id", &acknowledged.banned),
        ("lift_ban", "user_id", &acknowledged.lifted),
        ("rotate_secret", "target", &acknowledged.app.rotated.iter().cloned().collect()),
    ] {
        let recorded: HashSet<String> = recorded(action, member).into_iter().collect();
        let missing: Vec<_> = done.iter().filter(|&one| !recorded.contains(one)).collect();
        assert!(missing.is_empty(), "{action} without a record: {missing:?}");
    }
    for (action, count) in [("update_app", acknowledged.app.updates), ("reset_app_sign", acknowledged.app.resets)] {
        assert!(recorded(action, "record").len() >= count, "{action} without a record");
    }
}

fn check(address: SocketAddr, key: &str, acknowledged: &mut Acknowledged) {
    check_app(address, key, &mut acknowledged.app);
    check_audit(address, key, acknowledged);
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

fn listed(address: SocketAddr, key: &str, list: &str, member: &str) -> HashSet<String> {
    listed_as(address, key, &format!("{list}?"), list, member).into_iter().collect()
}

/// One member of every entry of a list, all pages of it.
fn listed_as(address: SocketAddr, key: &str, path: &str, list: &str, member: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = send(address, key, "GET", &format!("{path}limit=1000{cursor}"), &Value::Null).unwrap();
        let entries = page[list].as_array().unwrap();
        all.extend(entries.iter().filter_map(|entry| entry[member].as_str().map(str::to_owned)));
        let Some(next) = page["cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// The body of a 200 that came back whole; `None` if anything went wrong on the way.
fn send(address: SocketAddr, key: &str, method: &str, path: &str, body: &Value) -> Option<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (length, slash) = (body.len(), if path.is_empty() { "" } else { "/" });
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    let head = format!(
        "{method} /v1/apps/77{slash}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).ok())?
}
