//! What an operator withholds from a live session, over sockets.

use roompass_wire::http::WithheldPrivilege::{self, Play, Publish};
use serde_json::json;
use token_gen::AppId;

use super::harness::{APP_ID, TestGateway, part, settings};
use crate::operator::{Act, Who};

fn withhold(test: &TestGateway, privileges: &[WithheldPrivilege]) {
    let who = Who::User { user_id: "alice".into(), room_id: None };
    let act = Act::Withhold { who, privileges: privileges.to_vec() };
    assert_eq!(test.gateway.obey(AppId::new(APP_ID).unwrap(), &act, test.now()).len(), 1);
}

#[tokio::test]
async fn what_is_withheld_stops_at_once_and_stays_away_until_it_is_given_back() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    alice.publish("s1").await;
    alice.hear().await;
    alice.ask("play", json!({ "stream_id": "p1" })).await;
    alice.ask("play", json!({ "stream_id": "p2" })).await;
    let mut bob = test.enter("bob", 600).await;
    alice.hear().await;

    withhold(&test, &[Play]);
    let changed = alice.hear().await;
    assert_eq!(part(&changed, &["type", "privileges"]), json!(["privileges_changed", ["login", "publish"]]));
    for stream_id in ["p1", "p2"] {
        let members = &["type", "stream_id", "code", "number"];
        assert_eq!(part(&alice.hear().await, members), json!(["play_stopped", stream_id, "play_denied", 1004025]));
    }
    for stream_id in ["p1", "p2"] {
        let refused = alice.ask("play", json!({ "stream_id": stream_id })).await;
        assert_eq!(part(&refused, &["code", "reason"]), json!(["play_denied", "withheld"]));
        let none = alice.ask("stop_play", json!({ "stream_id": stream_id })).await;
        assert_eq!(none["code"], "not_playing");
    }
    let token = test.token("alice", 600);
    let renewed = alice.renew(&token).await;
    assert_eq!(part(&renewed, &["type", "privileges"]), json!(["token_renewed", ["login", "publish"]]));
    assert_eq!(alice.ask("play", json!({ "stream_id": "p1" })).await["code"], "play_denied");

    withhold(&test, &[Publish]);
    let changed = alice.hear().await;
    assert_eq!(part(&changed, &["type", "privileges"]), json!(["privileges_changed", ["login", "play"]]));
    let stopped = part(&alice.hear().await, &["type", "stream_id", "code"]);
    assert_eq!(stopped, json!(["publish_stopped", "s1", "publish_denied"]));
    alice.hear().await;
    // Nothing of what was done to what alice plays was for bob.
    let seen = part(&bob.hear().await, &["type", "change", "reason"]);
    assert_eq!(seen, json!(["room_streams", "delete", "removed"]));
    let refused = alice.ask("set_room_extra", json!({ "key": "topic", "value": "x" })).await;
    assert_eq!(part(&refused, &["code", "reason"]), json!(["publish_denied", "withheld"]));
    assert_eq!(alice.ask("send_message", json!({ "text": "still here" })).await["type"], "ok");
    alice.hear().await;
    assert_eq!(alice.ask("play", json!({ "stream_id": "p1" })).await["type"], "ok");

    withhold(&test, &[]);
    assert_eq!(alice.hear().await["privileges"], json!(["login", "publish", "play"]));
    assert_eq!(alice.publish("s1").await["type"], "ok");
}

#[tokio::test]
async fn whoever_is_away_when_it_is_withheld_comes_back_without_it() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.connect().await;
    let token = test.token("alice", 600);
    let answer = alice.login("alice", "r1", json!({ "token": token })).await;
    alice.ask("play", json!({ "stream_id": "p1" })).await;
    drop(alice);
    withhold(&test, &[Play]);
    let mut alice = test.connect().await;
    let resume = json!({
        "app_id": APP_ID, "session_id": answer["session_id"], "resume_key": answer["resume_key"], "seq": 1
    });
    assert_eq!(alice.ask("resume", resume).await["type"], "resumed");
    // Whether it was done before or is only now: it is done before anything else.
    let mut not_playing = alice.ask("stop_play", json!({ "stream_id": "p1" })).await;
    while not_playing["id"].is_null() {
        not_playing = alice.hear().await;
    }
    assert_eq!(not_playing["code"], "not_playing");
    let refused = alice.ask("play", json!({ "stream_id": "p1" })).await;
    assert_eq!(part(&refused, &["code", "reason"]), json!(["play_denied", "withheld"]));
}
