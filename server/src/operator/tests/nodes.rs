//! The operator's hand where rooms span nodes, on a real Redis: asked of one node, felt on all.

use super::*;
use crate::{
    app::meet,
    bus::{Bus, BusUrl, NodeId, RedisBus, RedisUrl, contract::RedisServer},
    follower::Follower,
    store::{Location, StoreUrl},
};

/// Nodes on one store and one Redis.
pub(super) struct Cluster {
    redis: RedisServer,
    directory: tempfile::TempDir,
    config: Config,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let (redis, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let master_key = MasterKey::generate(&mut SysRng).unwrap();
        let mut config = roomy(Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key));
        config.store = StoreUrl::Sqlite(Location::File(directory.path().join("roompass.db")));
        config.bus = BusUrl::Redis(RedisUrl::parse(&redis.url()).unwrap());
        Self { redis, directory, config }
    }

    /// One more node. The first makes app 7.
    pub(super) async fn node(&self) -> World {
        let clock = Arc::new(ManualClock::new(UnixSeconds::new(NOW)));
        let service = Service::open(&self.config, "http://rooms.test".to_owned(), clock).await.unwrap();
        let service = Arc::new(service);
        if service.directory.app(AppId::new(7).unwrap()).is_none() {
            service.admin.create_app(app(7)).await.unwrap();
        }
        tokio::spawn(meet(Arc::clone(&service)));
        while !service.nodes.bus().is_up() {
            tokio::task::yield_now().await;
        }
        assert!(self.directory.path().exists());
        World::of(service).await
    }

    /// A node that says nothing.
    async fn silent(&self) -> RedisBus {
        let bus = RedisBus::start(RedisUrl::parse(&self.redis.url()).unwrap(), NodeId::new([7; 8])).unwrap();
        while !bus.is_up() {
            tokio::task::yield_now().await;
        }
        bus
    }
}

impl World {
    /// Takes in what other nodes have written to the store.
    async fn catch_up(&self) {
        Follower::new(Arc::clone(&self.service)).catch_up().await.unwrap();
    }

    /// Lets in with a token that another node has minted.
    async fn enter_with(&self, user_id: &str, room_id: &str, token: &str) -> Client {
        let (answer, client) = self.login(user_id, room_id, token).await;
        assert_eq!(answer["type"], "logged_in", "{answer}");
        client
    }
}

// proves T55 (several nodes)
#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_is_asked_is_seen_and_done_on_all() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node().await, cluster.node().await);
    let (_, _, mut alice) = here.enter("alice", "r").await;
    let (_, carols, _carol) = here.enter("carol", "class").await;
    let token = there.token("bob", "r").await;
    let mut bob = there.enter_with("bob", "r", &token).await;
    assert_eq!(alice.hear_of("room_users").await["users"][0]["user_id"], "bob");
    let (_, daves, mut dave) = there.enter("dave", "q").await;
    dave.ask("publish", json!({ "stream_id": "camera" })).await;

    for world in [&here, &there] {
        let rooms = world.get("/rooms").await;
        let room = |room_id: &str, users: u32, streams: u32| json!({ "room_id": room_id, "user_count": users, "stream_count": streams });
        assert_eq!(rooms["rooms"], json!([room("class", 1, 0), room("q", 1, 1), room("r", 2, 0)]));
        assert_eq!(rooms.get("unreached"), None);
        let page = world.get("/rooms?limit=1&cursor=class").await;
        assert_eq!((&page["rooms"][0]["room_id"], &page["cursor"]), (&json!("q"), &json!("q")));
        assert_eq!(world.get("/room?room_id=q").await["streams"][0]["user_id"], "dave");
        assert_eq!(world.get("/room?room_id=r").await["users"].as_array().unwrap().len(), 2);
        assert_eq!(world.api.call("GET", "/room?room_id=nowhere", &Value::Null).await.0, 404);
        let mut found = Vec::new();
        let mut path = "/sessions?limit=1".to_owned();
        loop {
            let page = world.get(&path).await;
            found.extend(page["sessions"].as_array().unwrap().iter().map(|session| session["user_id"].clone()));
            let Some(cursor) = page["cursor"].as_str() else { break };
            path = format!("/sessions?limit=1&cursor={cursor}");
        }
        found.sort_by_key(Value::to_string);
        assert_eq!(json!(found), json!(["alice", "bob", "carol", "dave"]));
    }

    let withhold = json!({ "session_id": daves, "withhold": ["play"] });
    assert_eq!(here.post("/sessions/withhold", withhold).await["session_count"], 1);
    assert_eq!(dave.hear_of("privileges_changed").await["privileges"], json!(["login", "publish"]));
    assert_eq!(here.get("/sessions?user_id=dave").await["sessions"][0]["withheld"], json!(["play"]));
    assert_eq!(here.post("/streams/stop", json!({ "stream_id": "camera" })).await["session_count"], 1);
    assert_eq!(dave.hear_of("publish_stopped").await["stream_id"], "camera");
    assert_eq!(here.post("/rooms/message", json!({ "room_id": "r", "text": "hello" })).await["session_count"], 2);
    assert_eq!(alice.hear_of("server_message").await["text"], "hello");
    assert_eq!(bob.hear_of("server_message").await["text"], "hello");

    let kicked = here.post("/sessions/kick", json!({ "user_id": "bob", "reason": "spam" })).await;
    assert_eq!((kicked["session_ids"].as_array().unwrap().len(), &kicked["revoked_tokens"]), (1, &json!(1)));
    assert_eq!(kicked.get("unreached"), None);
    let heard = bob.hear_of("kicked").await;
    assert_eq!((&heard["code"], &heard["reason"]), (&json!("kicked"), &json!("spam")));
    // At once, and not only when the news of the revocation comes by: nobody follows the store here.
    for world in [&there, &here] {
        assert_eq!(world.login("bob", "r", &token).await.0["code"], "token_revoked");
    }

    let token = there.token("erin", "class").await;
    let mut erin = there.enter_with("erin", "class", &token).await;
    let closed = there.post("/rooms/close", json!({ "room_id": "class", "reason": "closing time" })).await;
    let ids = closed["session_ids"].as_array().unwrap();
    assert!(ids.len() == 2 && ids.contains(&json!(carols)), "{closed}");
    assert_eq!(erin.hear_of("kicked").await["reason"], "closing time");
    // What one node has written is the same for all.
    there.catch_up().await;
    let trail = there.get("/audit?action=kick").await["records"].clone();
    assert_eq!(trail.as_array().unwrap().len(), 1, "{trail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_is_named_and_the_others_act() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node().await, cluster.node().await);
    let silent = cluster.silent().await;
    let unreached = json!({ "silent_nodes": [silent.node().as_str()] });
    let (_, _, mut bob) = there.enter("bob", "r").await;
    let kicked = here.post("/sessions/kick", json!({ "user_id": "bob" })).await;
    assert_eq!(kicked["session_ids"].as_array().unwrap().len(), 1);
    assert_eq!(kicked["unreached"], unreached);
    assert_eq!(bob.hear_of("kicked").await["code"], "kicked");
    let nobody = here.post("/sessions/kick", json!({ "user_id": "nobody" })).await;
    assert_eq!((&nobody["session_ids"], &nobody["unreached"]), (&json!([]), &unreached));
    assert_eq!(here.get("/rooms").await["unreached"], unreached);
    // It may be there.
    let (status, problem) = here.api.call("POST", "/streams/stop", &json!({ "stream_id": "x" })).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    silent.close().await;
    assert_eq!(here.api.call("POST", "/streams/stop", &json!({ "stream_id": "x" })).await.0, 404);
}

// proves F2 (the operator's hand)
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_node_acts_alone_and_says_so() {
    let mut cluster = Cluster::new();
    let (here, there) = (cluster.node().await, cluster.node().await);
    let (token, _, mut alice) = here.enter("alice", "r").await;
    let (_, bobs, mut bob) = there.enter("bob", "r").await;
    cluster.redis.stop();
    while here.service.nodes.bus().is_up() {
        tokio::task::yield_now().await;
    }
    let alone = json!({ "bus_away": true });
    assert_eq!(here.get("/sessions").await["unreached"], alone);
    let kicked = here.post("/sessions/kick", json!({ "user_id": "alice" })).await;
    assert_eq!((kicked["session_ids"].as_array().unwrap().len(), &kicked["unreached"]), (1, &alone));
    assert_eq!(alice.hear_of("kicked").await["code"], "kicked");
    assert_eq!(here.login("alice", "r", &token).await.0["code"], "token_revoked");
    let withhold = json!({ "session_id": bobs, "withhold": ["publish"] });
    assert_eq!(here.api.call("POST", "/sessions/withhold", &withhold).await.0, 503);
    // The revocation travels by the store.
    let bobs_token = there.token("bob", "r").await;
    there.post("/tokens/revoke", json!({ "token": bobs_token })).await;
    here.catch_up().await;
    assert_eq!(here.login("bob", "r", &bobs_token).await.0["code"], "token_revoked");

    cluster.redis.start_again();
    while here.get("/sessions").await.get("unreached").is_some() {
        tokio::task::yield_now().await;
    }
    let say = json!({ "room_id": "r", "text": "we are back" });
    while here.post("/rooms/message", say.clone()).await["session_count"] != 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bob.hear_of("server_message").await["text"], "we are back");
}
