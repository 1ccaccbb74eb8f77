//! The operator's hand, over real sockets: what callers get, and what the users in the rooms hear.

mod nodes;
mod races;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rand::rngs::SysRng;
use roompass_wire::gateway::SUBPROTOCOL;
use serde_json::{Value, json};
use token_gen::{AppId, UnixSeconds};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    admin::{KeyKind, NewKey},
    app::Service,
    apps::AppSettings,
    audit::Origin,
    clock::ManualClock,
    config::Config,
    error::Error,
    http::{
        self,
        testing::{self, Api},
    },
    keys::{Caller, Right, Scope},
    limits::Quota,
    operator::{self, Kick, Who},
    sealing::MasterKey,
    store::{AuditFilter, AuditWalk},
    webhooks::Deliverer,
};

const NOW: i64 = 1_800_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    service: Arc<Service>,
    api: Api,
    address: SocketAddr,
}

struct Client {
    ws: WebSocketStream<TcpStream>,
    next_id: u64,
}

/// On a clock that stands still, nothing that is counted by the second comes back.
fn roomy(mut config: Config) -> Config {
    config.limits.key = Quota::per_second(1_000_000);
    config.limits.source = Quota::per_second(1_000_000);
    (config.gateway.max_waiting, config.gateway.max_waiting_per_source) = (10_000, 10_000);
    config
}

fn app(app_id: u32) -> AppSettings {
    AppSettings { room_logins_per_sec: 0, ..AppSettings::new(AppId::new(app_id).unwrap(), "app") }
}

impl World {
    async fn new() -> Self {
        let master_key = MasterKey::generate(&mut SysRng).unwrap();
        let config = roomy(Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key));
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(NOW)));
        let service = Arc::new(Service::open(&config, "http://rooms.test".to_owned(), clock).await.unwrap());
        for app_id in [7, 8] {
            service.admin.create_app(app(app_id)).await.unwrap();
        }
        Self::of(service).await
    }

    /// The world of a service with its apps.
    async fn of(service: Arc<Service>) -> Self {
        tokio::spawn(Arc::clone(&service.gateway).follow());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = http::router(Arc::clone(&service));
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let api = testing::over(&service).await;
        Self { service, api, address }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        Api::ok(self.api.call("POST", path, &body).await)
    }

    async fn get(&self, path: &str) -> Value {
        Api::ok(self.api.call("GET", path, &Value::Null).await)
    }

    /// A token for everything in `room_id`.
    async fn token(&self, user_id: &str, room_id: &str) -> String {
        let minted = self.post("/tokens", json!({ "user_id": user_id, "room_id": room_id })).await;
        minted["token"].as_str().unwrap().to_owned()
    }

    async fn connect(&self) -> Client {
        let mut request = format!("ws://{}/v1/gateway", self.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (ws, _) = client_async(request, stream).await.unwrap();
        let mut client = Client { ws, next_id: 0 };
        assert_eq!(client.hear().await["type"], "hello");
        client
    }

    /// The answer to a login, and the client.
    async fn login(&self, user_id: &str, room_id: &str, token: &str) -> (Value, Client) {
        let mut client = self.connect().await;
        let login = json!({ "app_id": 7, "user_id": user_id, "room_id": room_id, "token": token });
        (client.ask("login", login).await, client)
    }

    async fn enter(&self, user_id: &str, room_id: &str) -> (String, String, Client) {
        let token = self.token(user_id, room_id).await;
        let (answer, client) = self.login(user_id, room_id, &token).await;
        assert_eq!(answer["type"], "logged_in", "{answer}");
        (token, answer["session_id"].as_str().unwrap().to_owned(), client)
    }
}

impl Client {
    async fn hear(&mut self) -> Value {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.ws.next()).await.expect("nothing came");
            match frame.expect("closed").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => panic!("closed: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next message of this type; others are passed over.
    async fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let heard = self.hear().await;
            if heard["type"] == kind {
                return heard;
            }
        }
    }

    async fn ask(&mut self, kind: &str, members: Value) -> Value {
        self.next_id += 1;
        let mut message = json!({ "type": kind, "id": self.next_id });
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.ws.send(Message::text(message.to_string())).await.unwrap();
        loop {
            let heard = self.hear().await;
            if heard["id"] == self.next_id {
                return heard;
            }
        }
    }
}

#[tokio::test]
async fn an_app_that_does_not_exist_has_no_rooms_to_look_at() {
    let world = World::new().await;
    let nobodys = Caller { key_id: "key".to_owned(), app_id: AppId::new(99).unwrap(), scope: Scope::everything() };
    let (service, origin) = (&world.service, || Origin::SERVER);
    let arc = || (Arc::clone(service), nobodys.clone(), origin());
    let refusals = [
        operator::rooms(service, &nobodys, "", "", 1).await.map(drop),
        operator::sessions(service, &nobodys, &Who::All, "", "", 1).await.map(drop),
        operator::streams(service, &nobodys, (None, None), "", "", 1).await.map(drop),
        operator::room(service, &nobodys, "r").await.map(drop),
        {
            let (service, caller, origin) = arc();
            operator::stop_stream(service, caller, origin, "camera".to_owned()).await.map(drop)
        },
        {
            let (service, caller, origin) = arc();
            let who = Who::Room { room_id: "r".to_owned() };
            operator::kick(service, caller, origin, Kick { who, reason: None, keep_tokens: true, ban_until: None })
                .await
                .map(drop)
        },
    ];
    for refused in refusals {
        assert!(matches!(refused, Err(Error::AppUnknown)), "{refused:?}");
    }
}

#[tokio::test]
async fn an_operator_sees_with_what_rights_and_what_a_renewal_makes_of_them() {
    let world = World::new().await;
    let request = json!({
        "user_id": "alice", "room_id": "class-1", "privileges": ["login", "publish"], "stream_ids": ["camera"],
        "terms": {
            "play": false, "media": ["audio"], "publish_ttl_secs": 60, "max_stay_secs": 600, "on_expiry": "grace",
            "grace_secs": 30
        }
    });
    let minted = world.post("/tokens", request).await;
    let (answer, mut alice) = world.login("alice", "class-1", minted["token"].as_str().unwrap()).await;
    let listed = async |world: &World| world.get("/sessions").await["sessions"][0].clone();
    let seen = listed(&world).await;
    assert_eq!(seen["privileges"], json!(["login", "publish"]));
    let rights = json!({
        "publish_stream_ids": ["camera"], "media": ["audio"], "publish_until": NOW + 60, "stay_until": NOW + 600,
        "on_expiry": "kick", "expiry_grace_secs": 30
    });
    assert_eq!((&seen["rights"], &answer["rights"]), (&rights, &rights), "the client hears the same");
    let plain = world.token("alice", "class-1").await;
    assert_eq!(alice.ask("renew_token", json!({ "token": plain })).await["type"], "token_renewed");
    let seen = listed(&world).await;
    assert_eq!(seen["privileges"], json!(["login", "publish", "play"]));
    assert_eq!(seen["rights"], json!({ "on_expiry": "keep", "stay_until": NOW + 600 }), "no renewal puts off the end");
}

#[tokio::test]
async fn an_operator_sees_who_is_where_and_by_what() {
    let world = World::new().await;
    let (token, session_id, mut alice) = world.enter("alice", "class-1").await;
    let (_, _, _bob) = world.enter("bob", "lobby").await;
    alice.ask("publish", json!({ "stream_id": "camera" })).await;
    assert_eq!(
        world.get("/rooms").await["rooms"],
        json!([
            { "room_id": "class-1", "user_count": 1, "stream_count": 1 },
            { "room_id": "lobby", "user_count": 1, "stream_count": 0 }
        ])
    );
    let first = world.get("/rooms?limit=1").await;
    assert_eq!(first["cursor"], "class-1");
    assert_eq!(world.get("/rooms?cursor=class-1").await["rooms"][0]["room_id"], "lobby");
    let room = world.get("/room?room_id=class-1").await;
    assert_eq!(room["users"], json!([{ "user_id": "alice", "user_name": "alice" }]));
    assert_eq!(room["streams"], json!([{ "stream_id": "camera", "user_id": "alice" }]));
    assert_eq!(world.api.call("GET", "/room?room_id=nowhere", &Value::Null).await.0, 404);

    let found = world.get("/sessions?user_id=alice").await["sessions"].clone();
    let token_id = token_gen::TokenId::of(&token).to_string();
    assert_eq!(
        found,
        json!([{
            "session_id": session_id, "user_id": "alice", "room_id": "class-1", "auth": "token", "since": NOW,
            "source": "127.0.0.1", "privileges": ["login", "publish", "play"], "rights": { "on_expiry": "keep" },
            "token_id": token_id, "expire_at": NOW + 3600
        }])
    );
    assert!(!found.to_string().contains(&token), "the token is named, never shown");
    let page = world.get("/sessions?limit=1").await;
    let rest = world.get(&format!("/sessions?cursor={}", page["cursor"].as_str().unwrap())).await;
    assert_eq!((page["sessions"].as_array().unwrap().len(), rest["sessions"].as_array().unwrap().len()), (1, 1));
    assert_eq!(world.get("/sessions?room_id=lobby").await["sessions"][0]["user_id"], "bob");
}

// proves T55, W9
#[tokio::test]
async fn a_kick_says_why_and_the_token_is_no_way_back() {
    let world = World::new().await;
    let (token, session_id, mut alice) = world.enter("alice", "r").await;
    let (_, _, mut bob) = world.enter("bob", "r").await;
    let kicked = world.post("/sessions/kick", json!({ "user_id": "alice", "reason": "spam" })).await;
    assert_eq!((&kicked["session_ids"], &kicked["revoked_tokens"]), (&json!([session_id]), &json!(1)));
    let heard = alice.hear_of("kicked").await;
    assert_eq!(
        (&heard["code"], &heard["reason"], &heard["may_reconnect"]),
        (&json!("kicked"), &json!("spam"), &json!(false))
    );
    assert_eq!(bob.hear_of("room_users").await["users"][0]["user_id"], "alice");
    let (answer, _) = world.login("alice", "r", &token).await;
    assert_eq!(answer["code"], "token_revoked", "{answer}");
    // A new token is another matter, and so is one that was left good.
    let (token, _, mut alice) = world.enter("alice", "r").await;
    world.post("/sessions/kick", json!({ "user_id": "alice", "room_id": "r", "keep_token": true })).await;
    assert_eq!(alice.hear_of("kicked").await["code"], "kicked");
    let (answer, mut alice) = world.login("alice", "r", &token).await;
    assert_eq!(answer["type"], "logged_in");
    world.post("/sessions/kick", json!({ "session_id": answer["session_id"], "ban_secs": 60 })).await;
    assert_eq!(alice.hear_of("kicked").await["code"], "kicked");
    let token = world.token("alice", "r").await;
    assert_eq!(world.login("alice", "r", &token).await.0["code"], "banned");
    let nobody = world.post("/sessions/kick", json!({ "user_id": "nobody" })).await;
    assert_eq!(nobody["session_ids"], json!([]));
}

// proves T55, W9
#[tokio::test]
async fn a_kick_reaches_a_session_whose_connection_is_lost() {
    let world = World::new().await;
    let token = world.token("alice", "r").await;
    let (answer, alice) = world.login("alice", "r", &token).await;
    let (_, _, mut bob) = world.enter("bob", "r").await;
    drop(alice);
    let withhold = json!({ "session_id": answer["session_id"], "withhold": ["publish"] });
    assert_eq!(world.post("/sessions/withhold", withhold).await["session_count"], 1);
    let kicked = world.post("/sessions/kick", json!({ "user_id": "alice" })).await;
    assert_eq!(kicked["session_ids"], json!([answer["session_id"]]));
    let gone = bob.hear_of("room_users").await;
    assert_eq!((&gone["change"], &gone["reason"]), (&json!("delete"), &json!("kicked")));
    let mut again = world.connect().await;
    let resume = json!({
        "app_id": 7, "session_id": answer["session_id"], "resume_key": answer["resume_key"], "seq": answer["seq"]
    });
    assert_eq!(again.ask("resume", resume).await["code"], "kicked");
    assert_eq!(world.login("alice", "r", &token).await.0["code"], "token_revoked");
}

#[tokio::test]
async fn a_stream_is_stopped_and_a_privilege_withheld_until_it_is_given_back() {
    let world = World::new().await;
    let (token, session_id, mut alice) = world.enter("alice", "r").await;
    let (_, _, mut bob) = world.enter("bob", "r").await;
    assert_eq!(alice.ask("publish", json!({ "stream_id": "camera" })).await["type"], "ok");
    assert_eq!(bob.hear_of("room_streams").await["change"], "add");
    assert_eq!(world.post("/streams/stop", json!({ "stream_id": "camera" })).await["session_count"], 1);
    assert_eq!(alice.hear_of("publish_stopped").await["stream_id"], "camera");
    assert_eq!(bob.hear_of("room_streams").await["change"], "delete");
    assert_eq!(world.api.call("POST", "/streams/stop", &json!({ "stream_id": "camera" })).await.0, 404);
    assert_eq!(alice.ask("publish", json!({ "stream_id": "camera" })).await["type"], "ok", "it may start again");

    let withhold = async |what: Value| {
        world.post("/sessions/withhold", json!({ "session_id": session_id, "withhold": what })).await;
    };
    withhold(json!(["publish", "play"])).await;
    assert_eq!(alice.hear_of("privileges_changed").await["privileges"], json!(["login"]));
    assert_eq!(alice.hear_of("publish_stopped").await["stream_id"], "camera");
    for kind in ["publish", "play"] {
        let refused = alice.ask(kind, json!({ "stream_id": "other" })).await;
        assert_eq!((&refused["code"], &refused["reason"]), (&json!(format!("{kind}_denied")), &json!("withheld")));
    }
    // A new token does not help.
    let renewed = alice.ask("renew_token", json!({ "token": world.token("alice", "r").await })).await;
    assert_eq!((&renewed["type"], &renewed["privileges"]), (&json!("token_renewed"), &json!(["login"])));
    assert_eq!(alice.ask("publish", json!({ "stream_id": "other" })).await["code"], "publish_denied");
    let shown = world.get("/sessions?user_id=alice").await["sessions"][0].clone();
    assert_eq!(shown["withheld"], json!(["publish", "play"]));
    assert_ne!(shown["token_id"], token_gen::TokenId::of(&token).to_string(), "the present token is shown");
    withhold(json!([])).await;
    assert_eq!(alice.hear_of("privileges_changed").await["privileges"], json!(["login", "publish", "play"]));
    assert_eq!(alice.ask("publish", json!({ "stream_id": "other" })).await["type"], "ok");
    let unknown = json!({ "session_id": "unknown", "withhold": [] });
    assert_eq!(world.api.call("POST", "/sessions/withhold", &unknown).await.0, 404);
}

#[tokio::test]
async fn a_message_reaches_whom_it_is_for_and_a_closed_room_is_empty() {
    let world = World::new().await;
    let (token, _, mut alice) = world.enter("alice", "r").await;
    let (_, _, mut bob) = world.enter("bob", "r").await;
    let (_, _, mut carol) = world.enter("carol", "other").await;
    let say = async |body: Value| world.post("/rooms/message", body).await["session_count"].clone();
    assert_eq!(say(json!({ "room_id": "r", "text": "to all" })).await, 2);
    assert_eq!(say(json!({ "room_id": "r", "user_id": "bob", "text": "to bob" })).await, 1);
    assert_eq!(say(json!({ "room_id": "nowhere", "text": "to nobody" })).await, 0);
    assert_eq!(alice.hear_of("server_message").await["text"], "to all");
    assert_eq!(bob.hear_of("server_message").await["text"], "to all");
    assert_eq!(bob.hear_of("server_message").await["text"], "to bob");
    let closed = world.post("/rooms/close", json!({ "room_id": "r", "reason": "closing time" })).await;
    assert_eq!((closed["session_ids"].as_array().unwrap().len(), &closed["revoked_tokens"]), (2, &json!(2)));
    for client in [&mut alice, &mut bob] {
        let heard = client.hear_of("kicked").await;
        assert_eq!((&heard["code"], &heard["reason"]), (&json!("kicked"), &json!("closing time")));
    }
    while world.get("/rooms").await["rooms"].as_array().unwrap().len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.login("alice", "r", &token).await.0["code"], "token_revoked");
    assert_eq!(carol.ask("publish", json!({ "stream_id": "s" })).await["type"], "ok", "others stay");
}

#[tokio::test]
async fn what_happens_in_rooms_is_announced_in_order() {
    let world = World::new().await;
    let names = ["room_opened", "room_closed", "user_entered", "user_left", "stream_started", "stream_stopped"];
    let endpoint = json!({ "url": "https://hooks.example.com/", "events": names });
    let made = world.post("/webhooks", endpoint).await;
    let (_, session_id, mut alice) = world.enter("alice", "r").await;
    alice.ask("publish", json!({ "stream_id": "camera" })).await;
    let (_, _, mut bob) = world.enter("bob", "r").await;
    world.post("/sessions/kick", json!({ "user_id": "alice" })).await;
    assert_eq!(bob.hear_of("room_users").await["change"], "delete");
    bob.ask("logout", json!({})).await;
    while world.get("/rooms").await["rooms"] != json!([]) {
        tokio::task::yield_now().await;
    }
    let (stop, stopped) = tokio::sync::watch::channel(true);
    let webhooks = Arc::clone(&world.service.webhooks);
    Deliverer::new(webhooks, Arc::clone(&world.service.directory)).run(stopped).await;
    drop(stop);
    let path = format!("/webhooks/{}/deliveries", made["webhook"]["endpoint_id"].as_str().unwrap());
    let found = world.get(&path).await["deliveries"].clone();
    let mut told: Vec<Value> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|delivery| {
            let body: Value = serde_json::from_str(delivery["body"].as_str().unwrap()).unwrap();
            assert_eq!(body["data"]["room_id"], "r");
            json!([body["data"]["seq"], body["event"], body["data"]["user_id"], body["data"]["reason"]])
        })
        .collect();
    told.sort_by_key(Value::to_string);
    assert_eq!(
        json!(told),
        json!([
            [1, "user_entered", "alice", null],
            [2, "stream_started", "alice", null],
            [3, "user_entered", "bob", null],
            [4, "stream_stopped", "alice", "kicked"],
            [5, "user_left", "alice", "kicked"],
            [6, "user_left", "bob", "stopped"],
            [null, "room_closed", null, "stopped"],
            [null, "room_opened", null, null]
        ])
    );
    let lives: std::collections::HashSet<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|delivery| {
            let body: Value = serde_json::from_str(delivery["body"].as_str().unwrap()).unwrap();
            body["data"]["room_session_id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(lives.len(), 1);
    assert!(found.to_string().contains(&session_id));
}

// proves T21 (operating on rooms)
#[tokio::test]
async fn operating_needs_its_right_and_keys_reach_their_rooms_only() {
    let world = World::new().await;
    let (_, session_id, _alice) = world.enter("alice", "class-1").await;
    let (_, _, _bob) = world.enter("bob", "lobby").await;
    let key = async |rights: &[Right], room_prefix: &str| {
        let scope = Scope { rights: rights.to_vec(), room_prefix: room_prefix.to_owned(), ..Scope::everything() };
        let new =
            NewKey { app_id: AppId::new(7).ok(), name: "k".to_owned(), scope, expire_at: None, kind: KeyKind::Bearer };
        world.api.with_key(world.service.admin.create_key(new).await.unwrap().expose())
    };
    let all_but_operate: Vec<Right> = Right::ALL.into_iter().filter(|&right| right != Right::Operate).collect();
    let reader = key(&all_but_operate, "").await;
    for (path, body) in [
        ("/sessions/kick", json!({ "user_id": "alice" })),
        ("/rooms/close", json!({ "room_id": "lobby" })),
        ("/rooms/message", json!({ "room_id": "lobby", "text": "x" })),
        ("/streams/stop", json!({ "stream_id": "x" })),
        ("/sessions/withhold", json!({ "session_id": session_id, "withhold": [] })),
    ] {
        assert_eq!(reader.call("POST", path, &body).await.0, 403, "{path}");
    }
    let teacher = key(&[Right::Read, Right::Operate], "class-").await;
    assert_eq!(Api::ok(teacher.call("GET", "/rooms", &Value::Null).await)["rooms"].as_array().unwrap().len(), 1);
    assert_eq!(Api::ok(teacher.call("GET", "/sessions", &Value::Null).await)["sessions"][0]["user_id"], "alice");
    let kick = json!({ "user_id": "bob" });
    assert_eq!(Api::ok(teacher.call("POST", "/sessions/kick", &kick).await)["session_ids"], json!([]));
    for (path, body) in [
        ("/rooms/close", json!({ "room_id": "lobby" })),
        ("/rooms/message", json!({ "room_id": "lobby", "text": "x" })),
    ] {
        assert!([404, 422].contains(&teacher.call("POST", path, &body).await.0), "{path}");
    }
    for (body, field) in [
        (json!({}), "user_id"),
        (json!({ "session_id": "x", "user_id": "y" }), "session_id"),
        (json!({ "user_id": "alice", "reason": "" }), "reason"),
        (json!({ "user_id": "alice", "ban_secs": 0 }), "ban_secs"),
        (json!({ "user_id": "alice", "app_id": 8 }), "app_id"),
    ] {
        let (status, problem) = world.api.call("POST", "/sessions/kick", &body).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
    }
    assert_eq!(world.get("/sessions").await["sessions"].as_array().unwrap().len(), 2, "nobody was moved");
}

// proves S1 (the operator's hand)
#[tokio::test]
async fn nothing_is_done_without_its_record() {
    let world = World::new().await;
    let (_, session_id, mut alice) = world.enter("alice", "r").await;
    alice.ask("publish", json!({ "stream_id": "camera" })).await;
    // It is durable before anybody is answered.
    world.post("/rooms/message", json!({ "room_id": "r", "text": "hello" })).await;
    let said = AuditFilter { action: Some("say".to_owned()), ..AuditFilter::default() };
    let kept = world.service.store.audit_records(said, AuditWalk::Forth(0), 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    // And what cannot be recorded is not done.
    world.service.audit.close().await;
    for (path, body) in [
        ("/sessions/kick", json!({ "user_id": "alice" })),
        ("/rooms/close", json!({ "room_id": "r" })),
        ("/sessions/withhold", json!({ "session_id": session_id, "withhold": ["publish"] })),
        ("/streams/stop", json!({ "stream_id": "camera" })),
        ("/rooms/message", json!({ "room_id": "r", "text": "once more" })),
    ] {
        let (status, problem) = world.api.call("POST", path, &body).await;
        assert_eq!((status, &problem["code"]), (503, &json!("audit_unavailable")), "{path}");
    }
    assert_eq!(alice.hear_of("server_message").await["text"], "hello");
    let answer = alice.ask("play", json!({ "stream_id": "camera" })).await;
    assert_eq!(answer["type"], "ok", "she is there, and nothing has come in between");
    assert_eq!(world.get("/sessions").await["sessions"][0].get("withheld"), None);
}

#[tokio::test]
async fn who_hangs_up_leaves_nothing_half_done() {
    let world = World::new().await;
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(world.enter(&format!("u{number}"), "r").await);
    }
    let caller = Caller { key_id: "key".to_owned(), app_id: AppId::new(7).unwrap(), scope: Scope::everything() };
    let close = Kick {
        who: Who::Room { room_id: "r".to_owned() },
        reason: Some("closing time".to_owned()),
        keep_tokens: false,
        ban_until: None,
    };
    let mut closing = Box::pin(operator::kick(Arc::clone(&world.service), caller, Origin::SERVER, close));
    assert!(futures_util::poll!(&mut closing).is_pending());
    drop(closing);
    for (number, (token, _, mut client)) in clients.into_iter().enumerate() {
        assert_eq!(client.hear_of("kicked").await["reason"], "closing time");
        let (answer, _) = world.login(&format!("u{number}"), "r", &token).await;
        assert_eq!(answer["code"], "token_revoked", "nobody comes back");
    }
    assert_eq!(world.service.revocations.len(), 20);
    assert_eq!(world.get("/audit?action=close_room").await["records"].as_array().unwrap().len(), 1);
}
