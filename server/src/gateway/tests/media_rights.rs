//! Rights that end or shrink in the middle of a stay, in packets: what its user sends and what its user gets.

use std::time::Instant;

use roompass_wire::http::WithheldPrivilege;
use serde_json::{Value, json};
use token_gen::{AppId, OnExpiry, Privilege, RightsBuilder, StreamId, UnixSeconds};

use super::{
    harness::{APP_ID, START, TestGateway, part, settings},
    media::{AT_ONCE, Peer, eventually, turns_away, watched_with, went_silent},
    shut_out::user,
};
use crate::{
    apps::{AppSettings, RenewalPolicy},
    operator::{Act, Who},
};

/// Soon enough that nobody has to answer a ping before.
const SOON: u64 = 4;

const fn soon() -> UnixSeconds {
    UnixSeconds::new(START + SOON as i64)
}

/// Alice publishes, Bob sees her, each by a token with these terms.
async fn watched(
    settings: AppSettings,
    of_alice: impl FnOnce(RightsBuilder) -> RightsBuilder,
    of_bob: impl FnOnce(RightsBuilder) -> RightsBuilder,
) -> (TestGateway, Peer, Peer) {
    let test = TestGateway::start_with_media(settings).await;
    let tokens = [test.token_on("alice", 600, of_alice), test.token_on("bob", 600, of_bob)];
    let (test, alice, bob) = watched_with(test, tokens).await;
    bob.rtc.ignore_close();
    (test, alice, bob)
}

/// Waits until packets that are let in have come for longer than a receiver may still get any: what it has not got by
/// then it does not get.
async fn goes_on_coming(test: &TestGateway, change: Instant) {
    let let_in = || test.gateway.media.totals().unwrap().received_packets;
    eventually(|| change.elapsed() > AT_ONCE).await;
    let before = let_in();
    eventually(|| let_in() > before + 50).await;
}

fn withhold(test: &TestGateway, user_id: &str, privileges: &[WithheldPrivilege]) {
    let who = Who::User { user_id: user_id.into(), room_id: None };
    let act = Act::Withhold { who, privileges: privileges.to_vec() };
    assert_eq!(test.gateway.obey(AppId::new(APP_ID).unwrap(), &act, test.now()).len(), 1);
}

fn stopped(message: &Value) -> Value {
    part(message, &["stream_id", "code"])
}

#[tokio::test]
async fn a_right_to_publish_that_ends_silences_at_once() {
    for on_expiry in [OnExpiry::StopPublish, OnExpiry::Kick] {
        let ends = |rights: RightsBuilder| rights.publish_until(soon()).on_expiry(on_expiry);
        let (test, mut alice, mut bob) = watched(settings(), ends, |rights| rights).await;
        let change = Instant::now();
        test.advance(SOON);
        let heard = alice.hears("publish_stopped").await;
        assert_eq!(stopped(&heard), json!(["alice-camera", "publish_token_expired"]));
        turns_away(&test, |totals| totals.refused_packets).await;
        went_silent(&bob, "alice-camera", change);
        assert_eq!(bob.hears("room_streams").await["reason"], "removed");
    }
}

#[tokio::test]
async fn a_right_to_play_that_ends_silences_at_once_where_the_end_of_the_token_would() {
    let ends = |rights: RightsBuilder| rights.play_until(soon()).on_expiry(OnExpiry::Kick);
    let (test, _alice, mut bob) = watched(settings(), |rights| rights, ends).await;
    let change = Instant::now();
    test.advance(SOON);
    assert_eq!(stopped(&bob.hears("play_stopped").await), json!(["alice-camera", "play_token_expired"]));
    goes_on_coming(&test, change).await;
    went_silent(&bob, "alice-camera", change);

    // Elsewhere what is played goes on, and nothing new is.
    let (test, _alice, mut bob) = watched(settings(), |rights| rights, |rights| rights.play_until(soon())).await;
    test.advance(SOON);
    assert_eq!(bob.hears("privileges_changed").await["privileges"], json!(["login", "publish"]));
    bob.sees("alice-camera").await;
    assert_eq!(bob.ask("play", json!({ "stream_id": "another" })).await["code"], "play_token_expired");
}

#[tokio::test]
async fn whoever_may_not_play_any_more_gets_nothing_more_and_others_do() {
    let (test, alice, mut bob) = watched(settings(), |rights| rights, |rights| rights).await;
    let mut carol = Peer::enter_with(&test, "carol", &test.token("carol", 600)).await;
    carol.play("alice-camera").await;
    let change = Instant::now();
    withhold(&test, "bob", &[WithheldPrivilege::Play]);
    assert_eq!(stopped(&bob.hears("play_stopped").await), json!(["alice-camera", "play_denied"]));
    goes_on_coming(&test, change).await;
    went_silent(&bob, "alice-camera", change);
    carol.sees("alice-camera").await;
    // Given back, it is theirs to use again.
    withhold(&test, "bob", &[]);
    assert_eq!(bob.hears("privileges_changed").await["privileges"], json!(["login", "publish", "play"]));
    assert_eq!(bob.ask("play", json!({ "stream_id": "alice-camera" })).await["type"], "ok");
    bob.sees("alice-camera").await;
    drop(alice);
}

#[tokio::test]
async fn whoever_may_not_publish_any_more_is_heard_by_nobody() {
    let (test, mut alice, bob) = watched(settings(), |rights| rights, |rights| rights).await;
    let change = Instant::now();
    withhold(&test, "alice", &[WithheldPrivilege::Publish]);
    assert_eq!(stopped(&alice.hears("publish_stopped").await), json!(["alice-camera", "publish_denied"]));
    turns_away(&test, |totals| totals.refused_packets).await;
    went_silent(&bob, "alice-camera", change);
}

#[tokio::test]
async fn a_renewal_that_lists_less_to_play_silences_where_the_app_says_so() {
    let settings = AppSettings { on_renew: RenewalPolicy::Enforce, ..settings() };
    let (test, _alice, mut bob) = watched(settings, |rights| rights, |rights| rights).await;
    let change = Instant::now();
    let other = StreamId::new("another").unwrap();
    let smaller = test.token_on("bob", 600, |rights| rights.play_stream(&other));
    assert_eq!(bob.ask("renew_token", json!({ "token": smaller })).await["type"], "token_renewed");
    assert_eq!(stopped(&bob.hears("play_stopped").await), json!(["alice-camera", "play_denied"]));
    goes_on_coming(&test, change).await;
    went_silent(&bob, "alice-camera", change);
    // Until a token lists it again.
    let whole = test.token_with("bob", "r1", &Privilege::ALL, 600);
    assert_eq!(bob.ask("renew_token", json!({ "token": whole })).await["type"], "token_renewed");
    assert_eq!(bob.ask("play", json!({ "stream_id": "alice-camera" })).await["type"], "ok");
    bob.sees("alice-camera").await;
}

#[tokio::test]
async fn whoever_is_revoked_neither_sends_nor_gets_anything_more() {
    let (test, mut alice, mut bob) = watched(settings(), |rights| rights, |rights| rights).await;
    bob.publish("bob-camera").await;
    alice.play("bob-camera").await;
    alice.sees("bob-camera").await;
    bob.sees("alice-camera").await;
    let change = Instant::now();
    test.revoke(user("alice"), START);
    assert_eq!(alice.hears("kicked").await["code"], "token_revoked");
    turns_away(&test, |totals| totals.stray_packets).await;
    goes_on_coming(&test, change).await;
    went_silent(&bob, "alice-camera", change);
    went_silent(&alice, "bob-camera", change);
}
