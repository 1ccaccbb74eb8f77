//! What users of a room say to one another, how they move on, and tokens for one login.

use std::time::Duration;

use serde_json::json;
use token_gen::{MediaKind, OnExpiry, Payload, Privileges, Rights, RightsBuilder, RoomId, StreamId, UserName};

use super::harness::{START, TestGateway, part, settings};
use crate::apps::{AppSettings, RenewalPolicy};

impl TestGateway {
    /// A token for everything in r1, with these terms.
    pub(super) fn token_on(
        &self,
        user_id: &str,
        ttl_secs: u64,
        terms: impl FnOnce(RightsBuilder) -> RightsBuilder,
    ) -> String {
        let rights = Rights::builder(&RoomId::new("r1").unwrap()).allow_all(Privileges::ALL);
        self.mint(user_id, Payload::Rights(terms(rights).build()), ttl_secs)
    }
}

#[tokio::test]
async fn messages_signals_and_values_reach_whom_they_are_for() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    let mut bob = test.enter("bob", 600).await;
    alice.hear().await;
    assert_eq!(alice.ask("send_message", json!({ "text": "hello" })).await, json!({ "type": "ok", "id": 2 }));
    let heard = json!({
        "type": "room_message", "room_id": "r1", "seq": 3, "user_id": "alice", "text": "hello", "sent_at": START
    });
    assert_eq!([alice.hear().await, bob.hear().await], [heard.clone(), heard]);

    let signal = json!({ "user_ids": ["bob"], "text": "offer" });
    assert_eq!(alice.ask("send_signal", signal).await["type"], "ok");
    let heard = json!({ "type": "signal", "room_id": "r1", "user_id": "alice", "text": "offer", "sent_at": START });
    assert_eq!(bob.hear().await, heard);
    let signal = json!({ "user_ids": ["bob", "carol"], "text": "offer" });
    assert_eq!(alice.ask("send_signal", signal).await["code"], "user_not_in_room");

    assert_eq!(bob.ask("set_room_extra", json!({ "key": "topic", "value": "x" })).await["type"], "ok");
    let members = &["type", "seq", "key", "value", "user_id", "updated_at"];
    assert_eq!(part(&alice.hear().await, members), json!(["room_extra", 4, "topic", "x", "bob", START]));
    bob.hear().await;
    assert_eq!(bob.ask("set_user_extra", json!({ "extra": "hand" })).await["type"], "ok");
    assert_eq!(
        part(&alice.hear().await, &["type", "seq", "user_id", "extra"]),
        json!(["user_extra", 5, "bob", "hand"])
    );

    let mut carol = test.connect().await;
    let token = test.token("carol", 600);
    let answer = carol.login("carol", "r1", json!({ "token": token })).await;
    assert_eq!(answer["room_extra"][0]["value"], "x");
    assert_eq!(answer["users"][1], json!({ "user_id": "bob", "user_name": "bob", "extra": "hand" }));
}

#[tokio::test]
async fn texts_have_limits_in_length_and_number_and_a_refused_one_is_not_sent() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    for (kind, members, code, reason) in [
        ("send_message", json!({ "text": "" }), "field_invalid", "text"),
        ("send_message", json!({ "text": "x".repeat(4097) }), "text_too_long", "text"),
        ("send_signal", json!({ "user_ids": ["alice"], "text": "x".repeat(16_385) }), "text_too_long", "text"),
        ("send_signal", json!({ "user_ids": [], "text": "x" }), "field_invalid", "user_ids"),
        ("send_signal", json!({ "user_ids": vec!["alice"; 17], "text": "x" }), "field_invalid", "user_ids"),
        ("set_room_extra", json!({ "key": "", "value": "x" }), "field_invalid", "key"),
        ("set_room_extra", json!({ "key": "a\nb", "value": "x" }), "field_invalid", "key"),
        ("set_room_extra", json!({ "key": "k".repeat(65), "value": "x" }), "field_invalid", "key"),
        ("set_room_extra", json!({ "key": "k", "value": "x".repeat(1025) }), "text_too_long", "value"),
        ("set_user_extra", json!({ "extra": "x".repeat(1025) }), "text_too_long", "extra"),
        ("publish", json!({ "stream_id": "s", "extra": "x".repeat(1025) }), "text_too_long", "extra"),
        ("publish", json!({ "stream_id": "s", "media": [] }), "field_invalid", "media"),
        ("publish", json!({ "stream_id": "s", "media": ["smell"] }), "field_invalid", "media"),
    ] {
        let answer = alice.ask(kind, members.clone()).await;
        assert_eq!(part(&answer, &["type", "code", "reason"]), json!(["error", code, reason]), "{kind} {members}");
    }
    for _ in 0..10 {
        alice.ask("set_user_extra", json!({ "extra": "x" })).await;
        alice.hear().await;
    }
    let answer = alice.ask("set_room_extra", json!({ "key": "k", "value": "v" })).await;
    assert_eq!(part(&answer, &["code", "reason", "retryable"]), json!(["rate_limited", "values", true]));
    for sent in 0..20 {
        assert_eq!(alice.ask("send_message", json!({ "text": "x" })).await["type"], "ok", "{sent}");
        alice.hear().await;
    }
    assert_eq!(alice.ask("send_message", json!({ "text": "x" })).await["reason"], "messages");
    test.advance(1);
    assert_eq!(alice.ask("send_message", json!({ "text": "x" })).await["type"], "ok");
}

#[tokio::test]
async fn switching_rooms_leaves_one_and_enters_the_other_by_the_new_token() {
    let test = TestGateway::start(settings()).await;
    let mut bob = test.enter("bob", 600).await;
    let mut alice = test.enter("alice", 600).await;
    bob.hear().await;
    alice.publish("s1").await;
    alice.hear().await;
    bob.hear().await;
    let token = test.token_with("alice", "r2", &token_gen::Privilege::ALL, 600);
    for (from, to, token, code) in [
        ("r9", "r2", Some(&token), "not_in_that_room"),
        ("r1", "r1", Some(&token), "already_in_room"),
        ("r1", "", Some(&token), "room_id_invalid"),
        ("r1", "r2", None, "token_missing"),
    ] {
        let mut members = json!({ "from_room_id": from, "room_id": to });
        members.as_object_mut().unwrap().extend(token.map(|token| ("token".to_owned(), json!(token))));
        assert_eq!(alice.ask("switch_room", members).await["code"], code);
        assert_eq!(alice.publish("s1").await["code"], "already_publishing", "the session is as it was");
    }
    let answer = alice.ask("switch_room", json!({ "from_room_id": "r1", "room_id": "r2", "token": token })).await;
    assert_eq!(
        part(&answer, &["type", "room_id", "user_id", "seq", "streams"]),
        json!(["logged_in", "r2", "alice", 1, []])
    );
    assert_eq!(part(&bob.hear().await, &["type", "change", "reason"]), json!(["room_streams", "delete", "stopped"]));
    assert_eq!(part(&bob.hear().await, &["type", "change", "reason"]), json!(["room_users", "delete", "stopped"]));
    assert_eq!(alice.publish("s2").await["type"], "ok");
    alice.hear().await;
    // A login that the new room refuses leaves the user in neither.
    let bad = test.token_with("alice", "r3", &[token_gen::Privilege::Publish], 600);
    let answer = alice.ask("switch_room", json!({ "from_room_id": "r2", "room_id": "r3", "token": bad })).await;
    assert_eq!(part(&answer, &["type", "code", "reason"]), json!(["error", "login_denied", "login"]));
    assert_eq!(alice.hear_close().await, (4000, "login_denied".to_owned()));
    let mut carol = test.connect().await;
    let token = test.token_with("carol", "r2", &token_gen::Privilege::ALL, 600);
    assert_eq!(carol.login("carol", "r2", json!({ "token": token })).await["users"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_switches_rooms_has_no_more_to_say_than_before() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    for sent in 0..60 {
        let answer = alice.ask("send_signal", json!({ "user_ids": ["alice"], "text": "x" })).await;
        assert_eq!(answer["type"], "ok", "{sent}");
        alice.hear().await;
    }
    for (from, to) in [("r1", "r2"), ("r2", "r1")] {
        let token = test.token_with("alice", to, &token_gen::Privilege::ALL, 600);
        let switch = json!({ "from_room_id": from, "room_id": to, "token": token });
        assert_eq!(alice.ask("switch_room", switch).await["type"], "logged_in");
        let answer = alice.ask("send_signal", json!({ "user_ids": ["alice"], "text": "x" })).await;
        assert_eq!(part(&answer, &["code", "reason"]), json!(["rate_limited", "signals"]));
    }
}

#[tokio::test]
async fn a_session_by_app_sign_switches_with_a_proof_for_the_new_room() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.connect().await;
    let proof = alice.proof("alice", "r1");
    assert_eq!(alice.login("alice", "r1", json!({ "app_sign_proof": proof })).await["auth"], "app_sign");
    let switch = |proof| json!({ "from_room_id": "r1", "room_id": "r2", "app_sign_proof": proof });
    let bare = json!({ "from_room_id": "r1", "room_id": "r2" });
    assert_eq!(alice.ask("switch_room", bare).await["code"], "app_sign_missing");
    let proof = alice.proof("alice", "r2");
    let switched = alice.ask("switch_room", switch(proof)).await;
    assert_eq!(switched["type"], "logged_in");
    assert_eq!(
        alice.ask("switch_room", json!({ "from_room_id": "r2", "room_id": "r2" })).await["code"],
        "already_in_room"
    );
    let proof = alice.proof("alice", "r3");
    let on = json!({ "from_room_id": "r2", "room_id": "r3", "app_sign_proof": proof });
    assert_eq!(alice.ask("switch_room", on).await["room_id"], "r3");
}

// proves T46, C12
#[tokio::test]
async fn a_challenge_is_good_for_one_proof() {
    let test = TestGateway::start(settings()).await;
    for used in ["of the hello", "of the login"] {
        let mut alice = test.connect().await;
        let hello = alice.proof("alice", "r2");
        let proof = alice.proof("alice", "r1");
        let first = alice.login("alice", "r1", json!({ "app_sign_proof": proof })).await;
        assert_ne!(first["challenge"], json!(null));
        let second = alice.proof("alice", "r2");
        let mut from = "r1";
        let shown = if used == "of the hello" {
            hello
        } else {
            // For the way back: by the challenge that this one uses up.
            let back = alice.proof("alice", "r1");
            let switch = json!({ "from_room_id": "r1", "room_id": "r2", "app_sign_proof": second });
            let answer = alice.ask("switch_room", switch).await;
            assert_ne!(answer["challenge"], first["challenge"]);
            from = "r2";
            back
        };
        let to = if from == "r1" { "r2" } else { "r1" };
        let again = json!({ "from_room_id": from, "room_id": to, "app_sign_proof": shown });
        assert_eq!(alice.ask("switch_room", again).await["code"], "app_sign_wrong", "{used}");
    }
}

#[tokio::test]
async fn a_token_for_one_login_lets_one_session_in_which_may_break_and_go_on() {
    let test = TestGateway::start(settings()).await;
    let once = test.token_on("alice", 600, RightsBuilder::single_use);
    let mut alice = test.connect().await;
    let answer = alice.login("alice", "r1", json!({ "token": once })).await;
    assert_eq!(answer["type"], "logged_in");
    assert_eq!(alice.renew(&once).await["type"], "token_renewed", "it is the present token");
    let mut thief = test.connect().await;
    let refused = thief.login("alice", "r1", json!({ "token": once })).await;
    assert_eq!(part(&refused, &["code", "number"]), json!(["token_used", 1002033]));
    drop(alice);
    let mut alice = test.connect().await;
    let resume = json!({
        "app_id": super::harness::APP_ID, "session_id": answer["session_id"], "resume_key": answer["resume_key"], "seq": 1
    });
    assert_eq!(alice.ask("resume", resume).await["type"], "resumed");
    // A fresh one renews, and is used up by that.
    let fresh = test.token_on("alice", 700, RightsBuilder::single_use);
    assert_eq!(alice.renew(&fresh).await["type"], "token_renewed");
    let mut thief = test.connect().await;
    assert_eq!(thief.login("alice", "r1", json!({ "token": fresh })).await["code"], "token_used");
}

#[tokio::test]
async fn a_login_that_fails_in_the_room_does_not_use_the_token_up() {
    let test = TestGateway::start(AppSettings { max_room_users: 1, ..settings() }).await;
    let bob = test.enter("bob", 600).await;
    let once = test.token_on("alice", 600, RightsBuilder::single_use);
    let mut alice = test.connect().await;
    assert_eq!(alice.login("alice", "r1", json!({ "token": once })).await["code"], "room_full");
    bob.close().await;
    let mut alice = test.connect().await;
    assert_eq!(alice.login("alice", "r1", json!({ "token": once })).await["type"], "logged_in");
}

#[tokio::test]
async fn the_terms_of_the_token_are_told_and_hold() {
    let test = TestGateway::start(settings()).await;
    let token = test.token_on("alice", 600, |rights| {
        rights
            .also_room(&RoomId::new("r2").unwrap())
            .play_stream(&StreamId::new("p1").unwrap())
            .media([MediaKind::Audio].into_iter().collect())
            .publish_until((START + 20).into())
            .max_stay(Duration::from_secs(60))
            .on_expiry(OnExpiry::StopPublish)
            .user_name(&UserName::new("Ann").unwrap())
            .metadata("seat 7")
            .unwrap()
    });
    let mut alice = test.connect().await;
    let answer = alice.login("alice", "r2", json!({ "token": token, "user_name": "Somebody Else" })).await;
    assert_eq!(
        part(&answer, &["privileges", "rights", "metadata", "users"]),
        json!([
            ["login", "publish", "play"],
            {
                "play_stream_ids": ["p1"], "media": ["audio"], "publish_until": START + 20, "stay_until": START + 60,
                "on_expiry": "stop_publish"
            },
            "seat 7",
            [{ "user_id": "alice", "user_name": "Ann", "metadata": "seat 7" }]
        ])
    );
    let publish = |media| json!({ "stream_id": "s1", "media": media });
    assert_eq!(part(&alice.publish("s1").await, &["code", "reason"]), json!(["publish_denied", "media"]));
    assert_eq!(alice.ask("publish", publish(json!(["audio", "video"]))).await["reason"], "media");
    assert_eq!(alice.ask("publish", publish(json!(["audio"]))).await["type"], "ok");
    assert_eq!(alice.hear().await["streams"][0]["media"], json!(["audio"]));
    let denied = alice.ask("play", json!({ "stream_id": "p2" })).await;
    assert_eq!(part(&denied, &["code", "number", "reason"]), json!(["play_denied", 1004025, "stream"]));
    assert_eq!(alice.ask("play", json!({ "stream_id": "p1" })).await["type"], "ok");

    test.advance(20);
    assert_eq!(part(&alice.hear().await, &["type", "privileges"]), json!(["privileges_changed", ["login", "play"]]));
    assert_eq!(part(&alice.hear().await, &["type", "code"]), json!(["publish_stopped", "publish_token_expired"]));
    assert_eq!(part(&alice.hear().await, &["type", "reason"]), json!(["room_streams", "removed"]));
    let refused = alice.ask("publish", publish(json!(["audio"]))).await;
    assert_eq!(part(&refused, &["code", "reason"]), json!(["publish_token_expired", "until"]));

    test.advance(40);
    assert_eq!(part(&alice.hear().await, &["type", "code"]), json!(["play_stopped", "kicked_stay_over"]));
    assert_eq!(
        part(&alice.hear().await, &["type", "code", "may_reconnect"]),
        json!(["kicked", "kicked_stay_over", false])
    );
    assert_eq!(alice.hear_close().await, (4001, "kicked_stay_over".to_owned()));
}

#[tokio::test]
async fn a_token_without_play_does_not_play_and_a_renewal_is_enforced_where_the_app_says_so() {
    let test = TestGateway::start(AppSettings { on_renew: RenewalPolicy::Enforce, ..settings() }).await;
    let mut alice = test.enter("alice", 600).await;
    alice.publish("s1").await;
    alice.hear().await;
    alice.ask("play", json!({ "stream_id": "p1" })).await;
    let smaller = test.token_on("alice", 600, |rights| rights.deny_play().stream(&StreamId::new("s2").unwrap()));
    let renewed = alice.renew(&smaller).await;
    assert_eq!(
        part(&renewed, &["type", "privileges", "notice"]),
        json!(["token_renewed", ["login", "publish"], "renewed_without_publish"])
    );
    assert_eq!(
        part(&alice.hear().await, &["type", "stream_id", "code"]),
        json!(["publish_stopped", "s1", "publish_denied"])
    );
    assert_eq!(part(&alice.hear().await, &["type", "stream_id", "code"]), json!(["play_stopped", "p1", "play_denied"]));
    assert_eq!(part(&alice.hear().await, &["type", "change", "reason"]), json!(["room_streams", "delete", "removed"]));
    let denied = alice.ask("play", json!({ "stream_id": "p1" })).await;
    assert_eq!(part(&denied, &["code", "reason"]), json!(["play_denied", "play"]));
    assert_eq!(alice.publish("s2").await["type"], "ok");
}

#[tokio::test]
async fn a_room_that_everybody_storms_says_so() {
    let test = TestGateway::start(AppSettings { room_logins_per_sec: 1, ..settings() }).await;
    let _first = (test.enter("alice", 600).await, test.enter("bob", 600).await);
    let mut carol = test.connect().await;
    let token = test.token("carol", 600);
    let refused = carol.login("carol", "r1", json!({ "token": token })).await;
    assert_eq!(part(&refused, &["code", "number", "retryable"]), json!(["room_busy", 1002072, true]));
    test.advance(1);
    test.enter("carol", 600).await;
}
