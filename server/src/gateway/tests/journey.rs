//! What a well-behaved client lives through, from login to logout.

use serde_json::json;

use super::harness::{START, TestGateway, part, settings};
use crate::apps::{AppSettings, AuthMode, DuplicateLogin, ExpiryPolicy};

#[tokio::test]
async fn two_users_meet_publish_renew_and_part() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.connect().await;
    assert_eq!(
        part(&alice.hello, &["type", "protocol", "server_time", "login_timeout_secs"]),
        json!(["hello", "roompass.v1", START, 10])
    );
    let token = test.token("alice", 600);
    let answer = alice.login("alice", "r1", json!({ "token": token, "user_name": "Alice A", "sdk": "test/1" })).await;
    assert_eq!(
        part(&answer, &["type", "id", "room_id", "user_id", "auth", "privileges", "expire_at", "server_time", "seq"]),
        json!(["logged_in", 1, "r1", "alice", "token", ["login", "publish", "play"], START + 600, START, 1])
    );
    assert_eq!(answer["users"], json!([{ "user_id": "alice", "user_name": "Alice A" }]));
    assert_eq!(answer["session_id"].as_str().unwrap().len(), 22);

    let mut bob = test.enter("bob", 600).await;
    let bob_user = json!([{ "user_id": "bob", "user_name": "bob" }]);
    assert_eq!(
        alice.hear().await,
        json!({ "type": "room_users", "room_id": "r1", "seq": 2, "change": "add", "users": bob_user })
    );

    let stream = json!([{ "stream_id": "s1", "user_id": "alice" }]);
    let added = json!({ "type": "room_streams", "room_id": "r1", "seq": 3, "change": "add", "streams": stream });
    assert_eq!(alice.publish("s1").await, json!({ "type": "ok", "id": 2 }));
    assert_eq!(alice.hear().await, added);
    assert_eq!(bob.hear().await, added);
    assert_eq!(bob.publish("s1").await["code"], "stream_id_taken");
    assert_eq!(bob.ask("play", json!({ "stream_id": "s1" })).await["type"], "ok");
    assert_eq!(bob.ask("play", json!({ "stream_id": "not-yet" })).await["type"], "ok");
    assert_eq!(bob.ask("stop_play", json!({ "stream_id": "s1" })).await["type"], "ok");

    test.advance(5);
    let renewed = alice.renew(&test.token("alice", 900)).await;
    assert_eq!(
        renewed,
        json!({
            "type": "token_renewed", "id": 3, "expire_at": START + 905, "server_time": START + 5,
            "privileges": ["login", "publish", "play"], "rights": { "on_expiry": "keep" }
        })
    );

    assert_eq!(alice.ask("stop_publish", json!({ "stream_id": "s1" })).await["type"], "ok");
    assert_eq!(part(&bob.hear().await, &["type", "seq", "change"]), json!(["room_streams", 4, "delete"]));
    assert_eq!(alice.hear().await["seq"], 4);
    assert_eq!(alice.ask("logout", json!({})).await["type"], "ok");
    assert_eq!(alice.hear_close().await, (1000, "logged_out".to_owned()));
    assert_eq!(part(&bob.hear().await, &["type", "seq", "change"]), json!(["room_users", 5, "delete"]));
}

// proves F8 (a client that vanishes)
#[tokio::test]
async fn a_client_that_vanishes_leaves_its_room_with_its_streams_after_a_while() {
    for (heartbeat_timeout_secs, reason) in [(90, "timeout"), (0, "disconnected")] {
        let test = TestGateway::start(AppSettings { heartbeat_timeout_secs, ..settings() }).await;
        let mut alice = test.enter("alice", 600).await;
        let mut bob = test.enter("bob", 600).await;
        bob.publish("s1").await;
        drop(bob);
        let mut heard = vec![alice.hear().await, alice.hear().await];
        test.advance(heartbeat_timeout_secs.saturating_sub(1));
        // Still there: an answer comes before any news of bob.
        assert!(heartbeat_timeout_secs == 0 || alice.ask("play", json!({ "stream_id": "s1" })).await["type"] == "ok");
        test.advance(heartbeat_timeout_secs.min(1));
        heard.extend([alice.hear().await, alice.hear().await]);
        let heard: Vec<_> = heard.iter().map(|message| part(message, &["type", "seq", "change", "reason"])).collect();
        assert_eq!(
            json!(heard),
            json!([
                ["room_users", 2, "add", null],
                ["room_streams", 3, "add", null],
                ["room_streams", 4, "delete", reason],
                ["room_users", 5, "delete", reason]
            ])
        );
    }
}

#[tokio::test]
async fn a_proof_is_good_on_its_own_connection_only() {
    // proves T46
    let test = TestGateway::start(AppSettings { mode: AuthMode::AppSign, ..settings() }).await;
    let first = test.connect().await;
    let mut second = test.connect().await;
    assert_ne!(first.hello["challenge"], second.hello["challenge"]);
    let answer = second.login("alice", "r1", json!({ "app_sign_proof": first.proof("alice", "r1") })).await;
    assert_eq!(answer["code"], "app_sign_wrong");

    let mut late = test.connect().await;
    let proof = late.proof("alice", "r1");
    test.advance(9);
    assert_eq!(late.login("alice", "r1", json!({ "app_sign_proof": proof })).await["auth"], "app_sign");
}

// proves W7 (warning, over sockets)
#[tokio::test]
async fn the_warning_comes_at_its_second_and_renewal_re_arms_it() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 100).await;
    test.advance(69);
    assert_eq!(alice.publish("s1").await["type"], "ok");
    assert_eq!(alice.hear().await["type"], "room_streams");
    test.advance(1);
    let warning = json!({
        "type": "token_will_expire", "room_id": "r1", "remain_secs": 30, "expire_at": START + 100,
        "server_time": START + 70
    });
    assert_eq!(alice.hear().await, warning);
    assert_eq!(alice.renew(&test.token("alice", 60)).await["type"], "token_renewed");
    test.advance(30);
    assert_eq!(part(&alice.hear().await, &["type", "expire_at"]), json!(["token_will_expire", START + 130]));

    let mut bob = test.connect().await;
    let token = test.token("bob", 10);
    bob.login("bob", "r1", json!({ "token": token })).await;
    test.advance(5);
    assert_eq!(part(&bob.hear().await, &["type", "remain_secs"]), json!(["token_will_expire", 5]));
    // Once less is left than the lead, the warning follows the login at once.
    let mut bob = test.connect().await;
    bob.login("bob", "r1", json!({ "token": token })).await;
    assert_eq!(part(&bob.hear().await, &["type", "remain_secs"]), json!(["token_will_expire", 5]));
}

// proves W7 (soft, over sockets)
#[tokio::test]
async fn soft_expiry_keeps_the_user_and_the_stream() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 20).await;
    test.advance(10);
    assert_eq!(alice.hear().await["type"], "token_will_expire");
    alice.publish("s1").await;
    alice.hear().await;
    test.advance(10);
    assert_eq!(alice.hear().await, json!({ "type": "token_expired", "room_id": "r1", "expire_at": START + 20 }));
    assert_eq!(part(&alice.publish("s2").await, &["code", "number"]), json!(["publish_token_expired", 1003072]));
    let play = alice.ask("play", json!({ "stream_id": "s9" })).await;
    assert_eq!(part(&play, &["code", "number"]), json!(["play_token_expired", 1004003]));
    let mut bob = test.connect().await;
    let token = test.token("bob", 600);
    let answer = bob.login("bob", "r1", json!({ "token": token })).await;
    assert_eq!(answer["streams"], json!([{ "stream_id": "s1", "user_id": "alice" }]));
    assert_eq!(alice.hear().await["type"], "room_users");
    assert_eq!(alice.renew(&test.token("alice", 600)).await["type"], "token_renewed");
    assert_eq!(alice.publish("s2").await["type"], "ok");
}

// proves W7 (strict, over sockets)
#[tokio::test]
async fn strict_expiry_puts_the_user_out_in_the_documented_order() {
    let test = TestGateway::start(AppSettings { on_expiry: ExpiryPolicy::Strict, ..settings() }).await;
    let mut bob = test.enter("bob", 600).await;
    let mut alice = test.enter("alice", 40).await;
    let token = test.token("alice", 40);
    alice.publish("s1").await;
    alice.hear().await;
    alice.ask("play", json!({ "stream_id": "s2" })).await;
    test.advance(20);
    assert_eq!(alice.hear().await["type"], "token_will_expire");
    test.advance(20);
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(part(&alice.hear().await, &["type", "code", "number", "may_reconnect"]));
    }
    assert_eq!(
        json!(heard),
        json!([
            ["publish_stopped", "publish_token_expired", 1003072, null],
            ["play_stopped", "play_token_expired", 1004003, null],
            ["kicked", "kicked_token_expired", 1002056, false]
        ])
    );
    assert_eq!(alice.hear_close().await, (4001, "kicked_token_expired".to_owned()));
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(part(&bob.hear().await, &["type", "change"]));
    }
    assert_eq!(
        json!(heard),
        json!([["room_users", "add"], ["room_streams", "add"], ["room_streams", "delete"], ["room_users", "delete"]])
    );

    let mut again = test.connect().await;
    let refused = again.login("alice", "r1", json!({ "token": token })).await;
    assert_eq!(part(&refused, &["code", "number"]), json!(["token_expired", 1002078]));
    test.enter("alice", 600).await;
}

#[tokio::test]
async fn the_same_user_twice_follows_the_setting_of_the_app() {
    let test = TestGateway::start(settings()).await;
    let mut first = test.enter("alice", 600).await;
    let mut bad = test.connect().await;
    assert_eq!(bad.login("alice", "r1", json!({ "token": "04bad" })).await["code"], "token_invalid");
    let mut unproven = test.connect().await;
    let proof = unproven.proof("alice", "r1");
    let refused = unproven.login("alice", "r1", json!({ "app_sign_proof": proof })).await;
    assert_eq!(part(&refused, &["code", "number"]), json!(["logged_in_elsewhere", 1002086]));
    assert_eq!(first.publish("s1").await["type"], "ok");
    first.hear().await;

    let _second = test.enter("alice", 600).await;
    let kicked = first.hear().await;
    assert_eq!(
        part(&kicked, &["type", "code", "number", "may_reconnect"]),
        json!(["kicked", "kicked_by_other_login", 1002050, false])
    );
    assert_eq!(first.hear_close().await, (4001, "kicked_by_other_login".to_owned()));

    test.configure(AppSettings { duplicate_login: DuplicateLogin::RefuseNewcomer, ..settings() });
    let mut third = test.connect().await;
    let token = test.token("alice", 600);
    assert_eq!(third.login("alice", "r2", json!({ "token": token })).await["code"], "login_denied");
    let mut fourth = test.connect().await;
    assert_eq!(fourth.login("alice", "r1", json!({ "token": token })).await["code"], "logged_in_elsewhere");
}

#[tokio::test]
async fn a_full_room_and_a_disabled_app_say_so() {
    let test = TestGateway::start(AppSettings { max_room_users: 1, ..settings() }).await;
    let mut alice = test.enter("alice", 600).await;
    let mut bob = test.connect().await;
    let token = test.token("bob", 600);
    let refused = bob.login("bob", "r1", json!({ "token": token })).await;
    assert_eq!(part(&refused, &["code", "number", "retryable"]), json!(["room_full", 1002034, true]));

    test.configure(AppSettings { enabled: false, ..settings() });
    let mut carol = test.connect().await;
    let refused = carol.login("carol", "r1", json!({ "token": token })).await;
    assert_eq!(part(&refused, &["code", "number"]), json!(["app_disabled", 1000037]));
    let kicked = alice.ask("play", json!({ "stream_id": "s1" })).await;
    assert_eq!(part(&kicked, &["type", "number"]), json!(["kicked", 1002057]));
}

#[tokio::test]
async fn a_drain_tells_everybody_to_come_back_and_ends_when_all_are_gone() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    let mut waiting = test.connect().await;
    let drain = async { test.gateway.drain().await };
    let clients = async {
        let kicked = alice.hear().await;
        assert_eq!(
            part(&kicked, &["type", "code", "number", "may_reconnect"]),
            json!(["kicked", "kicked_internal", 1002057, true])
        );
        assert_eq!(alice.hear_close().await, (4100, "kicked_internal".to_owned()));
        assert_eq!(waiting.hear_close().await, (4100, "unavailable".to_owned()));
    };
    tokio::join!(drain, clients);
    let answer = super::abuse::handshake(test.address, &[]).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

// proves W5 (pings), F8 (sockets that are half open)
#[tokio::test]
async fn a_silent_client_is_pinged_and_closed_when_it_does_not_answer() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    test.advance(25);
    assert!(alice.frame().await.is_ping());
    // The answer to the request follows the pong that the client library sent.
    alice.ask("play", json!({ "stream_id": "s1" })).await;
    test.advance(24);
    alice.ask("play", json!({ "stream_id": "s1" })).await;
    test.advance(25);
    assert!(alice.frame().await.is_ping());

    let mut mute = super::abuse::RawClient::connect(test.address).await;
    mute.login(&test, "mute").await;
    test.advance(25);
    mute.wait_for_ping().await;
    test.advance(10);
    assert_eq!(mute.end().await, "4104 no_pong");
    alice.close().await;
}
