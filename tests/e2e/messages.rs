//! What users say to one another, and values that everybody sees.

use roompass_sdk::{ErrorCode, Event, MediaKind, PrivilegeName, Publication};
use roompass_tests::{Listener, World};

fn message(event: Event) -> Option<(u64, String, String)> {
    match event {
        Event::RoomMessage(message) => Some((message.seq, message.user_id, message.text)),
        _ => None,
    }
}

#[tokio::test]
async fn everybody_hears_the_same_messages_in_the_same_order() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let (alice, bob) = (app.enter("alice", "r1").await, app.enter("bob", "r1").await);
    let elsewhere = app.enter("carol", "r2").await;
    let (mut alices, mut bobs, carols) = (Listener::to(&alice), Listener::to(&bob), Listener::to(&elsewhere));
    for round in 0..5 {
        alice.send_message(format!("a{round} 漢字")).await.unwrap();
        bob.send_message(format!("b{round}")).await.unwrap();
    }
    for round in 0..10 {
        let (heard, too) = (alices.next(message).await, bobs.next(message).await);
        assert_eq!(heard, too);
        assert_eq!(heard.1, if round % 2 == 0 { "alice" } else { "bob" });
    }
    elsewhere.logout_room().await;
    assert!(carols.rest().await.into_iter().all(|event| message(event).is_none()), "other rooms hear nothing");

    assert_eq!(alice.send_message("x".repeat(4_097)).await.unwrap_err().code(), Some(ErrorCode::TextTooLong));
    let mut refused = None;
    for _ in 0..40 {
        refused = refused.or(bob.send_message("flood").await.err());
    }
    let refused = refused.expect("too many at once are refused");
    assert_eq!((refused.code(), refused.is_retryable()), (Some(ErrorCode::RateLimited), true));
    world.advance(5);
    bob.send_message("calm").await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_signal_reaches_those_it_is_for_and_nobody_else() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let [alice, bob, carol] =
        [app.enter("alice", "r1").await, app.enter("bob", "r1").await, app.enter("carol", "r1").await];
    let (mut bobs, carols) = (Listener::to(&bob), Listener::to(&carol));
    alice.send_signal(&["bob"], r#"{"kind":"offer"}"#).await.unwrap();
    let signal = bobs.next(|event| match event {
        Event::Signal(signal) => Some((signal.user_id, signal.text)),
        _ => None,
    });
    assert_eq!(signal.await, ("alice".to_owned(), r#"{"kind":"offer"}"#.to_owned()));
    let absent = alice.send_signal(&["bob", "nobody"], "x").await.unwrap_err();
    assert_eq!(absent.code(), Some(ErrorCode::UserNotInRoom));
    carol.logout_room().await;
    assert!(carols.rest().await.iter().all(|event| !matches!(event, Event::Signal(_))));
    bob.logout_room().await;
    assert!(bobs.rest().await.iter().all(|event| !matches!(event, Event::Signal(_))), "all or none");
    world.stop().await;
}

#[tokio::test]
async fn values_and_what_streams_carry_are_seen_by_all_and_by_whoever_comes_later() {
    let world = World::start().await;
    let app = world.app(1, |_| ()).await;
    let alice = app.enter("alice", "r1").await;
    alice.set_room_extra("topic", "release").await.unwrap();
    alice.set_room_extra("mode", "panel").await.unwrap();
    alice.set_room_extra("mode", "").await.unwrap();
    alice.set_user_extra("hand").await.unwrap();
    let slides = Publication::new("s1").unwrap().media([MediaKind::Screen]).extra("slides");
    alice.start_publishing(slides).await.unwrap();

    let bob = app.enter("bob", "r1").await;
    let extra: Vec<_> = bob.room_extra().into_iter().map(|extra| (extra.key, extra.value, extra.user_id)).collect();
    assert_eq!(extra, [("topic".to_owned(), "release".to_owned(), "alice".to_owned())]);
    assert_eq!(bob.users()[0].extra.as_deref(), Some("hand"));
    let stream = &bob.streams()[0];
    assert_eq!((&stream.media[..], stream.extra.as_deref()), (&[MediaKind::Screen][..], Some("slides")));

    let mut bobs = Listener::to(&bob);
    alice.set_user_extra("").await.unwrap();
    bobs.next(|event| match event {
        Event::UserExtraChanged { user_id, extra } => (user_id == "alice" && extra.is_empty()).then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(bob.users()[0].extra, None);
    let token = app.token("bob", "r1", &[PrivilegeName::Login], 600).await;
    bob.renew_token(&token).await.unwrap();
    let refused = bob.set_room_extra("topic", "mine").await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::PublishDenied));
    world.stop().await;
}
