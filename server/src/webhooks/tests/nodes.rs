//! What survives: restarts, and nodes that die in the middle.

use std::collections::HashSet;

use roompass_wire::{http::DeliveryState, webhook::EventName};
use tokio::net::TcpListener;

use super::{deliveries::changed, harness::*};
use crate::store::{Location, PostgresUrl, StoreUrl, postgres_server::Server as Postgres};

#[tokio::test]
async fn what_was_announced_is_delivered_after_a_restart() {
    let (directory, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let config = config_on(Location::File(directory.path().join("roompass.db")).into());
    let world = World::with(&config).await;
    let (endpoint, _) = world.endpoint(&receiver.url(), &[EventName::AppChanged]).await;
    receiver.will_answer([500]);
    world.service.webhooks.announce(app_id(), changed(1)).await;
    world.wait_for(&endpoint.endpoint_id, |delivery| delivery.attempts.len() == 1).await;
    let clock = world.clock.clone();
    world.kill().await;
    let first = receiver.wait_for(1).await.remove(0);

    let again = World::at(&config, clock).await;
    again.advance(2);
    let got = receiver.wait_for(2).await;
    assert_eq!(got[1].header("roompass-delivery"), first.header("roompass-delivery"));
    assert_eq!(got[1].body, first.body);
    let done = again.wait_for(&endpoint.endpoint_id, |delivery| delivery.state == DeliveryState::Delivered).await;
    assert_eq!(done.attempts.len(), 2);
    again.stop().await;
}

#[tokio::test]
async fn what_happens_often_is_written_down_before_the_end() {
    let (directory, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let config = config_on(Location::File(directory.path().join("roompass.db")).into());
    let world = World::with(&config).await;
    let (endpoint, _) = world.endpoint(&receiver.url(), &[EventName::AppChanged]).await;
    for version in 1..=700 {
        world.service.webhooks.announce_soon(app_id(), changed(version));
    }
    let clock = world.clock.clone();
    world.stop().await;
    let again = World::at(&config, clock).await;
    let got = receiver.wait_for(700).await;
    let versions: HashSet<_> = got.iter().map(|got| got.json()["data"]["version"].as_i64().unwrap()).collect();
    assert_eq!(versions.len(), 700);
    again.stop().await;
    assert_eq!(receiver.got().len(), 700, "each of them once");
    drop(endpoint);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_on_one_postgres_deliver_each_event_once() {
    let url = PostgresUrl::parse(&Postgres::shared().database()).unwrap();
    let (config, receiver) = (config_on(StoreUrl::Postgres(url)), Receiver::start().await);
    let here = World::with(&config).await;
    let (endpoint, _) = here.endpoint(&receiver.url(), &[EventName::AppChanged]).await;
    let there = World::at(&config, here.clock.clone()).await;
    for version in 1..=100 {
        here.service.webhooks.announce(app_id(), changed(version)).await;
        there.service.webhooks.announce(app_id(), changed(1000 + version)).await;
    }
    receiver.wait_for(200).await;
    loop {
        let log = here.log(&endpoint.endpoint_id).await;
        if log.iter().all(|delivery| delivery.state == DeliveryState::Delivered) {
            assert_eq!(log.len(), 200);
            assert!(log.iter().all(|delivery| delivery.attempts.len() == 1));
            break;
        }
        tokio::task::yield_now().await;
    }
    let (here, there) = (here.stop(), there.stop());
    tokio::join!(here, there);
    let ids: Vec<String> = receiver.got().iter().map(|got| got.header("roompass-delivery").to_owned()).collect();
    let distinct: HashSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_while_it_delivers_is_followed_by_another() {
    let url = PostgresUrl::parse(&Postgres::shared().database()).unwrap();
    let config = config_on(StoreUrl::Postgres(url));
    let here = World::with(&config).await;
    // It hangs, so that the attempt is under way when the node dies.
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (endpoint, _) =
        here.endpoint(&format!("http://{}/", hangs.local_addr().unwrap()), &[EventName::AppChanged]).await;
    here.service.webhooks.announce(app_id(), changed(1)).await;
    let (first, _) = hangs.accept().await.unwrap();
    let there = World::at(&config, here.clock.clone()).await;
    here.kill().await;
    there.advance(59);
    let change = crate::admin::EndpointChange { description: Some("stirs".to_owned()), ..Default::default() };
    there.service.admin.update_webhook(app_id(), &endpoint.endpoint_id, change).await.unwrap();
    let mut second = std::pin::pin!(hangs.accept());
    assert!(futures_util::poll!(&mut second).is_pending(), "somebody is delivering it");
    there.advance(1);
    let (second, _) = tokio::time::timeout(DEADLINE, second).await.unwrap().unwrap();
    drop((first, second));
    let noted = there.wait_for(&endpoint.endpoint_id, |delivery| !delivery.attempts.is_empty()).await;
    assert_eq!((noted.state, noted.attempts.len()), (DeliveryState::Pending, 1));
    there.kill().await;
}
