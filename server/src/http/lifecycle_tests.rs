//! The life of tokens after mint, over real sockets.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rand::rngs::SysRng;
use serde_json::{Value, json};
use token_gen::{AppId, UnixSeconds};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Config, Credentials, Running,
    admin::{KeyKind, NewKey},
    app,
    apps::{AppSettings, AuthMode, FormatName},
    clock::ManualClock,
    keys::{Right, Scope},
    sealing::MasterKey,
    store::Location,
};

const NOW: i64 = 1_800_000_000;

struct Server {
    running: Running,
    clock: Arc<ManualClock>,
    /// A key with every right, of each app.
    keys: HashMap<u32, String>,
}

struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// The code of the problem, and the field it names.
    #[track_caller]
    fn problem(&self) -> (u16, String, Option<String>) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        let problem = self.json();
        (self.status, problem["code"].as_str().unwrap().to_owned(), problem["field"].as_str().map(str::to_owned))
    }
}

fn config(location: Location, master_key: &MasterKey) -> Config {
    let mut config = Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key.clone());
    config.store = location.into();
    config
}

async fn start(config: Config, now: i64) -> Server {
    crate::trace::keep(crate::telemetry::filter("trace").unwrap());
    let clock = Arc::new(ManualClock::new(UnixSeconds::new(now)));
    let running = app::start(config, clock.clone()).await.unwrap();
    Server { running, clock, keys: HashMap::new() }
}

impl Server {
    /// Apps 7 and 8.
    async fn new() -> Self {
        let master_key = MasterKey::generate(&mut SysRng).unwrap();
        let mut server = start(config(Location::Memory, &master_key), NOW).await;
        for app_id in [7, 8] {
            server.create_app(AppSettings::new(AppId::new(app_id).unwrap(), "app")).await;
        }
        server
    }

    async fn create_app(&mut self, settings: AppSettings) -> Credentials {
        let credentials = self.running.create_app(settings).await.unwrap();
        let app = &credentials.app;
        [credentials.backend_key.expose(), app.app_sign.expose(), app.server_secret.expose()]
            .into_iter()
            .for_each(crate::kept::note_secret);
        self.keys.insert(credentials.app.app_id.get(), credentials.backend_key.expose().to_owned());
        credentials
    }

    async fn key(&self, scope: Scope) -> String {
        let new = NewKey {
            app_id: AppId::new(7).ok(),
            name: "key".to_owned(),
            scope,
            expire_at: None,
            kind: KeyKind::Bearer,
        };
        self.running.service().admin.create_key(new).await.unwrap().expose().to_owned()
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let host = self.running.url().replace("http://", "");
        let mut stream = TcpStream::connect(&host).await.unwrap();
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        if !body.is_empty() {
            text.push_str("content-type: application/json\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned()));
        Reply { status, headers: headers.collect(), body: body.to_owned() }
    }

    async fn as_caller(&self, key: &str, method: &str, path: &str, body: Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("authorization", &format!("Bearer {key}"))], &body).await
    }

    async fn post(&self, path: &str, body: Value) -> Reply {
        self.as_caller(&self.keys[&7], "POST", &format!("/v1/apps/7/{path}"), body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.as_caller(&self.keys[&7], "GET", &format!("/v1/apps/7/{path}"), Value::Null).await
    }

    async fn mint(&self, body: Value) -> String {
        self.post("tokens", body).await.ok()["token"].as_str().unwrap().to_owned()
    }

    async fn is_active(&self, token: &str) -> bool {
        self.post("tokens/introspect", json!({ "token": token })).await.ok()["active"].as_bool().unwrap()
    }
}

#[tokio::test]
async fn introspection_tells_the_owner_what_an_active_token_says() {
    let server = Server::new().await;
    let request = json!({"user_id":"u","room_id":"r","privileges":["login"],"ttl_secs":60});
    let token = server.mint(request).await;
    let reply = server.post("tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.headers["roompass-server-time"], NOW.to_string());
    let mut active = reply.ok();
    let secret_id = active["secret_id"].take();
    assert!(!secret_id.as_str().unwrap().is_empty());
    let expected = json!({
        "active": true, "token_id": token_gen::TokenId::of(&token).as_str(), "app_id": 7, "user_id": "u",
        "room_id": "r", "privileges": ["login"],
        "payload": r#"{"room_id":"r","privilege":{"1":1,"2":0},"stream_id_list":null}"#,
        "format": "04", "cipher": "gcm", "secret_id": null, "issued_at": NOW, "expire_at": NOW + 60,
        "revoked": false, "server_time": NOW,
    });
    assert_eq!(active, expected);
    server.clock.advance(Duration::from_secs(59));
    assert!(server.is_active(&token).await);
    server.clock.advance(Duration::from_secs(1));
    assert!(!server.is_active(&token).await);
}

#[tokio::test]
async fn introspection_tells_the_owner_that_and_what_a_token_was_revoked() {
    let server = Server::new().await;
    let token = server.mint(json!({"user_id":"u","room_id":"r","terms":{"room_ids":["r2"]}})).await;
    let before = server.post("tokens/introspect", json!({ "token": token })).await.ok();
    assert_eq!(before["terms"]["room_ids"], json!(["r", "r2"]));
    server.post("tokens/revoke", json!({ "token": token })).await.ok();
    let mut after = server.post("tokens/introspect", json!({ "token": token })).await.ok();
    assert_eq!((&after["active"], &after["revoked"]), (&json!(false), &json!(true)));
    (after["active"], after["revoked"]) = (json!(true), json!(false));
    assert_eq!(after, before);
    let bound = Scope { rights: vec![Right::Introspect], room_prefix: "class-".to_owned(), ..Scope::default() };
    let bound = server.key(bound).await;
    let reply = server.as_caller(&bound, "POST", "/v1/apps/7/tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.body, r#"{"active":false}"#);
    server.clock.advance(Duration::from_secs(24 * 3600));
    let reply = server.post("tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.body, r#"{"active":false}"#, "past its time it is like any other");
}

// proves T42
#[tokio::test]
async fn whatever_is_not_active_or_not_ours_is_told_apart_by_nobody() {
    let server = Server::new().await;
    let token = server.mint(json!({"user_id":"u","room_id":"r"})).await;
    let foreign = server.as_caller(&server.keys[&8], "POST", "/v1/apps/8/tokens", json!({"user_id":"u"})).await;
    let foreign = foreign.ok()["token"].as_str().unwrap().to_owned();
    let expired = server.mint(json!({"user_id":"u","ttl_secs":1})).await;
    server.clock.advance(Duration::from_secs(1));
    let mut flipped = token.clone().into_bytes();
    flipped[40] ^= 1;
    let flipped = String::from_utf8(flipped).unwrap();
    for text in ["", "04", "x", &"04".repeat(5000), &foreign, &expired, &flipped, &format!("{token} ")] {
        let reply = server.post("tokens/introspect", json!({ "token": text })).await;
        assert_eq!((reply.status, &*reply.body), (200, r#"{"active":false}"#), "{text}");
    }
    let bound = Scope { rights: vec![Right::Introspect], room_prefix: "class-".to_owned(), ..Scope::default() };
    let bound = server.key(bound).await;
    let reply = server.as_caller(&bound, "POST", "/v1/apps/7/tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.body, r#"{"active":false}"#);
    assert!(server.is_active(&token).await);

    let body = json!({ "token": token }).to_string();
    let anonymous = server.send("POST", "/v1/apps/7/tokens/introspect", &[], &body).await;
    assert_eq!(anonymous.problem().1, "unauthorized");
    let elsewhere =
        server.as_caller(&server.keys[&8], "POST", "/v1/apps/7/tokens/introspect", json!({ "token": token }));
    assert_eq!(elsewhere.await.problem().1, "app_unknown");
    let minter = server.key(Scope::default()).await;
    let reply = server.as_caller(&minter, "POST", "/v1/apps/7/tokens/introspect", json!({ "token": token })).await;
    assert_eq!(reply.problem().1, "forbidden");
}

// proves T20 (tokens and bans)
#[tokio::test]
async fn through_its_own_app_nobody_reaches_tokens_and_bans_of_another() {
    let server = Server::new().await;
    let token = server.mint(json!({"user_id":"u"})).await;
    let ban = server.post("bans", json!({"user_id":"u"})).await.ok()["ban"]["ban_id"].as_str().unwrap().to_owned();
    let introspected =
        server.as_caller(&server.keys[&8], "POST", "/v1/apps/8/tokens/introspect", json!({ "token": token }));
    assert_eq!(introspected.await.json()["active"], false);
    let path = format!("/v1/apps/8/bans/{ban}");
    let lifted = server.as_caller(&server.keys[&8], "DELETE", &path, Value::Null).await;
    assert_eq!(lifted.problem().1, "not_found");
    server.as_caller(&server.keys[&8], "POST", "/v1/apps/8/tokens/revoke", json!({ "token": token })).await.ok();
    server.as_caller(&server.keys[&8], "POST", "/v1/apps/8/tokens/revoke", json!({"whole_app":true})).await.ok();
    assert!(server.is_active(&token).await);
    assert_eq!(server.get("bans").await.ok()["bans"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_target_ends_what_was_issued_up_to_its_second() {
    for (target, hits_identity) in [
        (json!({"user_id":"u"}), true),
        (json!({"room_id":"r"}), false),
        (json!({"user_id":"u","room_id":"r"}), false),
        (json!({"whole_app":true}), true),
    ] {
        let server = Server::new().await;
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(server.mint(json!({"user_id":"u","room_id":"r"})).await);
            server.clock.advance(Duration::from_secs(1));
        }
        let identity = server.mint(json!({"user_id":"u"})).await;
        let other = server.mint(json!({"user_id":"v","room_id":"s"})).await;

        let mut earlier = target.clone();
        earlier["issued_before"] = json!(NOW + 1);
        let revoked = server.post("tokens/revoke", earlier).await.ok();
        assert_eq!(revoked["revocation"]["issued_before"], NOW + 1);
        assert_eq!(revoked["server_time"], NOW + 3);
        let active = join_all(tokens.iter().map(|token| server.is_active(token))).await;
        assert_eq!(active, [false, false, true], "{target}");

        let stronger = server.post("tokens/revoke", target.clone()).await.ok();
        assert_eq!(stronger["revocation"]["revocation_id"], revoked["revocation"]["revocation_id"]);
        assert!(!server.is_active(&tokens[2]).await);
        assert_eq!(server.is_active(&identity).await, !hits_identity, "{target}");
        assert_eq!(server.is_active(&other).await, target["whole_app"].is_null(), "{target}");
        server.clock.advance(Duration::from_secs(1));
        assert!(server.is_active(&server.mint(json!({"user_id":"u","room_id":"r"})).await).await, "{target}");
        assert_eq!(server.get("revocations").await.ok()["revocations"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn one_token_is_ended_by_its_text_its_kit_text_or_its_name() {
    let server = Server::new().await;
    let other = server.mint(json!({"user_id":"u","room_id":"r"})).await;
    for by in ["token", "kit_token", "token_id"] {
        let request = json!({"user_id":"u","room_id":"r","kit":true});
        let minted = server.post("tokens", request).await.ok();
        let token = minted["token"].as_str().unwrap();
        let field = if by == "token_id" { "token_id" } else { "token" };
        let revoked = server.post("tokens/revoke", json!({ field: minted[by], "reason": "lost phone" })).await.ok();
        let revocation = &revoked["revocation"];
        assert_eq!((&revocation["kind"], &revocation["token_id"]), (&json!("token"), &minted["token_id"]));
        assert_eq!((&revocation["reason"], &revocation["issued_before"]), (&json!("lost phone"), &Value::Null));
        let forgotten_at = if by == "token_id" { json!(NOW + 24 * 86_400 + 60) } else { minted["expire_at"].clone() };
        assert_eq!(revocation["expire_at"], forgotten_at);
        assert!(!server.is_active(token).await, "{by}");
    }
    assert!(server.is_active(&other).await);
    // Nobody learns whether a text is a token, and twice is fine.
    for _ in 0..2 {
        assert_eq!(server.post("tokens/revoke", json!({"token":"04unknown"})).await.status, 200);
    }
}

// proves T20
#[tokio::test]
async fn a_key_bound_to_rooms_reads_no_list_of_all_rooms() {
    let server = Server::new().await;
    let bound = Scope { rights: vec![Right::Read], room_prefix: "class-".to_owned(), ..Scope::default() };
    let bound = server.key(bound).await;
    let read = server.key(Scope { rights: vec![Right::Read], ..Scope::default() }).await;
    for list in ["/v1/apps/7/revocations", "/v1/apps/7/bans"] {
        assert_eq!(server.as_caller(&bound, "GET", list, Value::Null).await.problem().1, "forbidden", "{list}");
        assert_eq!(server.as_caller(&read, "GET", list, Value::Null).await.status, 200, "{list}");
    }
}

#[tokio::test]
async fn a_key_bound_to_rooms_ends_and_bans_in_those_rooms_only() {
    let server = Server::new().await;
    let scope = Scope { rights: vec![Right::Revoke], room_prefix: "class-".to_owned(), ..Scope::default() };
    let key = server.key(scope).await;
    let inside = server.mint(json!({"user_id":"u","room_id":"class-1"})).await;
    let outside = server.mint(json!({"user_id":"u","room_id":"lobby"})).await;
    let lobby_ban = server.post("bans", json!({"room_id":"lobby"})).await.ok()["ban"]["ban_id"].clone();
    let send =
        async |path: &str, body: Value| server.as_caller(&key, "POST", &format!("/v1/apps/7/{path}"), body).await;
    for (path, body) in [
        ("tokens/revoke", json!({"user_id":"u"})),
        ("tokens/revoke", json!({"whole_app":true})),
        ("tokens/revoke", json!({"room_id":"lobby"})),
        ("tokens/revoke", json!({"user_id":"u","room_id":"clas"})),
        ("tokens/revoke", json!({ "token": outside })),
        ("tokens/revoke", json!({ "token_id": token_gen::TokenId::of(&inside).as_str() })),
        ("tokens/revoke", json!({"token":"04unknown"})),
        ("bans", json!({"user_id":"u"})),
        ("bans", json!({"room_id":"lobby"})),
        ("bans", json!({"ip_range":"0.0.0.0/0"})),
    ] {
        let reply = send(path, body.clone()).await;
        assert_eq!(reply.problem(), (422, "field_invalid".to_owned(), Some("room_id".to_owned())), "{body}");
    }
    let lift = format!("/v1/apps/7/bans/{}", lobby_ban.as_str().unwrap());
    assert_eq!(server.as_caller(&key, "DELETE", &lift, Value::Null).await.problem().0, 422);
    assert!(server.is_active(&inside).await && server.is_active(&outside).await);
    send("tokens/revoke", json!({ "token": inside })).await.ok();
    send("bans", json!({"user_id":"u","room_id":"class-1"})).await.ok();
    assert!(!server.is_active(&inside).await);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = Server::new().await;
    for number in 0..7 {
        server.post("tokens/revoke", json!({"user_id": format!("u{number}")})).await.ok();
        server.post("bans", json!({"user_id": format!("u{number}")})).await.ok();
    }
    for (list, id) in [("revocations", "revocation_id"), ("bans", "ban_id")] {
        let (mut cursor, mut seen) = (String::new(), Vec::new());
        loop {
            let page = server.get(&format!("{list}?limit=3{cursor}")).await.ok();
            let entries = page[list].as_array().unwrap();
            seen.extend(entries.iter().map(|entry| entry[id].as_str().unwrap().to_owned()));
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 7, "{list}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 7, "{list}");
    }
}

#[tokio::test]
async fn a_ban_is_made_listed_made_anew_and_lifted() {
    let server = Server::new().await;
    let ban = server.post("bans", json!({"user_id":"u","duration_secs":60,"reason":"spam"})).await.ok();
    let ban = &ban["ban"];
    assert_eq!((&ban["kind"], &ban["expire_at"], &ban["reason"]), (&json!("user"), &json!(NOW + 60), &json!("spam")));
    let again = server.post("bans", json!({"user_id":"u"})).await.ok();
    assert_eq!((&again["ban"]["ban_id"], &again["ban"]["expire_at"]), (&ban["ban_id"], &Value::Null));
    assert_eq!(server.get("bans").await.ok()["bans"], json!([again["ban"]]));
    let path = format!("/v1/apps/7/bans/{}", ban["ban_id"].as_str().unwrap());
    let lift = || server.as_caller(&server.keys[&7], "DELETE", &path, Value::Null);
    assert_eq!(lift().await.ok(), json!({"server_time": NOW}));
    assert_eq!(lift().await.problem().1, "not_found");
    for (range, kept) in [("203.0.113.7", "203.0.113.7/32"), ("2001:DB8::/32", "2001:db8::/32")] {
        assert_eq!(server.post("bans", json!({ "ip_range": range })).await.ok()["ban"]["ip_range"], kept);
    }
}

// proves T60
#[tokio::test]
async fn hostile_values_are_refused_with_their_field_and_never_fail_us() {
    let server = Server::new().await;
    let long = "x".repeat(600);
    let hostile = [
        "",
        "a\u{0}b",
        "a\r\nb",
        "\u{7f}",
        "a\tb",
        "\u{1b}[31m",
        "a\u{202e}b",
        "\u{2066}a",
        "\u{200f}",
        "\u{2028}",
        "\u{85}",
        &long,
    ];
    let mut tried = 0;
    let mut check = |reply: Reply, what: &str| {
        assert!([400, 404, 422].contains(&reply.status), "{what}: {} {}", reply.status, reply.body);
        assert_eq!(reply.headers["content-type"], "application/problem+json", "{what}");
        tried += 1;
    };
    let fields = [
        (
            "tokens",
            json!({"user_id":"u","room_id":"r","kit":true,"user_name":"n","stream_ids":["s"]}),
            vec!["user_id", "room_id"],
        ),
        ("tokens", json!({"user_id":"u","payload":"p"}), vec!["user_id"]),
        ("tokens/revoke", json!({"user_id":"u","room_id":"r","reason":"x"}), vec!["user_id", "room_id", "reason"]),
        ("tokens/revoke", json!({"token_id":"x"}), vec!["token_id"]),
        ("tokens/revoke", json!({"token":"04x"}), vec!["token"]),
        ("bans", json!({"user_id":"u","room_id":"r","reason":"x"}), vec!["user_id", "room_id", "reason"]),
        ("bans", json!({"ip_range":"x"}), vec!["ip_range"]),
        ("tokens/explain", json!({"token":"04x","ip_address":"x"}), vec!["ip_address"]),
    ];
    for (path, good, names) in &fields {
        for name in names {
            for value in hostile.iter().filter(|value| *name != "token" || !value.starts_with('x')) {
                let mut body = good.clone();
                body[*name] = json!(value);
                check(server.post(path, body).await, &format!("{path} {name} {value:?}"));
            }
            for value in [json!(1), json!(null), json!([]), json!({}), json!(true), json!(1e300)] {
                if value.is_null() && *name != "user_id" {
                    continue;
                }
                let mut body = good.clone();
                body[*name] = value.clone();
                body["unknown"] = json!(1);
                check(server.post(path, body).await, &format!("{path} {name} {value}"));
            }
        }
    }
    for value in [
        "'; DROP TABLE bans; --",
        "../../etc/passwd",
        "%00",
        "a b",
        "-1",
        "9223372036854775808",
        "%2e%2e",
        "\"",
        "AAAA",
    ] {
        let value = value.replace(' ', "%20").replace('"', "%22");
        for query in [
            format!("limit={value}"),
            format!("cursor={value}"),
            format!("sort={value}"),
            format!("limit=1&limit={value}"),
        ] {
            for list in ["revocations", "bans"] {
                check(server.get(&format!("{list}?{query}")).await, &query);
            }
        }
        let path = format!("/v1/apps/7/bans/{}", value.replace('/', "%2f"));
        check(server.as_caller(&server.keys[&7], "DELETE", &path, Value::Null).await, &path);
    }
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=9223372036854775808",
        "limit=",
        "cursor=",
        "limit=1&limit=2",
        "page_size=1",
    ] {
        check(server.get(&format!("bans?{query}")).await, query);
    }
    for (path, body) in [
        ("tokens/revoke", json!({})),
        ("tokens/revoke", json!({"whole_app":false})),
        ("tokens/revoke", json!({"whole_app":true,"user_id":"u"})),
        ("tokens/revoke", json!({"token":"04x","token_id":"47DEQpj8HBSa-_TImW-5JC"})),
        ("tokens/revoke", json!({"token":"04x","room_id":"r"})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":NOW + 31})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":-1})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":1.5})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":i64::MAX})),
        ("tokens/revoke", json!({"user_id":"u","issued_before":u64::MAX})),
        ("bans", json!({})),
        ("bans", json!({"user_id":"u","ip_range":"10.0.0.0/8"})),
        ("bans", json!({"ip_range":"10.0.0.1/8"})),
        ("bans", json!({"user_id":"u","duration_secs":0})),
        ("bans", json!({"user_id":"u","duration_secs":-1})),
        ("bans", json!({"user_id":"u","duration_secs":u64::MAX})),
        ("tokens/batch", json!({})),
        ("tokens/batch", json!({"items":[]})),
        ("tokens/batch", json!({"items":vec![json!({"user_id":"u"}); 1001]})),
        ("tokens/batch", json!({"items":[{"user_id":"u","x":1}]})),
    ] {
        check(server.post(path, body.clone()).await, &format!("{path} {body}"));
    }
    println!("{tried} hostile requests refused");
    assert!(tried >= 300, "{tried}");
    assert_eq!(server.get("revocations").await.ok()["revocations"], json!([]));
    assert_eq!(server.get("bans").await.ok()["bans"], json!([]));
}

#[tokio::test]
async fn a_batch_answers_each_item_in_its_place() {
    let server = Server::new().await;
    let mut items = vec![json!({"user_id":"u"}); 1000];
    items[1] = json!({"user_id":"a b"});
    items[2] = json!({"user_id":"u","ttl_secs":999_999});
    items[999] = json!({"user_id":"last"});
    let answer = server.post("tokens/batch", json!({ "items": items })).await.ok();
    let answers = answer["items"].as_array().unwrap();
    assert_eq!((answers.len(), &answer["server_time"]), (1000, &json!(NOW)));
    assert_eq!(
        (&answers[1]["problem"]["code"], &answers[1]["problem"]["field"]),
        (&json!("user_id_invalid"), &json!("user_id"))
    );
    assert_eq!(answers[2]["problem"]["field"], "ttl_secs");
    assert_eq!(answers.iter().filter(|item| item["token"].is_string()).count(), 998);
    let last = server.post("tokens/introspect", json!({ "token": answers[999]["token"] })).await.ok();
    assert_eq!(last["user_id"], "last");
}

// proves S5
#[tokio::test]
async fn a_request_with_a_key_is_done_once_and_answered_the_same() {
    let server = Server::new().await;
    let bearer = format!("Bearer {}", server.keys[&7]);
    let send = async |path: &str, key: &str, body: &str| {
        let headers = [("authorization", &*bearer), ("idempotency-key", key)];
        server.send("POST", &format!("/v1/apps/7/{path}"), &headers, body).await
    };
    let first = send("tokens", "k1", r#"{"user_id":"u"}"#).await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    server.clock.advance(Duration::from_secs(24 * 3600 - 1));
    let again = send("tokens", "k1", r#"{"user_id":"u"}"#).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!((&*again.headers["idempotency-replayed"], &*again.headers["cache-control"]), ("true", "no-store"));
    for (path, body) in [("tokens", r#"{"user_id":"v"}"#), ("tokens/batch", r#"{"user_id":"u"}"#)] {
        assert_eq!(send(path, "k1", body).await.problem(), (422, "idempotency_key_reused".to_owned(), None));
    }
    server.clock.advance(Duration::from_secs(1));
    assert_ne!(send("tokens", "k1", r#"{"user_id":"u"}"#).await.ok()["token"], first.json()["token"]);

    // A refusal is not remembered: put right, the request goes through.
    assert_eq!(send("tokens", "k2", r#"{"user_id":"a b"}"#).await.status, 422);
    send("tokens", "k2", r#"{"user_id":"u"}"#).await.ok();
    for bad in ["", "a b", &"k".repeat(129)] {
        assert_eq!(send("tokens", bad, r#"{"user_id":"u"}"#).await.problem().0, 400, "{bad}");
    }
    let twice = [("authorization", &*bearer), ("idempotency-key", "a"), ("idempotency-key", "a")];
    assert_eq!(server.send("POST", "/v1/apps/7/tokens", &twice, r#"{"user_id":"u"}"#).await.problem().0, 400);

    // Another caller's key of the same name is another key.
    let other = format!("Bearer {}", server.key(Scope::default()).await);
    let headers = [("authorization", &*other), ("idempotency-key", "k2")];
    let reply = server.send("POST", "/v1/apps/7/tokens", &headers, r#"{"user_id":"w"}"#).await;
    assert!(!reply.headers.contains_key("idempotency-replayed"));
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn of_many_requests_with_one_key_one_is_done() {
    let server = Server::new().await;
    let bearer = format!("Bearer {}", server.keys[&7]);
    let headers = [("authorization", &*bearer), ("idempotency-key", "race")];
    let send = || server.send("POST", "/v1/apps/7/tokens", &headers, r#"{"user_id":"u"}"#);
    let replies = join_all((0..20).map(|_| send())).await;
    let settled = send().await;
    let mut fresh = 0;
    for reply in &replies {
        match reply.status {
            200 => assert_eq!(reply.body, settled.body),
            _ => assert_eq!(reply.problem(), (409, "idempotency_key_busy".to_owned(), None)),
        }
        fresh += usize::from(reply.status == 200 && !reply.headers.contains_key("idempotency-replayed"));
    }
    assert_eq!(fresh, 1);
}

// proves S1, T41 (restart)
#[tokio::test]
async fn a_restart_revives_nothing_and_remembers_answers_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("roompass.db");
    let master_key = MasterKey::generate(&mut SysRng).unwrap();
    let mut server = start(config(Location::File(path.clone()), &master_key), NOW).await;
    server.create_app(AppSettings::new(AppId::new(7).unwrap(), "app")).await;
    let keys = server.keys.clone();
    let revoked = server.mint(json!({"user_id":"u"})).await;
    let kept = server.mint(json!({"user_id":"v"})).await;
    server.post("tokens/revoke", json!({"user_id":"u"})).await.ok();
    let ban = server.post("bans", json!({"user_id":"u"})).await.ok();
    let bearer = format!("Bearer {}", keys[&7]);
    let headers = [("authorization", &*bearer), ("idempotency-key", "k")];
    let minted = server.send("POST", "/v1/apps/7/tokens", &headers, r#"{"user_id":"w"}"#).await.ok();
    server.running.shutdown().await;

    let token = minted["token"].as_str().unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "a token in clear");
    }
    let mut server = start(config(Location::File(path), &master_key), NOW + 1).await;
    server.keys = keys;
    assert!(!server.is_active(&revoked).await);
    assert!(server.is_active(&kept).await);
    assert_eq!(server.get("bans").await.ok()["bans"], json!([ban["ban"]]));
    assert_eq!(server.send("POST", "/v1/apps/7/tokens", &headers, r#"{"user_id":"w"}"#).await.ok(), minted);
    // As after a restore from a backup.
    let service = server.running.service();
    assert_eq!(service.lifecycle.revoke_everything("restore", "restored", (NOW + 1).into()).await.unwrap(), 1);
    assert!(!server.is_active(&kept).await);
    server.clock.advance(Duration::from_secs(1));
    assert!(server.is_active(&server.mint(json!({"user_id":"v"})).await).await);
}

// proves F4
#[tokio::test]
async fn a_clock_set_back_stops_minting_and_verifying_until_somebody_has_looked() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::File(directory.path().join("roompass.db"));
    let master_key = MasterKey::generate(&mut SysRng).unwrap();
    let mut server = start(config(location.clone(), &master_key), NOW).await;
    server.create_app(AppSettings::new(AppId::new(7).unwrap(), "app")).await;
    let keys = server.keys.clone();
    let token = server.mint(json!({"user_id":"u","ttl_secs":1})).await;
    server.running.shutdown().await;

    for (now, accept_clock, works) in [
        (NOW - 60, false, true),
        (NOW - 61, false, false),
        (NOW - 86_400, false, false),
        (NOW - 86_400, true, true),
        (NOW - 86_400, false, true),
    ] {
        let mut config = config(location.clone(), &master_key);
        config.accept_clock = accept_clock;
        let mut server = start(config, now).await;
        server.keys = keys.clone();
        for (path, body) in [
            ("tokens", json!({"user_id":"u"})),
            ("tokens/batch", json!({"items":[{"user_id":"u"}]})),
            ("tokens/introspect", json!({ "token": token })),
        ] {
            let reply = server.post(path, body).await;
            assert_eq!(reply.status, if works { 200 } else { 503 }, "{path} at {now}");
            if !works {
                assert_eq!(reply.problem().1, "clock_behind");
            }
        }
        // Set right, it serves again by itself.
        server.clock.advance(Duration::from_secs(86_400));
        assert_eq!(server.post("tokens", json!({"user_id":"u"})).await.status, 200);
        server.running.shutdown().await;
        // What that start noted is not what the next one shall find.
        let store = crate::store::SqliteStore::open(&location).unwrap();
        let noted = if accept_clock { now } else { NOW };
        crate::store::RevocationStore::reset_time(&store, noted.into()).await.unwrap();
    }
}

// proves F1 (stale revocations)
#[tokio::test]
async fn without_news_of_revocations_no_token_is_called_good() {
    let server = Server::new().await;
    let token = server.mint(json!({"user_id":"u"})).await;
    server.running.service().revocations.complete(NOW.into());
    server.clock.advance(Duration::from_secs(61));
    assert_eq!(server.post("tokens/introspect", json!({ "token": token })).await.problem().0, 503);
    server.running.service().revocations.complete((NOW + 61).into());
    assert!(server.is_active(&token).await);
}

#[tokio::test]
async fn an_explanation_names_every_fault_and_its_remedy() {
    let mut server = Server::new().await;
    let good = server.mint(json!({"user_id":"u","room_id":"r"})).await;
    let attempt = json!({"token": good, "user_id":"u","room_id":"r","stream_id":"s","ip_address":"203.0.113.7"});
    let explained = server.post("tokens/explain", attempt.clone()).await.ok();
    assert_eq!((&explained["admitted"], &explained["findings"]), (&json!(true), &json!([])), "{explained}");
    assert_eq!((&explained["claims"]["user_id"], &explained["format"]), (&json!("u"), &json!("04")));
    let secret_id = explained["secret_id"].as_str().unwrap().to_owned();

    let codes = |explained: &Value| -> Vec<String> {
        explained["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["code"].as_str().unwrap().to_owned())
            .collect()
    };
    let with = |field: &str, value: Value| {
        let mut attempt = attempt.clone();
        attempt[field] = value;
        attempt
    };
    let narrow = server.mint(json!({"user_id":"u","room_id":"r","privileges":["login"]})).await;
    let short = server.mint(json!({"user_id":"u","room_id":"r","ttl_secs":1})).await;
    server.clock.advance(Duration::from_secs(1));
    for (attempt, code, finding) in [
        (with("user_id", json!("U")), "token_user_mismatch", "user_differs_by_case"),
        (with("room_id", json!("s")), "login_denied", "room_differs"),
        (with("token", json!(narrow)), "publish_denied", "publish_denied"),
        (with("token", json!(short)), "token_expired", "expired"),
        (with("token", json!(format!("{good}#x"))), "token_invalid", "kit"),
        (with("token", json!("")), "token_missing", "empty"),
        (with("token", json!("05x")), "token_version", "version_unknown"),
    ] {
        let explained = server.post("tokens/explain", attempt.clone()).await.ok();
        assert_eq!((&explained["admitted"], &explained["code"]), (&json!(false), &json!(code)), "{explained}");
        assert!(codes(&explained).iter().any(|found| found.contains(finding)), "{finding}: {explained}");
    }
    assert_eq!(server.post("tokens/explain", with("token", json!(short))).await.ok()["secret_id"], json!(secret_id));

    let once = server.mint(json!({"user_id":"u","room_id":"r","terms":{"single_use":true}})).await;
    assert_eq!(server.post("tokens/explain", with("token", json!(once))).await.ok()["admitted"], json!(true));
    let (app_id, token_id) = (AppId::new(7).unwrap(), token_gen::TokenId::of(&once));
    let store = &server.running.service().store;
    store.use_token(app_id, token_id.as_str(), "of alice", (NOW + 3600).into()).await.unwrap();
    let used = server.post("tokens/explain", with("token", json!(once))).await.ok();
    assert_eq!((&used["code"], codes(&used)), (&json!("token_used"), vec!["used".to_owned()]));
    assert_eq!(used["used_by"], "of alice");

    server.post("bans", json!({"ip_range":"203.0.113.0/24","reason":"flood"})).await.ok();
    let banned = server.post("tokens/explain", attempt.clone()).await.ok();
    assert_eq!((&banned["code"], codes(&banned)), (&json!("banned"), vec!["banned".to_owned()]));
    assert_eq!(banned["banned_by"]["reason"], "flood");
    server.post("tokens/revoke", json!({"user_id":"u","reason":"stolen"})).await.ok();
    let revoked = server.post("tokens/explain", attempt.clone()).await.ok();
    assert_eq!(
        (&revoked["code"], codes(&revoked)),
        (&json!("token_revoked"), vec!["revoked".to_owned(), "banned".to_owned()])
    );
    assert_eq!((&revoked["revoked_by"]["reason"], &revoked["revoked_by"]["user_id"]), (&json!("stolen"), &json!("u")));

    for (change, code, finding) in [
        ((|settings| settings.enabled = false) as fn(&mut AppSettings), "app_disabled", "app_disabled"),
        (|settings| settings.mode = AuthMode::AppSign, "app_sign_missing", "app_sign_missing"),
        (|settings| settings.require_privilege_token = true, "login_denied", "privilege_token_required"),
        (|settings| settings.identity_privileges = token_gen::Privileges::NONE, "login_denied", "login"),
        (
            |settings| {
                settings.formats = vec![FormatName::Token04Cbc];
                settings.cbc_policy = crate::apps::CbcPolicy::Offline;
                settings.cbc_until = Some(NOW + 3600);
            },
            "token_invalid",
            "cipher_not_accepted",
        ),
        (
            |settings| (settings.max_ttl_secs, settings.default_ttl_secs) = (60, 60),
            "token_invalid",
            "lifetime_too_long",
        ),
    ] {
        let app_id = AppId::new(100 + u32::try_from(server.keys.len()).unwrap()).unwrap();
        let mut settings = AppSettings::new(app_id, "app");
        change(&mut settings);
        let credentials = server.create_app(settings).await;
        let minter = token_gen::Minter::new(app_id, &credentials.app.server_secret);
        let request = token_gen::TokenRequest {
            user_id: token_gen::UserId::new("u").unwrap(),
            ttl: Duration::from_secs(3600),
            payload: token_gen::Payload::Identity,
        };
        let token = minter.mint(&request, NOW.into(), &mut SysRng).unwrap().token;
        let body = json!({"token": token, "user_id": "u", "room_id": "r"});
        let path = format!("/v1/apps/{app_id}/tokens/explain");
        let explained = server.as_caller(&server.keys[&app_id.get()], "POST", &path, body).await.ok();
        assert_eq!((&explained["admitted"], &explained["code"]), (&json!(false), &json!(code)), "{explained}");
        assert!(codes(&explained).contains(&finding.to_owned()), "{finding}: {explained}");
    }
}
