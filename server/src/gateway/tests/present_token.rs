//! Every operation is judged by the present token, and by what has come of it since: operation by operation, over
//! sockets.

use serde_json::{Value, json};
use token_gen::{Privilege, RightsBuilder, StreamId};

use super::{
    harness::{START, TestClient, TestGateway, part, settings},
    shut_out::user,
};

const TTL: u64 = 600;
/// Soon enough that nobody has to answer a ping before.
const SHORT: u64 = 10;

/// What becomes of alice's token after she has logged in with one for everything in r1.
#[derive(Debug, Clone, Copy)]
enum Then {
    Nothing,
    /// Renewed without the right to publish.
    NoPublish,
    /// Renewed without the right to play.
    NoPlay,
    /// Renewed with one stream to publish, and one to play: s2 and p2.
    Others,
    /// Renewed with one that proves her name and no more.
    Identity,
    /// Past its end.
    Expired,
    Revoked,
}

/// The operations, each with what comes of it in every case, in the order of [`CASES`]: `ok`, or code and reason.
const OPERATIONS: [(&str, &str, [&str; 7]); 9] = [
    (
        "publish",
        r#"{"stream_id":"s1"}"#,
        ["ok", "publish_denied publish", "ok", "publish_denied stream", "ok", "publish_token_expired", KICKED],
    ),
    (
        "publish",
        r#"{"stream_id":"s2"}"#,
        ["ok", "publish_denied publish", "ok", "ok", "ok", "publish_token_expired", KICKED],
    ),
    (
        "play",
        r#"{"stream_id":"p1"}"#,
        ["ok", "ok", "play_denied play", "play_denied stream", "ok", "play_token_expired", KICKED],
    ),
    ("play", r#"{"stream_id":"p2"}"#, ["ok", "ok", "play_denied play", "ok", "ok", "play_token_expired", KICKED]),
    // Whoever is in a room may talk in it.
    ("send_message", r#"{"text":"hello"}"#, ["ok", "ok", "ok", "ok", "ok", "ok", KICKED]),
    ("send_signal", r#"{"user_ids":["bob"],"text":"offer"}"#, ["ok", "ok", "ok", "ok", "ok", "ok", KICKED]),
    ("set_user_extra", r#"{"extra":"hand"}"#, ["ok", "ok", "ok", "ok", "ok", "ok", KICKED]),
    // What belongs to the room, only whoever may publish in it.
    (
        "set_room_extra",
        r#"{"key":"topic","value":"x"}"#,
        ["ok", "publish_denied publish", "ok", "ok", "ok", "publish_token_expired", KICKED],
    ),
    // Stopping needs no right.
    ("stop_publish", r#"{"stream_id":"s0"}"#, ["ok", "ok", "ok", "ok", "ok", "ok", KICKED]),
];
const CASES: [Then; 7] =
    [Then::Nothing, Then::NoPublish, Then::NoPlay, Then::Others, Then::Identity, Then::Expired, Then::Revoked];
const KICKED: &str = "kicked";

impl Then {
    async fn comes_to_pass(self, test: &TestGateway, alice: &mut TestClient) {
        let id = |id: &str| StreamId::new(id).unwrap();
        let renewal = match self {
            Self::Nothing | Self::Expired | Self::Revoked => None,
            Self::NoPublish => Some(test.token_with("alice", "r1", &[Privilege::Login], TTL)),
            Self::NoPlay => Some(test.token_on("alice", TTL, RightsBuilder::deny_play)),
            Self::Others => Some(test.token_on("alice", TTL, |rights| rights.stream(&id("s2")).play_stream(&id("p2")))),
            Self::Identity => Some(test.identity_token("alice", TTL)),
        };
        if let Some(token) = renewal {
            assert_eq!(answer(alice, "renew_token", json!({ "token": token })).await, "token_renewed", "{self:?}");
        }
        match self {
            Self::Expired => test.advance(SHORT),
            // The news may be on its way still: nothing is done all the same.
            Self::Revoked => test.revoke(user("alice"), START),
            _ => {}
        }
    }
}

/// Alice and bob in r1, where alice publishes s0.
async fn scene(then: Then) -> (TestGateway, TestClient, TestClient) {
    let test = TestGateway::start(settings()).await;
    let bob = test.enter("bob", TTL).await;
    let mut alice = test.enter("alice", if matches!(then, Then::Expired) { SHORT } else { TTL }).await;
    assert_eq!(answer(&mut alice, "publish", json!({ "stream_id": "s0" })).await, "ok");
    then.comes_to_pass(&test, &mut alice).await;
    (test, alice, bob)
}

/// What a request is answered with, past all that happens in the room: its type, or code and reason; or the end.
async fn answer(client: &mut TestClient, kind: &str, members: Value) -> String {
    let mut heard = client.ask(kind, members).await;
    while heard["id"].is_null() && heard["type"] != "kicked" {
        heard = client.hear().await;
    }
    if heard["type"] == "error" {
        let text = |member: &str| heard[member].as_str().unwrap_or_default();
        return format!("{} {}", text("code"), text("reason")).trim_end().to_owned();
    }
    heard["type"].as_str().unwrap().to_owned()
}

// proves W6 (over sockets), T13 (operations)
#[tokio::test]
async fn every_operation_goes_by_the_present_token() {
    for (number, then) in CASES.into_iter().enumerate() {
        for (kind, members, expected) in OPERATIONS {
            let (_test, mut alice, _bob) = scene(then).await;
            let found = answer(&mut alice, kind, serde_json::from_str(members).unwrap()).await;
            assert_eq!(found, expected[number], "{kind} {members} {then:?}");
        }
    }
}

// proves W6 (another room)
#[tokio::test]
async fn another_room_is_entered_by_the_token_for_it_and_by_no_earlier_one() {
    for then in CASES {
        for (room_id, expected) in [("r2", "logged_in"), ("r1", "login_denied room")] {
            let (test, mut alice, _bob) = scene(then).await;
            let token = test.token_with("alice", room_id, &Privilege::ALL, TTL);
            let switch = json!({ "from_room_id": "r1", "room_id": "r2", "token": token });
            let expected = if matches!(then, Then::Revoked) { KICKED } else { expected };
            assert_eq!(answer(&mut alice, "switch_room", switch).await, expected, "{then:?} by one for {room_id}");
        }
    }
    // The one she came with has ended: it is no way into any room.
    let test = TestGateway::start(settings()).await;
    let anywhere = test.identity_token("alice", SHORT);
    let mut alice = test.connect().await;
    let entered = alice.login("alice", "r1", json!({ "token": anywhere })).await;
    assert_eq!(entered["type"], "logged_in");
    test.advance(SHORT);
    let switch = json!({ "from_room_id": "r1", "room_id": "r2", "token": anywhere });
    assert_eq!(answer(&mut alice, "switch_room", switch).await, "token_expired");
    assert_eq!(alice.hear_close().await, (4000, "token_expired".to_owned()));
    // And what she may do in the other room is what its token says.
    let mut alice = test.connect().await;
    let login = json!({ "token": test.token("alice", TTL) });
    assert_eq!(alice.login("alice", "r1", login).await["type"], "logged_in");
    let token = test.token_with("alice", "r2", &[Privilege::Login], TTL);
    let switch = json!({ "from_room_id": "r1", "room_id": "r2", "token": token });
    let entered = alice.ask("switch_room", switch).await;
    assert_eq!(part(&entered, &["type", "privileges"]), json!(["logged_in", ["login", "play"]]));
    assert_eq!(answer(&mut alice, "publish", json!({ "stream_id": "s1" })).await, "publish_denied publish");
}
