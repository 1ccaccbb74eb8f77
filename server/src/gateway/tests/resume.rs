//! Connections that break, and sessions that go on without them.

use serde_json::{Value, json};
use token_gen::{AppId, UnixSeconds};

use super::harness::{APP_ID, START, TestClient, TestGateway, part, settings};
use crate::{
    apps::{AppSettings, DuplicateLogin, ExpiryPolicy},
    bans::{self, Ban},
    gateway::GatewayConfig,
};

/// What a client needs to come back.
pub(super) struct Ticket {
    pub(super) session_id: Value,
    pub(super) resume_key: Value,
}

impl Ticket {
    pub(super) fn of(answer: &Value) -> Self {
        assert_eq!(answer["resume_key"].as_str().unwrap().len(), 43);
        Self { session_id: answer["session_id"].clone(), resume_key: answer["resume_key"].clone() }
    }
}

impl TestGateway {
    /// A user in r1 with a token of `ttl_secs`, and what it takes to come back.
    pub(super) async fn enter_for_good(&self, user_id: &str, ttl_secs: u64) -> (TestClient, Ticket) {
        let mut client = self.connect().await;
        let token = self.token(user_id, ttl_secs);
        let answer = client.login(user_id, "r1", json!({ "token": token })).await;
        (client, Ticket::of(&answer))
    }

    pub(super) async fn resume(&self, ticket: &Ticket, seq: u64) -> (TestClient, Value) {
        let mut client = self.connect().await;
        let answer = client.resume(ticket, seq).await;
        (client, answer)
    }
}

impl TestClient {
    async fn resume(&mut self, Ticket { session_id, resume_key }: &Ticket, seq: u64) -> Value {
        let members = json!({ "app_id": APP_ID, "session_id": session_id, "resume_key": resume_key, "seq": seq });
        self.ask("resume", members).await
    }
}

#[tokio::test]
async fn session_streams_and_place_survive_and_what_was_missed_comes_once() {
    let test = TestGateway::start(settings()).await;
    let mut bob = test.enter("bob", 600).await;
    let (mut alice, ticket) = test.enter_for_good("alice", 600).await;
    bob.hear().await;
    assert_eq!(alice.publish("s1").await["type"], "ok");
    assert_eq!(alice.hear().await["seq"], 3);
    assert_eq!(alice.ask("play", json!({ "stream_id": "s9" })).await["type"], "ok");
    bob.hear().await;
    drop(alice);

    assert_eq!(bob.ask("send_message", json!({ "text": "are you there?" })).await["type"], "ok");
    assert_eq!(bob.hear().await["seq"], 4);
    assert_eq!(bob.ask("send_signal", json!({ "user_ids": ["alice"], "text": "offer" })).await["type"], "ok");
    test.advance(89);
    let (mut alice, resumed) = test.resume(&ticket, 3).await;
    assert_eq!(
        part(&resumed, &["type", "id", "room_id", "seq", "publishing", "playing", "state", "privileges"]),
        json!(["resumed", 1, "r1", 4, ["s1"], ["s9"], null, ["login", "publish", "play"]])
    );
    assert_eq!(part(&alice.hear().await, &["type", "seq", "text"]), json!(["room_message", 4, "are you there?"]));
    assert_eq!(part(&alice.hear().await, &["type", "user_id", "text"]), json!(["signal", "bob", "offer"]));
    assert_eq!(alice.publish("s1").await["code"], "already_publishing");
    assert_eq!(alice.ask("stop_publish", json!({ "stream_id": "s1" })).await["type"], "ok");
    // To bob, alice was never away.
    assert_eq!(part(&bob.hear().await, &["type", "seq", "reason"]), json!(["room_streams", 5, "stopped"]));
}

#[tokio::test]
async fn where_more_was_said_than_is_remembered_the_room_comes_whole_and_it_says_so() {
    let test = TestGateway::start(settings()).await;
    let (alice, ticket) = test.enter_for_good("alice", 600).await;
    let mut bob = test.enter("bob", 600).await;
    drop(alice);
    for number in 0..130 {
        if number % 10 == 0 {
            test.advance(1);
        }
        let answer = bob.ask("send_message", json!({ "text": number.to_string() })).await;
        assert_eq!(answer["type"], "ok", "{answer}");
        bob.hear().await;
    }
    let (mut alice, resumed) = test.resume(&ticket, 1).await;
    assert_eq!(part(&resumed, &["type", "seq", "messages_missed"]), json!(["resumed", 132, true]));
    assert_eq!(resumed["state"]["users"].as_array().unwrap().len(), 2);
    assert_eq!(bob.ask("send_message", json!({ "text": "the next" })).await["type"], "ok");
    assert_eq!(part(&alice.hear().await, &["seq", "text"]), json!([133, "the next"]));
    // Who heard the latest has missed nothing.
    drop(alice);
    let ticket = Ticket::of(&resumed);
    let (_, resumed) = test.resume(&ticket, 133).await;
    assert_eq!(part(&resumed, &["seq", "messages_missed", "state"]), json!([133, null, null]));
}

#[tokio::test]
async fn a_key_is_good_once_and_the_next_one_goes_on() {
    let test = TestGateway::start(settings()).await;
    let (alice, ticket) = test.enter_for_good("alice", 600).await;
    drop(alice);
    let (alice, resumed) = test.resume(&ticket, 1).await;
    let next = Ticket::of(&resumed);
    assert_ne!(next.resume_key, ticket.resume_key);
    drop(alice);
    let (mut thief, refused) = test.resume(&ticket, 1).await;
    assert_eq!(part(&refused, &["type", "code"]), json!(["error", "resume_refused"]));
    // One try a connection; a login may follow.
    assert_eq!(thief.resume(&next, 1).await["code"], "not_in_room");
    let (mut alice, resumed) = test.resume(&next, 1).await;
    assert_eq!(resumed["type"], "resumed");
    assert_eq!(alice.resume(&next, 1).await["code"], "already_in_room");
    let token = test.token("bob", 600);
    assert_eq!(thief.login("bob", "r1", json!({ "token": token })).await["type"], "logged_in");
}

#[tokio::test]
async fn wrong_keys_sessions_and_apps_are_refused_alike() {
    let test = TestGateway::start(settings()).await;
    let (_alice, ticket) = test.enter_for_good("alice", 600).await;
    let other_key = json!("A".repeat(43));
    for (app_id, session_id, resume_key) in [
        (APP_ID, &ticket.session_id, &other_key),
        (APP_ID, &ticket.session_id, &json!("")),
        (APP_ID, &ticket.session_id, &json!("%")),
        (APP_ID, &json!("AAAAAAAAAAAAAAAAAAAAAA"), &ticket.resume_key),
        (APP_ID, &json!("nonsense"), &ticket.resume_key),
        (APP_ID + 1, &ticket.session_id, &ticket.resume_key),
    ] {
        let mut client = test.connect().await;
        let members = json!({ "app_id": app_id, "session_id": session_id, "resume_key": resume_key, "seq": 1 });
        assert_eq!(client.ask("resume", members).await["code"], "resume_refused");
    }
    // None of that spent the key.
    assert_eq!(test.resume(&ticket, 1).await.1["type"], "resumed");
}

#[tokio::test]
async fn a_connection_that_the_server_still_believes_in_gives_its_session_up() {
    let test = TestGateway::start(settings()).await;
    let (mut old, ticket) = test.enter_for_good("alice", 600).await;
    let (mut new, resumed) = test.resume(&ticket, 1).await;
    assert_eq!(resumed["type"], "resumed");
    assert_eq!(old.hear_close().await, (4002, "resumed".to_owned()));
    assert_eq!(new.publish("s1").await["type"], "ok");
    assert_eq!(new.hear().await["seq"], 2);
}

#[tokio::test]
async fn after_the_heartbeat_timeout_there_is_nothing_to_resume() {
    let test = TestGateway::start(settings()).await;
    let mut bob = test.enter("bob", 600).await;
    let (alice, ticket) = test.enter_for_good("alice", 600).await;
    bob.hear().await;
    drop(alice);
    // The loss has been noticed when a login elsewhere would be let in beside it.
    test.advance(90);
    assert_eq!(part(&bob.hear().await, &["type", "change", "reason"]), json!(["room_users", "delete", "timeout"]));
    let (mut alice, refused) = test.resume(&ticket, 2).await;
    assert_eq!(refused["code"], "resume_refused");
    let token = test.token("alice", 600);
    assert_eq!(alice.login("alice", "r1", json!({ "token": token })).await["seq"], 4);
}

#[tokio::test]
async fn a_goodbye_is_no_loss() {
    let test = TestGateway::start(settings()).await;
    let mut bob = test.enter("bob", 600).await;
    let (alice, ticket) = test.enter_for_good("alice", 600).await;
    bob.hear().await;
    alice.close().await;
    assert_eq!(part(&bob.hear().await, &["type", "change", "reason"]), json!(["room_users", "delete", "stopped"]));
    assert_eq!(test.resume(&ticket, 2).await.1["code"], "resume_refused");
}

#[tokio::test]
async fn a_login_elsewhere_ends_a_waiting_session_whatever_the_app_says_of_duplicates() {
    let settings = AppSettings { duplicate_login: DuplicateLogin::RefuseNewcomer, ..settings() };
    let test = TestGateway::start(settings).await;
    let (alice, ticket) = test.enter_for_good("alice", 600).await;
    drop(alice);
    let mut elsewhere = test.connect().await;
    let token = test.token("alice", 600);
    loop {
        // Until the loss is noticed, the earlier connection keeps its place.
        let answer = elsewhere.login("alice", "r1", json!({ "token": token })).await;
        if answer["type"] == "logged_in" {
            break;
        }
        assert_eq!(answer["code"], "logged_in_elsewhere");
        elsewhere = test.connect().await;
    }
    assert_eq!(part(&test.resume(&ticket, 1).await.1, &["code", "number"]), json!(["logged_in_elsewhere", 1002086]));
}

// proves T55 (resume)
#[tokio::test]
async fn who_was_shut_out_meanwhile_does_not_resume() {
    let test = TestGateway::start(settings()).await;
    for (user_id, code) in [("alice", "token_revoked"), ("bob", "banned")] {
        let (client, ticket) = test.enter_for_good(user_id, 600).await;
        drop(client);
        match code {
            "banned" => test.bans.put(Ban {
                app_id: AppId::new(APP_ID).unwrap(),
                target: bans::Target::User(user_id.to_owned()),
                expire_at: None,
                created_at: test.now(),
                created_by: "key".to_owned(),
                reason: None,
            }),
            _ => test.revoke(super::shut_out::user(user_id), START),
        }
        let refused = test.resume(&ticket, 1).await.1;
        assert_eq!(part(&refused, &["type", "code"]), json!(["error", code]));
        assert_eq!(test.resume(&ticket, 1).await.1["code"], "resume_refused");
    }
}

#[tokio::test]
async fn expiry_goes_on_while_nobody_is_there() {
    // Patient: the session waits past its end, and resumes; strict: it is over.
    for (on_expiry, expected) in [
        (ExpiryPolicy::Soft, json!(["resumed", null])),
        (ExpiryPolicy::Strict, json!(["error", "kicked_token_expired"])),
    ] {
        let test = TestGateway::start(AppSettings { on_expiry, ..settings() }).await;
        let mut bob = test.enter("bob", 600).await;
        let (mut alice, ticket) = test.enter_for_good("alice", 40).await;
        alice.publish("s1").await;
        drop(alice);
        bob.hear().await;
        bob.hear().await;
        test.advance(45);
        if on_expiry == ExpiryPolicy::Strict {
            assert_eq!(part(&bob.hear().await, &["type", "reason"]), json!(["room_streams", "kicked"]));
            assert_eq!(part(&bob.hear().await, &["type", "reason"]), json!(["room_users", "kicked"]));
        }
        let (mut alice, answer) = test.resume(&ticket, 3).await;
        assert_eq!(part(&answer, &["type", "code"]), expected);
        if on_expiry == ExpiryPolicy::Soft {
            assert_eq!(alice.hear().await["type"], "token_expired");
            assert_eq!(alice.publish("s2").await["code"], "publish_token_expired");
            assert_eq!(alice.renew(&test.token("alice", 600)).await["type"], "token_renewed");
            assert_eq!(alice.publish("s2").await["type"], "ok");
        }
    }
}

#[tokio::test]
async fn the_warning_is_repeated_with_what_is_left() {
    let test = TestGateway::start(settings()).await;
    let (mut alice, ticket) = test.enter_for_good("alice", 100).await;
    test.advance(70);
    assert_eq!(alice.hear().await["remain_secs"], 30);
    drop(alice);
    test.advance(10);
    let (mut alice, _) = test.resume(&ticket, 1).await;
    assert_eq!(part(&alice.hear().await, &["type", "remain_secs"]), json!(["token_will_expire", 20]));
}

#[tokio::test]
async fn a_drain_tells_clients_to_move_and_closes_whoever_stays() {
    // proves W9, F7 (sockets)
    let config = GatewayConfig { drain_spread: std::time::Duration::from_secs(30), ..GatewayConfig::default() };
    let test = TestGateway::start_with(settings(), config).await;
    let mut alice = test.enter("alice", 600).await;
    let bob = test.enter("bob", 600).await;
    alice.hear().await;
    let drain = async {
        test.gateway.drain().await;
        test.now()
    };
    let clients = async {
        assert_eq!(alice.hear().await, json!({ "type": "reconnect", "within_secs": 27 }));
        bob.close().await;
        assert_eq!(alice.hear().await["type"], "room_users");
        test.advance(29);
        assert_eq!(alice.publish("s1").await["type"], "ok", "until the end everything works");
        alice.hear().await;
        test.advance(1);
        assert_eq!(part(&alice.hear().await, &["type", "code"]), json!(["kicked", "kicked_internal"]));
        assert_eq!(alice.hear_close().await, (4100, "kicked_internal".to_owned()));
    };
    let (drained_at, ()) = tokio::join!(drain, clients);
    assert_eq!(drained_at, UnixSeconds::new(START + 30));
}

// proves T64 (sessions)
#[tokio::test]
async fn where_there_are_too_many_a_lost_session_does_not_wait() {
    for config in [
        GatewayConfig { max_sessions: 1, ..GatewayConfig::default() },
        GatewayConfig { max_sessions_per_app: 1, ..GatewayConfig::default() },
    ] {
        let test = TestGateway::start_with(settings(), config).await;
        let (mut bob, bobs_ticket) = test.enter_for_good("bob", 600).await;
        let (alice, ticket) = test.enter_for_good("alice", 600).await;
        bob.hear().await;
        drop(alice);
        assert_eq!(part(&bob.hear().await, &["type", "change"]), json!(["room_users", "delete"]));
        assert_eq!(test.resume(&ticket, 0).await.1["code"], "resume_refused");
        drop(bob);
        assert_eq!(test.resume(&bobs_ticket, 0).await.1["type"], "resumed", "one alone may wait");
    }
}
