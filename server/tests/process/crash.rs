//! Kills a server with writers at random moments: what it acknowledged is there when it comes back.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
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
/// What is minted is on record after this long at the latest.
const ON_RECORD: Duration = Duration::from_secs(1);
/// Every so many lives of the server are long enough for that.
const A_LONG_LIFE: u32 = 6;
/// Of how many users the tokens are looked at after each kill.
const SAMPLE: usize = 10;

/// Everything the server has acknowledged. What was asked for without an answer may be there or not.
#[derive(Default)]
struct Acknowledged {
    keys: BTreeSet<String>,
    deleted_keys: BTreeSet<String>,
    revoked: BTreeSet<String>,
    banned: BTreeSet<String>,
    lifted: BTreeSet<String>,
    /// Tokens of users whose tokens were revoked afterwards, and of users who were banned afterwards.
    revoked_tokens: BTreeMap<String, String>,
    banned_tokens: BTreeMap<String, String>,
    /// By idempotency key, the answer to a request that makes a key of that name; none if none came.
    made_once: BTreeMap<String, Option<Value>>,
    /// What was minted in this life of the server, and when that was acknowledged.
    minted: Vec<(String, Instant)>,
    /// What was acknowledged long enough before a kill to be on record whatever happens.
    minted_for_good: BTreeSet<String>,
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

/// A key, and the app it is of.
#[derive(Clone, Copy)]
struct Key<'a> {
    app_id: &'a str,
    text: &'a str,
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
    let rights = ["admin", "revoke", "read", "mint", "introspect", "explain"].map(|right| ["--right", right]).concat();
    // Secrets end in one app, so that it is not for that that tokens of the other are no longer good.
    installation.operate(&["app", "create", "--name", "Rotated", "--app-id", "78"]);
    let made = ["77", "78"].map(|app_id| {
        let made = installation.operate(&[&["key", "create", "--app-id", app_id][..], &rights].concat());
        (app_id, made["backend_key"].as_str().unwrap().to_owned())
    });
    let keys = made.each_ref().map(|(app_id, text)| Key { app_id, text });
    let [key, of_rotated] = keys;
    let acknowledged = Mutex::new(Acknowledged::default());
    let serial = AtomicU32::new(0);
    #[expect(clippy::disallowed_methods, reason = "how long to go on is for whoever runs the tests")]
    let cycles = std::env::var("ROOMPASS_KILL_CYCLES").map_or(CYCLES, |cycles| cycles.parse().unwrap());
    for cycle in 0..cycles {
        let server = Server::serve(&installation.config());
        check(server.address, keys, &mut acknowledged.lock().unwrap());
        let enough = acknowledged.lock().unwrap().count + 20 + SysRng.try_next_u32().unwrap() % 200;
        let stopping = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| write(server.address, key, &acknowledged, &serial, &stopping));
            }
            scope.spawn(|| change_app(server.address, of_rotated, &acknowledged, &serial, &stopping));
            scope.spawn(|| make_once(server.address, key, &acknowledged, &serial, &stopping));
            scope.spawn(|| mint(server.address, key, &acknowledged, &stopping));
            eventually(|| {
                let acknowledged = acknowledged.lock().unwrap();
                let is_old = |(_, at): &(String, Instant)| at.elapsed() > ON_RECORD;
                let is_long = !cycle.is_multiple_of(A_LONG_LIFE) || acknowledged.minted.first().is_some_and(is_old);
                (acknowledged.count >= enough && is_long).then_some(())
            });
            let killed = Instant::now();
            server.signal("KILL");
            stopping.store(true, Ordering::Relaxed);
            let mut acknowledged = acknowledged.lock().unwrap();
            let minted = std::mem::take(&mut acknowledged.minted);
            let for_good = minted.into_iter().filter(|(_, at)| *at + ON_RECORD < killed).map(|(token_id, _)| token_id);
            acknowledged.minted_for_good.extend(for_good);
        });
        // What was acknowledged in the very moment of the kill is of no life.
        acknowledged.lock().unwrap().minted.clear();
    }
    let server = Server::serve(&installation.config());
    let mut acknowledged = acknowledged.into_inner().unwrap();
    check(server.address, keys, &mut acknowledged);
    let recorded = listed_as(server.address, key, "audit?action=mint&result=done&", "records", "token_id");
    let recorded: HashSet<String> = recorded.into_iter().collect();
    let missing: Vec<_> = acknowledged.minted_for_good.iter().filter(|&one| !recorded.contains(one)).collect();
    assert!(missing.is_empty(), "minted a second before a kill, and without a record: {missing:?}");
    assert!(!acknowledged.minted_for_good.is_empty() && acknowledged.made_once.len() >= 10);
    println!("{} mints and {} keys", acknowledged.minted_for_good.len(), acknowledged.made_once.len());
    let App { rotated, updates, resets, .. } = &acknowledged.app;
    let count = acknowledged.count;
    println!("{count} writes; of them {} rotations, {updates} changes of the app, {resets} resets", rotated.len());
    assert!(rotated.len() >= 5 && *updates >= 5 && *resets >= 5);
    assert_eq!(installation.operate(&["doctor"])["faults"], json!([]));
}

fn write(address: SocketAddr, key: Key<'_>, done: &Mutex<Acknowledged>, serial: &AtomicU32, stopping: &AtomicBool) {
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
        let token = mint_of_some(address, key, number, &user);
        if send(address, key, "POST", "tokens/revoke", &json!({"user_id": user})).is_some() {
            acknowledge(|done| &mut done.revoked, &user);
            note_token(&mut done.lock().unwrap().revoked_tokens, &user, token);
        }
        // Nobody's tokens are revoked who is banned: each must be told what holds of them.
        let user = format!("b{number}");
        let token = mint_of_some(address, key, number, &user);
        let banned = send(address, key, "POST", "bans", &json!({"user_id": user}));
        if let Some(ban_id) = banned.and_then(|banned| banned["ban"]["ban_id"].as_str().map(str::to_owned)) {
            if number.is_multiple_of(3) {
                if send(address, key, "DELETE", &format!("bans/{ban_id}"), &Value::Null).is_some() {
                    acknowledge(|done| &mut done.lifted, &user);
                }
            } else {
                acknowledge(|done| &mut done.banned, &user);
                note_token(&mut done.lock().unwrap().banned_tokens, &user, token);
            }
        }
    }
}

/// A token of every fourth user: what is looked at later is a sample.
fn mint_of_some(address: SocketAddr, key: Key<'_>, number: u32, user: &str) -> Option<Value> {
    let is_meant = number.is_multiple_of(4);
    is_meant.then(|| send(address, key, "POST", "tokens", &json!({"user_id": user})))?
}

/// Notes the token of an answer, if there was one.
fn note_token(tokens: &mut BTreeMap<String, String>, user: &str, minted: Option<Value>) {
    if let Some(token) = minted.and_then(|minted| minted["token"].as_str().map(str::to_owned)) {
        tokens.insert(user.to_owned(), token);
    }
}

/// Makes keys, each with an idempotency key of its own.
fn make_once(address: SocketAddr, key: Key<'_>, done: &Mutex<Acknowledged>, serial: &AtomicU32, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Relaxed) {
        let name = format!("once-{}", serial.fetch_add(1, Ordering::Relaxed));
        done.lock().unwrap().made_once.insert(name.clone(), None);
        let made = ask_once(address, key, &name);
        done.lock().unwrap().made_once.insert(name, made);
    }
}

/// Asks for a key, under its name as the idempotency key.
fn ask_once(address: SocketAddr, key: Key<'_>, name: &str) -> Option<Value> {
    let body = json!({"name": name, "rights": ["mint"]});
    send_with(address, key, "POST", "keys", &format!("Idempotency-Key: {name}\r\n"), &body)
}

/// Mints, and remembers when that was acknowledged.
fn mint(address: SocketAddr, key: Key<'_>, done: &Mutex<Acknowledged>, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Relaxed) {
        let minted = send(address, key, "POST", "tokens", &json!({"user_id": "minted"}));
        if let Some(token_id) = minted.and_then(|minted| minted["token_id"].as_str().map(str::to_owned)) {
            done.lock().unwrap().minted.push((token_id, Instant::now()));
        }
    }
}

/// Renames the app, gives it a new secret and a new AppSign, again and again.
fn change_app(
    address: SocketAddr,
    key: Key<'_>,
    done: &Mutex<Acknowledged>,
    serial: &AtomicU32,
    stopping: &AtomicBool,
) {
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
        let Some(reset) = send(address, key, "POST", "app-sign/reset", &json!({"overlap_secs": 0})) else { return };
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
fn check_app(address: SocketAddr, key: Key<'_>, app: &mut App) {
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
fn check_audit(address: SocketAddr, [key, of_rotated]: [Key<'_>; 2], acknowledged: &Acknowledged) {
    let recorded = |key, action: &str, member: &str| {
        let list = format!("audit?action={action}&result=done&");
        listed_as(address, key, &list, "records", member)
    };
    for (key, action, member, done) in [
        (key, "create_key", "target", &acknowledged.keys),
        (key, "revoke_key", "target", &acknowledged.deleted_keys),
        (key, "revoke", "user_id", &acknowledged.revoked),
        (key, "ban", "user_id", &acknowledged.banned),
        (key, "lift_ban", "user_id", &acknowledged.lifted),
        (of_rotated, "rotate_secret", "target", &acknowledged.app.rotated.iter().cloned().collect()),
    ] {
        let recorded: HashSet<String> = recorded(key, action, member).into_iter().collect();
        let missing: Vec<_> = done.iter().filter(|&one| !recorded.contains(one)).collect();
        assert!(missing.is_empty(), "{action} without a record: {missing:?}");
    }
    for (action, count) in [("update_app", acknowledged.app.updates), ("reset_app_sign", acknowledged.app.resets)] {
        assert!(recorded(of_rotated, action, "record").len() >= count, "{action} without a record");
    }
}

fn check(address: SocketAddr, [key, of_rotated]: [Key<'_>; 2], acknowledged: &mut Acknowledged) {
    check_app(address, of_rotated, &mut acknowledged.app);
    check_audit(address, [key, of_rotated], acknowledged);
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
    check_tokens(address, key, acknowledged);
    check_made_once(address, key, &mut acknowledged.made_once);
}

/// What holds of a token, not only what is on a list.
fn check_tokens(address: SocketAddr, key: Key<'_>, acknowledged: &Acknowledged) {
    for (user, token) in sample(&acknowledged.revoked_tokens) {
        let answer = send(address, key, "POST", "tokens/introspect", &json!({ "token": token })).unwrap();
        assert_eq!(answer["active"], false, "{user}: a revoked token is good again");
    }
    for (user, token) in sample(&acknowledged.banned_tokens) {
        let login = json!({ "token": token, "user_id": user, "room_id": "r" });
        let answer = send(address, key, "POST", "tokens/explain", &login).unwrap();
        assert_eq!(answer["code"], "banned", "{user}: {answer}");
    }
}

/// Some of them, at random.
fn sample(tokens: &BTreeMap<String, String>) -> Vec<(&String, &String)> {
    let start = SysRng.try_next_u32().unwrap() as usize % tokens.len().max(1);
    tokens.iter().cycle().skip(start).take(SAMPLE.min(tokens.len())).collect()
}

/// Asked again, what is made once is answered as it was, and is not made again. What was in doubt is made now if it had
/// not begun; if it had, nobody may begin it again for a minute, and it is let be.
fn check_made_once(address: SocketAddr, key: Key<'_>, made_once: &mut BTreeMap<String, Option<Value>>) {
    let in_doubt = made_once.iter().filter(|(_, made)| made.is_none()).map(|(name, _)| name.clone());
    let last = made_once.keys().rev().take(SAMPLE).cloned();
    let mut begun = Vec::new();
    for name in in_doubt.chain(last).collect::<BTreeSet<_>>() {
        let again = ask_once(address, key, &name);
        match (made_once.remove(&name).flatten(), again) {
            (Some(before), again) => {
                assert_eq!(again.as_ref(), Some(&before), "{name}: another answer");
                made_once.insert(name, Some(before));
            }
            (None, Some(made)) => drop(made_once.insert(name, Some(made))),
            (None, None) => begun.push(name),
        }
    }
    let names = listed_as(address, key, "keys?", "keys", "name");
    let count = |name: &String| names.iter().filter(|listed| *listed == name).count();
    assert!(made_once.keys().all(|name| count(name) == 1), "made twice, or not at all");
    assert!(begun.iter().all(|name| count(name) <= 1), "made twice");
}

fn listed(address: SocketAddr, key: Key<'_>, list: &str, member: &str) -> HashSet<String> {
    listed_as(address, key, &format!("{list}?"), list, member).into_iter().collect()
}

/// One member of every entry of a list, all pages of it.
fn listed_as(address: SocketAddr, key: Key<'_>, path: &str, list: &str, member: &str) -> Vec<String> {
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
fn send(address: SocketAddr, key: Key<'_>, method: &str, path: &str, body: &Value) -> Option<Value> {
    send_with(address, key, method, path, "", body)
}

/// The same with more headers.
fn send_with(
    address: SocketAddr,
    key: Key<'_>,
    method: &str,
    path: &str,
    headers: &str,
    body: &Value,
) -> Option<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let Key { app_id, text } = key;
    let (length, slash) = (body.len(), if path.is_empty() { "" } else { "/" });
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    let head = format!(
        "{method} /v1/apps/{app_id}{slash}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {text}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).ok())?
}
