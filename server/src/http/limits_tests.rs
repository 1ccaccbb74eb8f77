//! What is refused for being too much, and from whom a request is said to come.

use std::{future::pending, io};

use axum::{
    body::{Body, Bytes},
    http::{
        Request, StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER},
    },
    response::Response,
};
use futures_util::{FutureExt, stream};
use roompass_wire::ErrorCode;

use super::tests::{ALICE, Server, problem_in};
use crate::limits::Quota;

fn retry_after(response: &Response) -> &str {
    response.headers()[RETRY_AFTER].to_str().unwrap()
}

#[tokio::test]
async fn one_source_asks_so_much_and_is_told_when_to_come_again() {
    let server = Server::with(|config| config.limits.source = Quota::per_second(2)).await;
    // Twice as many at once are no flood yet.
    for _ in 0..4 {
        assert_eq!(server.send(server.mint(), ALICE).await.status(), StatusCode::OK);
    }
    for _ in 0..2 {
        let refused = server.send(server.mint(), ALICE).await;
        assert_eq!((refused.status(), retry_after(&refused)), (StatusCode::TOO_MANY_REQUESTS, "1"));
    }
    let elsewhere = server.send_from([192, 0, 2, 7], server.mint(), ALICE).await;
    assert_eq!(elsewhere.status(), StatusCode::OK);
    server.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(server.send(server.mint(), ALICE).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn more_requests_at_a_time_than_may_be_are_asked_to_come_again() {
    let server = Server::with(|config| config.limits.concurrent_requests = 1).await;
    // Its body never ends.
    let endless = stream::once(pending::<io::Result<Bytes>>());
    let mut under_way = Box::pin(server.send(server.mint(), Body::from_stream(endless)));
    assert!(under_way.as_mut().now_or_never().is_none());
    let refused = server.send_from([192, 0, 2, 7], server.mint(), ALICE).await;
    assert_eq!((refused.status(), retry_after(&refused)), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!(problem_in(refused).await.code, ErrorCode::Unavailable);
    drop(under_way);
    assert_eq!(server.send(server.mint(), ALICE).await.status(), StatusCode::OK);
}

// proves T28 (behind a proxy that is trusted)
#[tokio::test]
async fn behind_a_trusted_proxy_whoever_it_names_is_counted() {
    let server = Server::with(|config| config.limits.proxies = "127.0.0.1 10.0.0.0/8".parse().unwrap()).await;
    let guess = |forwarded: &str| {
        Request::post("/v1/apps/7/tokens").header(AUTHORIZATION, "Bearer wrong").header("x-forwarded-for", forwarded)
    };
    for number in 0..20 {
        // What a client writes there itself stands before what the proxy adds; a second proxy is one of ours.
        let forwarded = format!("198.51.100.{number}, 203.0.113.1, 10.0.0.9");
        let tried = server.send(guess(&forwarded).header("forwarded", "for=198.51.100.7"), ALICE).await;
        assert_eq!(tried.status(), StatusCode::UNAUTHORIZED);
    }
    let status = |forwarded: &'static str| server.send(guess(forwarded), ALICE).map(|response| response.status());
    assert_eq!(status("203.0.113.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status("192.0.2.1, 203.0.113.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status("203.0.113.1, 203.0.113.2").await, StatusCode::UNAUTHORIZED, "somebody else");
    let good = server.send(server.mint().header("x-forwarded-for", "203.0.113.2"), ALICE).await;
    assert_eq!(good.status(), StatusCode::OK);
    // From an address that is no proxy of ours, the header is not read at all.
    for number in 0..20 {
        let forwarded = format!("203.0.113.{}", 100 + number);
        let tried = server.send_from([192, 0, 2, 7], guess(&forwarded), ALICE).await;
        assert_eq!(tried.status(), StatusCode::UNAUTHORIZED);
    }
    let tried = server.send_from([192, 0, 2, 7], guess("203.0.113.3"), ALICE).await;
    assert_eq!(tried.status(), StatusCode::TOO_MANY_REQUESTS);
}
