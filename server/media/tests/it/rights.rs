//! Rights that change while packets flow. The clients go on sending and asking; only what arrives counts.

use std::time::Instant;

use roompass_media::{Event, Kind, Kinds, Media, Reason, Rights, Streams};

use crate::harness::{
    Person, eventually, everything, media, only, only_play, refuses, sees_strays, watched, went_silent,
};

const BOTH: [Kind; 2] = [Kind::Audio, Kind::Video];

/// Alice publishes; Bob and Carol see her.
async fn watched_by_two(media: &Media) -> (Person, Person, Person) {
    let (alice, bob) = watched(media).await;
    let mut carol = Person::enter(media, "1/room", "carol", only_play());
    carol.play("alice-camera").await;
    carol.sees("alice-camera").await;
    (alice, bob, carol)
}

#[tokio::test]
async fn losing_the_right_to_publish_silences_at_once_for_everybody() {
    let media = media().await;
    let (mut alice, mut bob, mut carol) = watched_by_two(&media).await;
    let change = Instant::now();
    alice.session.set_rights(only_play());
    refuses(&media, 100).await;
    went_silent(&[&bob, &carol], "alice-camera", &BOTH, change);
    for person in [&mut bob, &mut carol] {
        person.hears_end_of_play("alice-camera", Reason::RightLost).await;
    }
    alice
        .hears(Event::PublishEnded { stream_id: "alice-camera".into(), kind: Kind::Video, reason: Reason::RightLost })
        .await;

    // The right alone brings nothing back: it must be published again.
    alice.session.set_rights(everything());
    refuses(&media, 50).await;
    went_silent(&[&bob, &carol], "alice-camera", &BOTH, change);
    alice.session.publish("alice-camera", Kinds::ALL);
    bob.sees("alice-camera").await;
    carol.sees("alice-camera").await;
    media.shutdown();
}

#[tokio::test]
async fn losing_one_kind_or_one_stream_leaves_the_rest() {
    let media = media().await;
    let (mut alice, bob, carol) = watched_by_two(&media).await;
    alice.publish("alice-second").await;
    let mut dave = Person::enter(&media, "1/room", "dave", only_play());
    dave.play("alice-second").await;
    dave.sees("alice-second").await;

    let change = Instant::now();
    alice.session.set_rights(Rights { publish: Kinds::NONE.with(Kind::Audio), ..everything() });
    refuses(&media, 100).await;
    went_silent(&[&bob, &carol], "alice-camera", &[Kind::Video], change);
    let heard = bob.client.received("alice-camera", Kind::Audio);
    eventually("the sound goes on", || bob.client.received("alice-camera", Kind::Audio) > heard + 5).await;

    let change = Instant::now();
    alice.session.set_rights(Rights { publish_streams: only(&["alice-second"]), ..everything() });
    refuses(&media, 100).await;
    went_silent(&[&bob, &carol], "alice-camera", &BOTH, change);
    let heard = dave.client.received("alice-second", Kind::Audio);
    eventually("the other stream goes on", || dave.client.received("alice-second", Kind::Audio) > heard + 5).await;
    media.shutdown();
}

#[tokio::test]
async fn losing_the_right_to_play_ends_it_for_that_receiver_only() {
    let media = media().await;
    let (_alice, mut bob, carol) = watched_by_two(&media).await;
    let change = Instant::now();
    bob.session.set_rights(Rights { play_streams: only(&["another"]), ..everything() });
    bob.hears_end_of_play("alice-camera", Reason::RightLost).await;
    let heard = carol.client.received("alice-camera", Kind::Video);
    eventually("Carol still sees", || carol.client.received("alice-camera", Kind::Video) > heard + 100).await;
    went_silent(&[&bob], "alice-camera", &BOTH, change);
    media.shutdown();
}

#[tokio::test]
async fn a_stop_by_the_operator_reaches_every_receiver_with_its_reason() {
    let media = media().await;
    let (alice, mut bob, mut carol) = watched_by_two(&media).await;
    let change = Instant::now();
    alice.session.stop_publish("alice-camera", Reason::Removed);
    refuses(&media, 100).await;
    went_silent(&[&bob, &carol], "alice-camera", &BOTH, change);
    bob.hears_end_of_play("alice-camera", Reason::Removed).await;
    carol.hears_end_of_play("alice-camera", Reason::Removed).await;
    media.shutdown();
}

#[tokio::test]
async fn after_kick_revocation_and_expiry_a_client_that_goes_on_is_not_heard() {
    for reason in [Reason::Kicked, Reason::Revoked, Reason::Expired] {
        let media = media().await;
        let (alice, mut bob, mut carol) = watched_by_two(&media).await;
        let Person { session, client, .. } = alice;
        client.ignore_close();
        let change = Instant::now();
        session.end(reason);
        sees_strays(&media, 5).await;
        went_silent(&[&bob, &carol], "alice-camera", &BOTH, change);
        bob.hears_end_of_play("alice-camera", reason).await;
        carol.hears_end_of_play("alice-camera", reason).await;
        assert_eq!(media.sessions(), 2);
        media.shutdown();
    }
}

#[tokio::test]
async fn a_session_that_is_dropped_is_over() {
    let media = media().await;
    let (alice, mut bob, _carol) = watched_by_two(&media).await;
    drop(alice);
    bob.hears_end_of_play("alice-camera", Reason::Stopped).await;
    let snapshot = media.snapshot().await;
    assert_eq!(snapshot.sessions.len(), 2);
    media.shutdown();
}

#[tokio::test]
async fn renewal_that_takes_nothing_away_disturbs_nothing() {
    let media = media().await;
    let (alice, bob, _carol) = watched_by_two(&media).await;
    for _ in 0..20 {
        alice.session.set_rights(Rights { publish_streams: only(&["alice-camera"]), ..everything() });
        alice.session.set_rights(Rights { publish_streams: Streams::Any, ..everything() });
        bob.session.set_rights(everything());
    }
    bob.sees("alice-camera").await;
    bob.misses_nothing_of("alice-camera").await;
    assert_eq!(media.totals().refused_packets, 0);
    media.shutdown();
}
