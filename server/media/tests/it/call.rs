//! An honest call.

use std::time::Instant;

use roompass_media::{Event, Kind, Kinds, Reason, Rights};

use crate::{
    client::Line,
    harness::{Person, eventually, eventually_seen, everything, media, only_play, refuses, went_silent},
};

#[tokio::test]
async fn two_see_each_other_and_a_third_sees_both() {
    let media = media().await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", everything());
    let mut carol = Person::enter(&media, "1/room", "carol", only_play());
    alice.publish("alice-camera").await;
    bob.publish("bob-camera").await;
    alice.play("bob-camera").await;
    bob.play("alice-camera").await;
    carol.play("alice-camera").await;
    carol.play("bob-camera").await;

    alice.sees("bob-camera").await;
    bob.sees("alice-camera").await;
    carol.sees("alice-camera").await;
    carol.sees("bob-camera").await;
    alice.hears(Event::Connected).await;
    alice.hears(Event::Publishing { stream_id: "alice-camera".into(), kind: Kind::Video }).await;
    carol.hears(Event::Playing { stream_id: "bob-camera".into(), kind: Kind::Audio }).await;
    for (person, stream_id) in [(&alice, "bob-camera"), (&bob, "alice-camera"), (&carol, "bob-camera")] {
        assert_eq!(person.client.started_with_keyframe(stream_id), Some(true), "pictures start decodable");
        person.misses_nothing_of(stream_id).await;
    }
    assert_eq!(media.totals().refused_packets, 0);
    media.shutdown();
}

#[tokio::test]
async fn a_stream_may_be_waited_for_and_comes_back_after_a_stop() {
    let media = media().await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    bob.play("alice-camera").await;
    alice.publish("alice-camera").await;
    bob.sees("alice-camera").await;

    alice.session.stop_publish("alice-camera", roompass_media::Reason::Stopped);
    bob.hears_end_of_play("alice-camera", roompass_media::Reason::Stopped).await;
    alice.session.publish("alice-camera", Kinds::ALL);
    bob.sees("alice-camera").await;
    // What was held back leaves no gap.
    bob.misses_nothing_of("alice-camera").await;
    media.shutdown();
}

#[tokio::test]
async fn messages_go_to_those_who_play_the_stream() {
    let media = media().await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    let mut carol = Person::enter(&media, "1/room", "carol", only_play());
    for person in [&mut alice, &mut bob, &mut carol] {
        person.negotiate(&[Line::publish("alice-data", Kind::Data)]).await;
    }
    alice.session.publish("alice-data", Kinds::ALL);
    bob.session.play("alice-data");
    eventually("every channel is open", || {
        [&alice, &bob, &carol].iter().all(|person| person.client.has_channel("alice-data"))
    })
    .await;
    eventually("bob is told", || {
        alice.client.say("alice-data", b"hello");
        bob.client.messages().contains(&b"hello".to_vec())
    })
    .await;
    // Bob may not publish, so what he says goes nowhere; Carol does not play.
    let refused = media.totals().refused_packets;
    eventually("it is turned away", || {
        bob.client.say("alice-data", b"me too");
        media.totals().refused_packets > refused
    })
    .await;
    assert!(alice.client.messages().is_empty() && carol.client.messages().is_empty());
    media.shutdown();
}

#[tokio::test]
async fn a_receiver_gets_the_largest_layer_that_comes() {
    let media = media().await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    alice.session.publish("alice-camera", Kinds::ALL);
    alice.negotiate(&[Line::simulcast("alice-camera", &["h", "m", "l"])]).await;
    bob.session.play("alice-camera");
    bob.negotiate(&[Line::play("alice-camera", Kind::Video)]).await;
    eventually("the largest layer is forwarded", || bob.client.layer("alice-camera") == Some(1)).await;

    alice.client.stop_layer("h");
    // On a busy machine the receiver may be thought to take less than it can: any layer but the one that is gone will do.
    let snapshot = eventually_seen(&media, "another layer is forwarded", |snapshot| {
        let mut layers = snapshot.sessions.iter().flat_map(|session| &session.published).map(|track| track.layers);
        let played = snapshot.sessions.iter().flat_map(|session| &session.played).next();
        layers.next() == Some(2) && played.is_some_and(|track| matches!(track.layer.as_deref(), Some("m" | "l")))
    })
    .await;
    let before = bob.client.received("alice-camera", Kind::Video);
    eventually("it goes on", || bob.client.received("alice-camera", Kind::Video) > before + 20).await;
    assert_ne!(bob.client.layer("alice-camera"), Some(1));
    // Nor does the switch.
    bob.misses_nothing_of("alice-camera").await;
    let played = snapshot.sessions.iter().flat_map(|session| &session.played).next().unwrap();
    assert!(played.stats.packets > 0, "{played:?}");
    media.shutdown();
}

#[tokio::test]
async fn a_screen_is_shared_beside_the_camera_and_taken_away_alone() {
    let media = media().await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    alice.publish("alice-camera").await;
    alice.session.publish("alice-screen", Kinds::NONE.with(Kind::Screen));
    let answer = alice.negotiate(&[Line::publish("alice-screen", Kind::Screen)]).await;
    assert_eq!(answer.idle, []);
    bob.play("alice-camera").await;
    bob.session.play("alice-screen");
    bob.negotiate(&[Line::play("alice-screen", Kind::Screen)]).await;
    let screen = || bob.client.received("alice-screen", Kind::Screen);
    eventually("the screen is seen", || screen() > 20).await;
    bob.sees("alice-camera").await;
    alice.hears(Event::Publishing { stream_id: "alice-screen".into(), kind: Kind::Screen }).await;

    // The right to the screen alone.
    let change = Instant::now();
    alice.session.set_rights(Rights { publish: Kinds::NONE.with(Kind::Audio).with(Kind::Video), ..everything() });
    refuses(&media, 100).await;
    went_silent(&[&bob], "alice-screen", &[Kind::Screen], change);
    bob.sees("alice-camera").await;
    let ended = Event::PublishEnded { stream_id: "alice-screen".into(), kind: Kind::Screen, reason: Reason::RightLost };
    alice.hears(ended).await;
    let ended = Event::PlayEnded { stream_id: "alice-screen".into(), kind: Kind::Screen, reason: Reason::RightLost };
    bob.hears(ended).await;
    media.shutdown();
}
