//! What operators watch, over HTTP.

use std::time::Duration;

use axum::http::{Request, header::AUTHORIZATION};
use roompass_wire::{
    ErrorCode,
    http::{FeedEvent, FeedKind, FeedResponse, NodesResponse, RefusalsResponse, Role, StatisticsResponse},
};
use token_gen::{AppId, UnixSeconds};

use super::{
    callers_tests::{admin, everywhere, from_console},
    tests::{ALICE, NOW, Server, json, problem_in},
    *,
};
use crate::{admins::SignedIn, feed, keys::Scope};

const OWN: &str = "http://127.0.0.1:7";

async fn as_admin<T: serde::de::DeserializeOwned>(server: &Server, admin: &SignedIn, path: &str) -> T {
    let response = server.send(from_console(Request::get(path), admin), "").await;
    assert_eq!(response.status(), axum::http::StatusCode::OK, "{path}");
    json(response).await
}

#[tokio::test]
async fn refusals_are_counted_over_time_with_words_for_each() {
    let server = Server::at(OWN).await;
    let viewer = admin(&server, "vera", &everywhere(Role::Viewer)).await;
    let mint = async |body: &str| server.send(server.mint(), body.to_owned()).await;
    for body in [r#"{"user_id":"a b"}"#, r#"{"user_id":"a","ttl_secs":0}"#, r#"{"user_id":"a c"}"#, ALICE] {
        mint(body).await;
        server.clock.advance(Duration::from_secs(20));
    }
    server.send(Request::post("/v1/apps/8/tokens").header(AUTHORIZATION, "Bearer rp_x"), "{}").await;
    server.service.audit.flush().await.unwrap();

    let path = format!("/v1/apps/7/refusals?since={NOW}&until={}&span_secs=20", NOW + 60);
    let counted: RefusalsResponse = as_admin(&server, &viewer, &path).await;
    assert_eq!((counted.since, counted.until, counted.span_secs), (NOW, NOW + 60, 20));
    assert!(counted.is_complete);
    let rows: Vec<_> =
        counted.reasons.iter().map(|row| (&*row.action, &*row.reason, row.count, &row.counts[..])).collect();
    assert_eq!(rows, [("mint", "user_id_invalid", 2, &[1, 0, 1][..]), ("mint", "field_invalid", 1, &[0, 1, 0][..])]);
    assert_eq!(counted.reasons[0].title, "The user id is not acceptable");

    let all: RefusalsResponse = as_admin(&server, &viewer, "/v1/refusals?action=call").await;
    assert_eq!((all.reasons.len(), &*all.reasons[0].reason, all.reasons[0].count), (1, "unauthorized", 1));
    let eight: RefusalsResponse = as_admin(&server, &viewer, "/v1/refusals?app_id=8").await;
    assert_eq!(eight.reasons.len(), 1);
    for bad in ["span_secs=0", "since=9&until=8", "app_id=7", "action=x", "app_id=0"] {
        let refused = server.send(from_console(Request::get(format!("/v1/apps/7/refusals?{bad}")), &viewer), "").await;
        assert_eq!(problem_in(refused).await.code, ErrorCode::BadRequest, "{bad}");
    }
    let bound = Scope { room_prefix: "r".to_owned(), rights: vec![Right::Read], ..Scope::default() };
    let bound = format!("Bearer {}", server.new_key(bound, None).await);
    let refused = server.send(Request::get("/v1/apps/7/refusals").header(AUTHORIZATION, bound), "").await;
    assert_eq!(problem_in(refused).await.code, ErrorCode::Forbidden, "they tell of every room");
}

#[tokio::test]
async fn the_feed_tells_of_the_rooms_a_key_reaches() {
    let server = Server::at(OWN).await;
    let viewer = admin(&server, "vera", &everywhere(Role::Viewer)).await;
    let scope = Scope { room_prefix: "b".to_owned(), rights: vec![Right::Read], ..Scope::default() };
    let bound = format!("Bearer {}", server.new_key(scope, None).await);
    let first: FeedResponse = as_admin(&server, &viewer, "/v1/apps/7/feed").await;
    let (app_id, now) = (AppId::new(7).unwrap(), UnixSeconds::new(NOW));
    for room_id in ["a", "b"] {
        let room_id = Some(room_id.to_owned());
        server.service.feed.note(app_id, now, || FeedEvent { room_id, ..feed::event(FeedKind::UserEntered, now) });
    }
    let after = first.last;
    let told: FeedResponse = as_admin(&server, &viewer, &format!("/v1/apps/7/feed?after={after}&wait_secs=8")).await;
    assert_eq!((told.events.len(), told.missed, told.is_whole, told.last), (2, false, true, after + 2));
    let request = Request::get(format!("/v1/apps/7/feed?after={after}")).header(AUTHORIZATION, bound);
    let told: FeedResponse = json(server.send(request, "").await).await;
    assert_eq!(told.events.iter().map(|event| event.room_id.as_deref()).collect::<Vec<_>>(), [Some("b")]);
    let other: FeedResponse = as_admin(&server, &viewer, &format!("/v1/apps/8/feed?after={after}")).await;
    assert_eq!(other.events, []);
    for bad in ["wait_secs=9", "after=-1", "after=x"] {
        let refused = server.send(from_console(Request::get(format!("/v1/apps/7/feed?{bad}")), &viewer), "").await;
        assert_eq!(problem_in(refused).await.code, ErrorCode::BadRequest, "{bad}");
    }
}

#[tokio::test]
async fn statistics_and_nodes_say_how_it_is() {
    let server = Server::at(OWN).await;
    let viewer = admin(&server, "vera", &everywhere(Role::Viewer)).await;
    let sample = || {
        let service = &server.service;
        service.metrics.sample(service.gateway.occupancy(), service.clock.now());
    };
    sample();
    server.send(server.mint(), ALICE).await;
    server.clock.advance(Duration::from_secs(10));
    sample();
    let told: StatisticsResponse = as_admin(&server, &viewer, "/v1/statistics").await;
    assert_eq!((told.totals.minted, told.present.apps, told.present.store_up), (1, 2, true));
    assert_eq!((&told.samples.at[..], &told.samples.minted[..]), (&[NOW + 10][..], &[1][..]));
    assert!(told.samples.mint_p99_us[0].is_some());
    let later: StatisticsResponse = as_admin(&server, &viewer, &format!("/v1/statistics?since={}", NOW + 10)).await;
    assert_eq!(later.samples.at, [0; 0]);

    let nodes: NodesResponse = as_admin(&server, &viewer, "/v1/nodes").await;
    assert_eq!((nodes.is_alone, nodes.nodes.len(), &nodes.nodes[0].node_id), (true, 1, &nodes.answered_by));
    assert_eq!((nodes.nodes[0].started_at, nodes.nodes[0].seen_at), (NOW, NOW + 10));
    assert_eq!(nodes.nodes[0], told.node);
}
