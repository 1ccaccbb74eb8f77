//! Nodes that share one PostgreSQL: what each sees of the others, and what it does while the database is away.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    harness::{Answer, Installation, Server, eventually, http},
    postgres_server::Server as Postgres,
};

/// How old news of revocations may be for a token to be called good.
const STALE: Duration = Duration::from_secs(60);
const KEY: [&str; 8] = ["key", "create", "--app-id", "77", "--right", "mint", "--right", "admin"];

/// An installation on PostgreSQL with app 77, and a key with every right that matters here.
fn installation(postgres: &Postgres) -> (Installation, String) {
    installation_on(&postgres.database())
}

fn installation_on(url: &str) -> (Installation, String) {
    let (installation, _) = Installation::on(url).with_app();
    let rights = ["--right", "introspect", "--right", "explain", "--right", "revoke", "--right", "read"];
    let key = installation.operate(&[&KEY[..], &rights].concat());
    let key = key["backend_key"].as_str().unwrap().to_owned();
    (installation, key)
}

struct Node {
    server: Server,
    key: String,
}

impl Node {
    fn start(installation: &Installation, key: &str) -> Self {
        Self { server: Server::serve(&installation.config()), key: key.to_owned() }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.key);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http(self.server.address, method, &format!("/v1/apps/77{path}"), &headers, &body)
    }

    /// What must succeed.
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    fn mint(&self, user_id: &str) -> Answer {
        self.call("POST", "/tokens", &json!({"user_id": user_id}))
    }

    fn token(&self, user_id: &str) -> String {
        // A server that is late with everything puts minting off.
        let minted = eventually(|| {
            let answer = self.mint(user_id);
            assert!([200, 503].contains(&answer.status), "{answer:?}");
            (answer.status == 200).then_some(answer.body)
        });
        minted["token"].as_str().unwrap().to_owned()
    }

    fn is_active(&self, token: &str) -> bool {
        self.done("POST", "/tokens/introspect", &json!({"token": token}))["active"].as_bool().unwrap()
    }

    /// The code of the refusal of a login.
    fn refusal(&self, token: &str, user_id: &str) -> Option<String> {
        let body = json!({"token": token, "user_id": user_id, "room_id": "r"});
        self.done("POST", "/tokens/explain", &body)["code"].as_str().map(str::to_owned)
    }
}

// proves T41, F13
#[test]
fn what_one_node_changes_another_follows_within_two_seconds() {
    let (installation, key) = installation(Postgres::shared());
    let (here, there) = (Node::start(&installation, &key), Node::start(&installation, &key));
    let measure = |what: &str, seen: &dyn Fn() -> bool| {
        let start = Instant::now();
        eventually(|| seen().then_some(()));
        let took = start.elapsed();
        println!("{what} seen by the other node after {took:?}");
        assert!(took < Duration::from_secs(2), "{what}: {took:?}");
    };

    here.done("PATCH", "", &json!({"version": 1, "settings": {"enabled": false}}));
    measure("app switched off", &|| there.mint("a").status == 403);
    here.done("PATCH", "", &json!({"version": 2, "settings": {"enabled": true}}));
    measure("app switched on", &|| there.mint("a").status == 200);

    let made = here.done("POST", "/keys", &json!({"name": "new", "rights": ["mint"]}));
    let new_key = made["backend_key"].as_str().unwrap().to_owned();
    let status = || there.server.mint_with(&new_key, "77", &json!({"user_id": "a"})).status;
    measure("key made", &|| status() == 200);
    here.done("DELETE", &format!("/keys/{}", made["key_id"].as_str().unwrap()), &Value::Null);
    measure("key removed", &|| status() == 401);

    let sealed_before = there.token("a");
    here.done("POST", "/secrets/rotate", &json!({"overlap_secs": 0}));
    measure("rotation", &|| !there.is_active(&sealed_before));
    let sealed_after = there.token("a");
    assert!(here.is_active(&sealed_after));

    here.done("POST", "/tokens/revoke", &json!({"user_id": "a"}));
    measure("revocation", &|| !there.is_active(&sealed_after));
    let token = there.token("b");
    let ban = here.done("POST", "/bans", &json!({"user_id": "b"}));
    measure("ban", &|| there.refusal(&token, "b").as_deref() == Some("banned"));
    let lift = format!("/bans/{}", ban["ban"]["ban_id"].as_str().unwrap());
    here.done("DELETE", &lift, &Value::Null);
    measure("ban lifted", &|| there.refusal(&token, "b").is_none());

    // One node is gone; the other serves, and what starts again has forgotten nothing.
    here.server.signal("KILL");
    assert_eq!(there.mint("c").status, 200);
    let again = Node::start(&installation, &key);
    assert!(!again.is_active(&sealed_after) && !again.is_active(&sealed_before));
    assert!(again.is_active(&token));
}

// proves T41 (without announcements), F2 (announcements of the database are lost)
#[test]
fn a_change_is_seen_within_two_seconds_though_listeners_are_cut_off_again_and_again() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let database = url.rsplit('/').next().unwrap();
    let (installation, key) = installation_on(&url);
    let (here, there) = (Node::start(&installation, &key), Node::start(&installation, &key));
    let cut_off = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = '{database}' AND query LIKE 'LISTEN%'"
    );
    let cut = || postgres.sql(database, &cut_off).parse::<u32>().unwrap();
    for round in 0..6 {
        // Both listen again, or the cut would be of nothing.
        let mut listeners = 0;
        eventually(|| {
            listeners += cut();
            (listeners >= 2).then_some(())
        });
        let user_id = format!("u{round}");
        let token = there.token(&user_id);
        assert!(there.is_active(&token));
        here.done("POST", "/tokens/revoke", &json!({ "user_id": user_id }));
        let revoked = Instant::now();
        // And whoever has come back to hear of it.
        cut();
        eventually(|| (!there.is_active(&token)).then_some(()));
        println!("seen {:?} after the answer", revoked.elapsed());
        assert!(revoked.elapsed() < Duration::from_secs(2), "{:?}", revoked.elapsed());
    }
}

// proves F1 (a hang of seconds in every run; one of five minutes passed)
#[test]
fn while_the_database_hangs_tokens_go_on_and_changes_wait() {
    let postgres = Postgres::start("");
    let (installation, key) = installation(&postgres);
    let node = Node::start(&installation, &key);
    let (token, ended) = (node.token("a"), node.token("b"));
    node.done("POST", "/tokens/revoke", &json!({"user_id": "b"}));
    assert_eq!(node.server.get("/readyz").status, 200);

    #[expect(clippy::disallowed_methods, reason = "how long it hangs is for whoever runs the tests")]
    let hang = Duration::from_secs(std::env::var("ROOMPASS_HANG_SECS").map_or(0, |secs| secs.parse().unwrap()));
    let hung = Instant::now();
    postgres.signal("STOP");
    let refused = node.call("POST", "/bans", &json!({"user_id": "c"}));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("\r\nretry-after: "), "{refused:?}");
    assert_eq!(node.server.get("/readyz").status, 503);
    assert_eq!(node.server.get("/healthz").status, 200);
    for _ in 0..20 {
        let mint = node.mint("a");
        assert_eq!((mint.status, &mint.body["code"]), (503, &json!("audit_unavailable")), "nothing without a record");
        assert!(node.is_active(&token) && !node.is_active(&ended));
    }
    // Now of all times somebody asks why.
    assert_eq!(node.refusal(&ended, "b").as_deref(), Some("token_revoked"));
    assert_eq!(node.refusal(&token, "c").as_deref(), Some("token_user_mismatch"));
    while hung.elapsed() < hang {
        // Waits for the database, as long as anything does.
        assert_eq!(node.call("POST", "/bans", &json!({"user_id": "c"})).status, 503);
        let before = hung.elapsed();
        let good = node.call("POST", "/tokens/introspect", &json!({"token": token}));
        let bad = node.call("POST", "/tokens/introspect", &json!({"token": ended}));
        if hung.elapsed() < STALE {
            assert!(good.body["active"] == true && bad.body["active"] == false, "{good:?}, {bad:?}");
        } else if before > STALE + Duration::from_secs(1) {
            assert_eq!((good.status, bad.status), (503, 503), "nobody has heard of revocations for a minute");
        }
        assert_eq!((node.server.get("/healthz").status, node.server.get("/readyz").status), (200, 503));
    }

    for (what, recover) in
        [("goes on", &(|| postgres.signal("CONT")) as &dyn Fn()), ("has crashed and is back", &|| postgres.restart())]
    {
        recover();
        let back = Instant::now();
        eventually(|| (node.call("POST", "/bans", &json!({"user_id": "c"})).status == 200).then_some(()));
        eventually(|| (node.server.get("/readyz").status == 200).then_some(()));
        assert_eq!(node.mint("a").status, 200);
        println!("changes are taken again {:?} after the database {what}", back.elapsed());
        assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
        assert!(node.is_active(&token) && !node.is_active(&ended));
    }
}

// proves F14 (a database that is not there)
#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let installation = Installation::on("postgres://roompass:hunter2@127.0.0.1:1/roompass");
    let line = crate::harness::refusal(&mut installation.serve());
    assert!(line.starts_with("store.url: "), "{line}");
    assert!(!line.contains("hunter2"), "{line}");
    let config = fs::read_to_string(installation.config()).unwrap();
    fs::write(installation.config(), config.replace(":hunter2", "")).unwrap();
    assert!(crate::harness::refusal(&mut installation.serve()).starts_with("store.url: "));
}
