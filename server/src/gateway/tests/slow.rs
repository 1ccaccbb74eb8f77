//! Clients that do not take what they are sent: how they are told, how they end, and that they may come back.

use serde_json::json;
use token_gen::AppId;

use super::{
    abuse::RawClient,
    harness::{APP_ID, TestClient, TestGateway, part, settings},
    media::eventually,
    resume::Ticket,
};
use crate::{
    gateway::GatewayConfig,
    operator::{Act, Who},
    rooms::OutboxLimits,
};

/// How many signals somebody sends at once.
const BURST: usize = 40;

/// A room where little waits for anybody, with alice in it.
async fn impatient() -> (TestGateway, TestClient, Ticket) {
    let outbox = OutboxLimits { max_messages: 4, ..OutboxLimits::default() };
    let test = TestGateway::start_with(settings(), GatewayConfig { outbox, ..GatewayConfig::default() }).await;
    let (alice, ticket) = test.enter_for_good("alice", 600).await;
    (test, alice, ticket)
}

// proves W4 (an overflow is told, and is no end)
#[tokio::test]
async fn whoever_is_sent_more_than_may_wait_hears_that_they_are_too_slow_and_goes_on_with_the_session() {
    let (test, mut alice, ticket) = impatient().await;
    assert_eq!(alice.publish("s1").await["type"], "ok");
    alice.hear().await;
    let mut bob = RawClient::connect(test.address).await;
    bob.login(&test, "bob").await;
    alice.hear().await;
    // In one piece: it is all there before the server looks at anybody else.
    let signal = json!({ "type": "send_signal", "id": 1, "user_ids": ["alice"], "text": "offer" }).to_string();
    bob.say_often(&signal, BURST).await;
    let closed = loop {
        match alice.frame().await {
            tungstenite::Message::Close(Some(frame)) => break (u16::from(frame.code), frame.reason.to_string()),
            heard => assert!(heard.to_text().unwrap().contains("signal"), "{heard}"),
        }
    };
    assert_eq!(closed, (4102, "too_slow".to_owned()));
    let (mut alice, resumed) = test.resume(&ticket, 3).await;
    let members = &["type", "publishing", "privileges"];
    assert_eq!(part(&resumed, members), json!(["resumed", ["s1"], ["login", "publish", "play"]]));
    assert_eq!(alice.ask("stop_publish", json!({ "stream_id": "s1" })).await["type"], "ok");
}

// proves W4 (the write timeout)
#[tokio::test]
async fn a_write_that_takes_too_long_ends_the_connection_and_leaves_the_session() {
    /// More than the kernel takes for who does not read.
    const MUCH: usize = 12 << 20;
    let outbox = OutboxLimits { max_bytes: 2 * MUCH, ..OutboxLimits::default() };
    let test = TestGateway::start_with(settings(), GatewayConfig { outbox, ..GatewayConfig::default() }).await;
    let (mut alice, ticket) = test.enter_for_good("alice", 600).await;
    let who = Who::User { user_id: "alice".into(), room_id: None };
    let act = Act::Say { who, text: "x".repeat(MUCH) };
    assert_eq!(test.gateway.obey(AppId::new(APP_ID).unwrap(), &act, test.now()).len(), 1);
    alice.leaves_unread(16 << 10).await;
    // Whether the write has been begun when the time is looked at does not matter: it ends five seconds later.
    let mut advanced = 0;
    let sockets = || test.gateway.metrics.gateway.closed_for("too_slow");
    eventually(|| {
        if sockets() == 0 {
            test.advance(1);
            advanced += 1;
        }
        sockets() == 1
    })
    .await;
    assert!(advanced >= 5, "{advanced}");
    // What was begun breaks off, without a word: none would go through.
    assert!(alice.breaks_off(MUCH).await);
    let (mut alice, resumed) = test.resume(&ticket, 1).await;
    assert_eq!(resumed["type"], "resumed");
    assert_eq!(alice.publish("s1").await["type"], "ok");
}
