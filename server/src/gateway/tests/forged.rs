//! Messages out of turn and in another's name: whatever a client sends, who it is and where it is stay what the server
//! knows, and a refused message changes nothing.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{TestClient, TestGateway, part, settings};
use crate::{gateway::GatewayConfig, operator::Who};

/// Every operation with members that make it well-formed.
fn operations(test: &TestGateway) -> Vec<(&'static str, Value)> {
    let token = test.token("alice", 600);
    vec![
        ("login", json!({ "app_id": super::harness::APP_ID, "user_id": "bob", "room_id": "r2", "token": token })),
        ("resume", json!({ "app_id": super::harness::APP_ID, "session_id": "s", "resume_key": "k", "seq": 0 })),
        ("switch_room", json!({ "from_room_id": "r9", "room_id": "r2", "token": token })),
        ("publish", json!({ "stream_id": "not/a/stream" })),
        ("stop_publish", json!({ "stream_id": "nobodys" })),
        ("play", json!({ "stream_id": "not/a/stream" })),
        ("stop_play", json!({ "stream_id": "nobodys" })),
        ("renew_token", json!({ "token": test.token("bob", 600) })),
        ("send_message", json!({ "text": "x".repeat(5000) })),
        ("send_signal", json!({ "user_ids": ["nobody"], "text": "x" })),
        ("set_room_extra", json!({ "key": "k".repeat(100), "value": "v" })),
        ("set_user_extra", json!({ "extra": "x".repeat(5000) })),
        ("get_media_servers", json!({})),
        ("media_offer", json!({ "sdp": "x", "tracks": [] })),
        ("media_candidate", json!({ "candidate": "x" })),
        ("logout", json!({})),
    ]
}

/// Members by which a client might try to speak for another, elsewhere, or again.
const FORGED: &[(&str, &str)] = &[
    ("from", "\"bob\""),
    ("from_user_id", "\"bob\""),
    ("sender", "\"bob\""),
    ("user_id", "\"bob\""),
    ("user", "{\"user_id\":\"bob\"}"),
    ("room_id", "\"r2\""),
    ("app_id", "7"),
    ("session_id", "\"pD0rT2mC8eB4yLqXhQ7vNg\""),
    ("seq", "1"),
    ("sent_at", "1"),
    ("privileges", "[\"login\",\"publish\",\"play\"]"),
    ("auth", "\"token\""),
];

fn with(members: &Value, name: &str, value: &str) -> Value {
    let mut members = members.clone();
    members.as_object_mut().unwrap().insert(name.to_owned(), serde_json::from_str(value).unwrap());
    members
}

/// What the server holds of everybody.
pub(super) fn state(test: &TestGateway) -> (Vec<String>, Vec<String>) {
    let app_id = settings().app_id;
    let sessions = test.gateway.sessions(app_id, &Who::All, |_, _, _| true).into_iter();
    let mut sessions: Vec<String> = sessions.map(|session| serde_json::to_string(&session).unwrap()).collect();
    sessions.sort_unstable();
    let rooms = test.gateway.rooms().overview(app_id, |_| true, "", 100).into_iter();
    (sessions, rooms.map(|room| format!("{room:?}")).collect())
}

/// Asks at a pace that is allowed; passes over what others cause.
async fn ask(test: &TestGateway, client: &mut TestClient, kind: &str, members: Value) -> Value {
    test.advance(1);
    let mut answer = client.ask(kind, members).await;
    while answer.get("id").is_none_or(Value::is_null) {
        answer = client.hear().await;
    }
    answer
}

// proves T53 (before a login)
#[tokio::test]
async fn before_a_login_nothing_is_done_and_nobody_is_somebody() {
    let test = TestGateway::start(settings()).await;
    let (mut transcripts, before) = (0, state(&test));
    let operations = operations(&test).into_iter().filter(|(kind, _)| !["login", "resume"].contains(kind));
    for (kind, members) in operations {
        let mut stranger = test.connect().await;
        let plain = stranger.ask(kind, members.clone()).await;
        let code = if kind == "renew_token" { "not_in_that_room" } else { "not_in_room" };
        assert_eq!(part(&plain, &["type", "code"]), json!(["error", code]), "{kind}");
        transcripts += 1;
        for (name, value) in FORGED.iter().filter(|(name, _)| members.get(name).is_none()) {
            let refused = stranger.ask(kind, with(&members, name, value)).await;
            assert_eq!(refused["code"], "message_invalid", "{kind} {name}");
            transcripts += 1;
        }
        assert_eq!(state(&test), before, "{kind}");
    }
    println!("{transcripts} transcripts before a login");
    assert!(transcripts >= 150);
}

// proves T53 (200 transcripts in a room)
#[tokio::test]
async fn in_a_room_nobody_speaks_for_another_and_what_is_refused_changes_nothing() {
    // Nobody is put out for not answering pings.
    let config = GatewayConfig { ping_interval: Duration::from_secs(3_600), ..GatewayConfig::default() };
    let test = TestGateway::start_with(settings(), config).await;
    let mut alice = test.enter("alice", 3_600).await;
    let mut bob = test.enter("bob", 3_600).await;
    alice.publish("hers").await;
    alice.hear().await;
    bob.hear().await;
    let (mut transcripts, before) = (0, state(&test));
    for (kind, members) in operations(&test) {
        // A logout out of turn is one: it is tried forged only.
        if !["logout", "get_media_servers", "media_candidate"].contains(&kind) {
            let refused = ask(&test, &mut alice, kind, members.clone()).await;
            assert_eq!(refused["type"], "error", "{kind}: {refused}");
            assert_eq!(state(&test), before, "{kind}");
            transcripts += 1;
        }
        for (name, value) in FORGED.iter().filter(|(name, _)| members.get(name).is_none()) {
            let refused = ask(&test, &mut alice, kind, with(&members, name, value)).await;
            assert_eq!(refused["type"], "error", "{kind} {name}: {refused}");
            assert_eq!(state(&test), before, "{kind} {name}");
            transcripts += 1;
        }
    }
    // The same once more, as somebody would who has listened in: what was taken once is not taken twice.
    for (kind, members, code) in [
        ("publish", json!({ "stream_id": "hers" }), "already_publishing"),
        ("stop_publish", json!({ "stream_id": "bobs" }), "not_publishing"),
        ("stop_play", json!({ "stream_id": "hers" }), "not_playing"),
    ] {
        for _ in 0..2 {
            assert_eq!(ask(&test, &mut alice, kind, members.clone()).await["code"], code, "{kind}");
            transcripts += 1;
        }
    }
    println!("{transcripts} transcripts in a room");
    assert!(transcripts >= 200);
    // What does go through carries the name that the server knows.
    alice.say(json!({ "type": "send_message", "id": 1, "text": "it is me" })).await;
    let heard = loop {
        let heard = bob.hear().await;
        if heard["type"] == "room_message" {
            break heard;
        }
    };
    assert_eq!(part(&heard, &["user_id", "text"]), json!(["alice", "it is me"]));
}
