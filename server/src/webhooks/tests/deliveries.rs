//! Signatures, retries, redelivery, queues.

use std::collections::HashSet;

use hmac::{Hmac, KeyInit, Mac};
use roompass_wire::{
    http::{DeliveryFault, DeliveryState},
    webhook::{EventName, Notice, Signatures},
};
use sha2::Sha256;
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::harness::*;
use crate::webhooks::{SigningKey, schedule};

/// Verifies as a receiver would, with nothing of ours.
fn verifies(key: &SigningKey, header: &str, body: &str) -> bool {
    let signatures: Signatures = header.parse().unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).unwrap();
    mac.update(format!("{}.{body}", signatures.timestamp).as_bytes());
    signatures.v1.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
}

#[tokio::test]
async fn a_delivery_is_signed_and_logged() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (endpoint, key) = world.endpoint(&receiver.url(), &[EventName::Revoked]).await;
    let delivery_id = world.service.admin.test_webhook(app_id(), &endpoint.endpoint_id).await.unwrap();
    let got = receiver.wait_for(1).await.remove(0);
    let signature = got.header("roompass-signature");
    assert!(signature.starts_with(&format!("t={NOW},v1=")), "{signature}");
    assert!(verifies(&key, signature, &got.body));
    assert!(!verifies(&key, signature, &got.body.replace("test", "tost")));
    assert_eq!(got.header("roompass-delivery"), delivery_id);
    assert_eq!(got.header("roompass-event"), "test");
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("host"), receiver.address.to_string());
    let notice: Notice = serde_json::from_str(&got.body).unwrap();
    assert_eq!((notice.version, notice.app_id, notice.occurred_at_ms), (1, 7, NOW * 1000));

    let logged = world.wait_for(&endpoint.endpoint_id, |delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!((logged.delivery_id, logged.event, logged.next_attempt_at), (delivery_id, EventName::Test, None));
    assert_eq!(logged.attempts.len(), 1);
    assert_eq!((logged.attempts[0].at, logged.attempts[0].status, logged.attempts[0].fault), (NOW, Some(200), None));
    world.stop().await;
}

#[tokio::test]
async fn what_fails_is_tried_again_under_the_same_id_and_freshly_signed() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (endpoint, key) = world.endpoint(&receiver.url(), &[EventName::Revoked]).await;
    receiver.will_answer([500, 404, 302, 503, 429]);
    world.service.admin.test_webhook(app_id(), &endpoint.endpoint_id).await.unwrap();
    let mut due = NOW;
    for (number, wait) in (1..).zip([2, 4, 8, 16, 32]) {
        let is_noted = |delivery: &roompass_wire::http::Delivery| delivery.attempts.len() == number;
        let waiting = world.wait_for(&endpoint.endpoint_id, is_noted).await;
        due += wait;
        assert_eq!((waiting.state, waiting.next_attempt_at), (DeliveryState::Pending, Some(due)));
        world.advance(wait as u64 - 1);
        tokio::task::yield_now().await;
        assert_eq!(receiver.got().len(), number, "not before its time");
        world.advance(1);
    }
    let got = receiver.wait_for(6).await;
    let ids: HashSet<&str> = got.iter().map(|got| got.header("roompass-delivery")).collect();
    let bodies: HashSet<&str> = got.iter().map(|got| &*got.body).collect();
    assert_eq!((ids.len(), bodies.len()), (1, 1));
    assert!(got.iter().all(|got| verifies(&key, got.header("roompass-signature"), &got.body)));
    assert!(got[5].header("roompass-signature").starts_with(&format!("t={},", world.now())));
    let done = world.wait_for(&endpoint.endpoint_id, |delivery| delivery.state == DeliveryState::Delivered).await;
    let statuses: Vec<_> = done.attempts.iter().map(|attempt| attempt.status.unwrap()).collect();
    assert_eq!(statuses, [500, 404, 302, 503, 429, 200]);
    assert!(done.attempts[..5].iter().all(|attempt| attempt.fault == Some(DeliveryFault::Status)));
    world.stop().await;
}

#[tokio::test]
async fn what_is_given_up_can_be_delivered_again() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (endpoint, _) = world.endpoint(&receiver.url(), &[EventName::Revoked]).await;
    receiver.will_answer(vec![500; 13]);
    let delivery_id = world.service.admin.test_webhook(app_id(), &endpoint.endpoint_id).await.unwrap();
    for tries in 1..=13 {
        world.wait_for(&endpoint.endpoint_id, |delivery| delivery.attempts.len() == tries).await;
        world.advance(schedule::wait_after(tries as u32).map_or(0, |wait| wait.as_secs()));
    }
    let failed = world.wait_for(&endpoint.endpoint_id, |delivery| delivery.state == DeliveryState::Failed).await;
    assert_eq!((failed.attempts.len(), failed.next_attempt_at), (13, None));
    world.service.admin.redeliver(app_id(), &endpoint.endpoint_id, &delivery_id).await.unwrap();
    let got = receiver.wait_for(14).await;
    assert_eq!(got[13].header("roompass-delivery"), delivery_id);
    world.wait_for(&endpoint.endpoint_id, |delivery| delivery.state == DeliveryState::Delivered).await;
    assert!(world.service.admin.redeliver(app_id(), &endpoint.endpoint_id, "unknown").await.is_err());
    world.stop().await;
}

#[tokio::test]
async fn while_a_key_is_rotated_either_will_do() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (endpoint, old) = world.endpoint(&receiver.url(), &[EventName::Revoked]).await;
    let admin = &world.service.admin;
    let (new, until) = admin.rotate_webhook_key(app_id(), &endpoint.endpoint_id, None).await.unwrap();
    assert_eq!(until.unwrap().get(), NOW + 86_400);
    for (after, old_will_do) in [(0, true), (86_399, true), (1, false)] {
        world.advance(after);
        let before = receiver.got().len();
        admin.test_webhook(app_id(), &endpoint.endpoint_id).await.unwrap();
        let got = receiver.wait_for(before + 1).await.pop().unwrap();
        let signature = got.header("roompass-signature");
        assert!(verifies(&new, signature, &got.body));
        assert_eq!(verifies(&old, signature, &got.body), old_will_do, "{signature}");
    }
    let (newest, until) =
        admin.rotate_webhook_key(app_id(), &endpoint.endpoint_id, Some(std::time::Duration::ZERO)).await.unwrap();
    assert_eq!(until, None);
    admin.test_webhook(app_id(), &endpoint.endpoint_id).await.unwrap();
    let got = receiver.wait_for(4).await.pop().unwrap();
    assert!(verifies(&newest, got.header("roompass-signature"), &got.body));
    assert!(!verifies(&new, got.header("roompass-signature"), &got.body));
    world.stop().await;
}

// proves T64 (webhooks)
#[tokio::test]
async fn a_full_queue_takes_no_more_and_says_so() {
    let mut config = config();
    config.webhooks.max_pending = 3;
    let (world, receiver) = (World::with(&config).await, Receiver::start().await);
    let (endpoint, _) = world.endpoint(&receiver.url(), &[EventName::AppChanged]).await;
    receiver.will_answer(vec![500; 3]);
    for version in 1..=5 {
        world.service.webhooks.announce(app_id(), changed(version)).await;
    }
    receiver.wait_for(3).await;
    let view = world.service.admin.webhook(app_id(), &endpoint.endpoint_id).await.unwrap();
    assert_eq!(view.dropped, 2);
    while !world.log(&endpoint.endpoint_id).await.iter().all(|delivery| delivery.attempts.len() == 1) {
        tokio::task::yield_now().await;
    }
    world.advance(2);
    receiver.wait_for(6).await;
    while !world.log(&endpoint.endpoint_id).await.iter().all(|delivery| delivery.state == DeliveryState::Delivered) {
        tokio::task::yield_now().await;
    }
    world.service.webhooks.announce(app_id(), changed(6)).await;
    let got = receiver.wait_for(7).await.pop().unwrap();
    assert_eq!(got.json()["data"]["version"], 6, "there is room again");
    world.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_hangs_delays_nobody_else() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", hangs.local_addr().unwrap());
    world.endpoint(&url, &[EventName::AppChanged]).await;
    world.endpoint(&receiver.url(), &[EventName::AppChanged]).await;
    let accepting = tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut socket, _) = hangs.accept().await.unwrap();
            let mut first = [0; 1];
            socket.read_exact(&mut first).await.unwrap();
            open.push(socket);
        }
    });
    for version in 1..=50 {
        world.service.webhooks.announce(app_id(), changed(version)).await;
    }
    let got = receiver.wait_for(50).await;
    let versions: HashSet<_> = got.iter().map(|got| got.json()["data"]["version"].as_i64().unwrap()).collect();
    assert_eq!(versions.len(), 50);
    accepting.abort();
    world.kill().await;
}

#[tokio::test]
async fn while_it_is_off_nothing_is_delivered_and_what_waits_waits_on() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (endpoint, _) = world.endpoint(&receiver.url(), &[EventName::AppChanged]).await;
    receiver.will_answer([500]);
    world.service.webhooks.announce(app_id(), changed(1)).await;
    world.wait_for(&endpoint.endpoint_id, |delivery| delivery.attempts.len() == 1).await;
    let switch = async |enabled| {
        let change = crate::admin::EndpointChange { enabled: Some(enabled), ..Default::default() };
        world.service.admin.update_webhook(app_id(), &endpoint.endpoint_id, change).await.unwrap();
    };
    switch(false).await;
    assert!(world.service.admin.test_webhook(app_id(), &endpoint.endpoint_id).await.is_err());
    world.service.webhooks.announce(app_id(), changed(2)).await;
    world.advance(60);
    switch(true).await;
    let got = receiver.wait_for(2).await;
    assert_eq!(got[1].json()["data"]["version"], 1);
    assert!(world.service.admin.remove_webhook(app_id(), &endpoint.endpoint_id).await.unwrap());
    world.service.webhooks.announce(app_id(), changed(3)).await;
    assert!(world.service.store.deliveries(app_id(), &endpoint.endpoint_id, None, 9).await.unwrap().is_empty());
    world.stop().await;
    assert_eq!(receiver.got().len(), 2);
}

pub(super) fn changed(version: i64) -> roompass_wire::webhook::Event {
    roompass_wire::webhook::Event::AppChanged(roompass_wire::webhook::AppChanged { version, settings: Vec::new() })
}
