//! The SDK renews by itself: when, how often, and what it makes of providers that fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use roompass_sdk::{Cause, Client, Error, ErrorCode, Event, Events, TokenAnswer, TokenRequest};
use roompass_wire::gateway::{ServerMessage, TokenWillExpire};

use crate::peer::*;

const LIFE: i64 = 3600;
/// With chance 0.5: one lead (720 s) and an eighth of it, before expiry.
const DUE: Duration = Duration::from_secs(3600 - 810);

/// A client whose first token is good and whose later ones come from `renew`; and how often it was called.
fn client(peer: &Peer, renew: impl Fn() -> TokenAnswer + Send + Sync + 'static) -> (Client, Arc<AtomicU32>) {
    let renewals = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&renewals);
    let provider = move |request: TokenRequest| {
        let answer = if request.cause == Cause::FirstLogin {
            TokenAnswer::Token(token(SERVER_TIME + LIFE))
        } else {
            assert_eq!((request.app_id, &*request.user_id, &*request.room_id), (APP_ID, "alice", "lobby"));
            counted.fetch_add(1, Ordering::Relaxed);
            renew()
        };
        async { answer }
    };
    let two_hours = Duration::from_secs(7200);
    (peer.client().reconnect_limit(two_hours).token_provider(provider).build().unwrap(), renewals)
}

async fn failure(events: &mut Events) -> (Error, Option<Duration>) {
    event(events, |event| match event {
        Event::RenewalFailed { error, retry_in } => Some((error, retry_in)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_token_is_renewed_one_lead_before_it_expires_and_again() {
    let peer = Peer::start().await;
    let (client, renewals) = client(&peer, || TokenAnswer::Token(token(SERVER_TIME + 3 * LIFE)));
    let (room, mut talk) = peer.admit(&client, LIFE).await;
    let mut events = room.events();

    peer.environment.advance(DUE - Duration::from_secs(1));
    settle().await;
    assert_eq!(renewals.load(Ordering::Relaxed), 0);
    peer.environment.advance(Duration::from_secs(1));
    let (id, first) = talk.expect_renewal().await;
    talk.renewed(id, SERVER_TIME + 2790 + LIFE, SERVER_TIME + 2790).await;
    let renewed = |event| match event {
        Event::TokenRenewed { expire_at, .. } => Some(expire_at.get()),
        _ => None,
    };
    assert_eq!(event(&mut events, renewed).await, SERVER_TIME + 2790 + LIFE);

    peer.environment.advance(DUE);
    let (_, second) = talk.expect_renewal().await;
    assert_ne!(first, second);
    assert_eq!(renewals.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn the_servers_clock_counts_and_its_warning_brings_the_renewal_forward() {
    let peer = Peer::start().await;
    let (client, _) = client(&peer, || TokenAnswer::Token(token(SERVER_TIME + 3 * LIFE)));
    let (room, mut talk) = peer.admit(&client, LIFE).await;
    // The device slept: for the server almost an hour has passed, here none.
    let (remain_secs, expire_at, server_time) = (30, SERVER_TIME + LIFE, SERVER_TIME + LIFE - 30);
    let warning = TokenWillExpire { room_id: "lobby".into(), remain_secs, expire_at, server_time };
    talk.send(&ServerMessage::TokenWillExpire(warning)).await;
    // An answer after the warning shows that the warning has been read.
    let (published, ()) = tokio::join!(room.start_publishing_stream("s1"), async {
        let id = talk.expect_publish().await.id;
        talk.ok(id).await;
    });
    published.unwrap();
    peer.environment.advance(Duration::from_millis(7_500));
    talk.expect_renewal().await;
}

#[tokio::test]
async fn a_refused_new_token_is_followed_by_another_after_a_wait() {
    let peer = Peer::start().await;
    let (client, renewals) = client(&peer, || TokenAnswer::Token(token(SERVER_TIME + 3 * LIFE)));
    let (room, mut talk) = peer.admit(&client, LIFE).await;
    let mut events = room.events();
    peer.environment.advance(DUE);
    let (id, _) = talk.expect_renewal().await;
    talk.refuse(Some(id), ErrorCode::TokenInvalid).await;
    let (error, retry_in) = failure(&mut events).await;
    assert_eq!((error.code(), retry_in), (Some(ErrorCode::TokenInvalid), Some(Duration::from_millis(750))));
    peer.environment.advance(Duration::from_millis(750));
    talk.expect_renewal().await;
    assert_eq!(renewals.load(Ordering::Relaxed), 2);
}

// proves T48
#[tokio::test]
async fn tokens_that_would_change_nothing_count_as_failures() {
    let peer = Peer::start().await;
    let turn = AtomicU32::new(0);
    let present = token(SERVER_TIME + LIFE);
    let again = present.clone();
    let provider = move |_: TokenRequest| {
        let answer = match turn.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => TokenAnswer::Token(again.clone()),
            2 => TokenAnswer::Token(token(SERVER_TIME)),
            3 => TokenAnswer::Token("nonsense".to_owned()),
            4 => panic!("the hook fails"),
            _ => TokenAnswer::Retry,
        };
        async { answer }
    };
    let client = peer.client().token_provider(provider).build().unwrap();
    let (room, _talk) = peer.admit(&client, LIFE).await;
    let mut events = room.events();
    peer.environment.advance(DUE);
    let mut faults = Vec::new();
    for _ in 0..5 {
        let (error, retry_in) = failure(&mut events).await;
        assert!(error.is_retryable());
        faults.push(error.to_string());
        peer.environment.advance(retry_in.unwrap());
    }
    assert_eq!(
        faults,
        [
            "the token provider returned the token already in use",
            "the token provider returned an expired token",
            "the token provider returned something that is not a token for this login",
            "the token provider has no token at the moment",
            "the token provider has no token at the moment",
        ]
    );
}

// proves T48
#[tokio::test]
async fn a_hook_that_hangs_is_given_ten_seconds_and_a_denial_is_the_last_word() {
    let peer = Peer::start().await;
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let provider = move |_: TokenRequest| {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match call {
                0 => TokenAnswer::Token(token(SERVER_TIME + LIFE)),
                1 => std::future::pending().await,
                _ => TokenAnswer::Denied("signed out".to_owned()),
            }
        }
    };
    let client = peer.client().token_provider(provider).build().unwrap();
    let (room, _talk) = peer.admit(&client, LIFE).await;
    let mut events = room.events();
    peer.environment.advance(DUE);
    settle().await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    // One call at a time, however long it takes.
    peer.environment.advance(Duration::from_secs(9));
    settle().await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    peer.environment.advance(Duration::from_secs(1));
    let (error, retry_in) = failure(&mut events).await;
    assert_eq!(error.to_string(), "the token provider took too long");
    peer.environment.advance(retry_in.unwrap());
    let (error, retry_in) = failure(&mut events).await;
    assert!(matches!(error, Error::Denied { .. }) && retry_in.is_none());
    peer.environment.advance(Duration::from_secs(600));
    settle().await;
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert!(room.state().is_connected());
}

// proves T48
#[tokio::test]
async fn a_failing_provider_is_asked_at_most_forty_times_in_ten_minutes() {
    let peer = Peer::start().await;
    let (client, renewals) = client(&peer, || TokenAnswer::Retry);
    let (room, _talk) = peer.admit(&client, LIFE).await;
    peer.environment.advance(DUE);
    for _ in 0..600 {
        settle().await;
        peer.environment.advance(Duration::from_secs(1));
    }
    let calls = renewals.load(Ordering::Relaxed);
    assert!((10..=40).contains(&calls), "{calls}");
    assert!(room.state().is_connected());
}

// proves T48
#[tokio::test]
async fn an_unreachable_server_does_not_make_the_provider_be_asked_more_often() {
    let peer = Peer::start().await;
    let (client, renewals) = client(&peer, || TokenAnswer::Retry);
    let (room, talk) = peer.admit(&client, LIFE).await;
    let environment = Arc::clone(&peer.environment);
    drop((talk, peer));
    let mut state = room.watch_state();
    soon(state.wait_for(|state| !state.is_connected())).await.unwrap();
    // The token expires, but the SDK has not given the room up yet.
    environment.advance(Duration::from_secs(3600));
    for _ in 0..600 {
        settle().await;
        environment.advance(Duration::from_secs(1));
    }
    let calls = renewals.load(Ordering::Relaxed);
    assert!((10..=40).contains(&calls), "{calls}");
}

#[tokio::test]
async fn an_app_sign_session_has_nothing_to_renew() {
    let peer = Peer::start().await;
    let (client, renewals) = client(&peer, || TokenAnswer::Retry);
    let serve = async {
        let (mut talk, login) = peer.greet().await;
        talk.admit(login.id, None).await;
        talk
    };
    let (_room, _talk) = tokio::join!(client.login_room("lobby", alice()), serve);
    peer.environment.advance(Duration::from_secs(100_000));
    settle().await;
    assert_eq!(renewals.load(Ordering::Relaxed), 0);
}
