//! Ways to the media plane: TCP, a new network, a client that lost everything, one that does not read.

use roompass_media::{Event, Kind, Kinds, Offer, Reason};

use crate::{
    client::{Client, Line},
    harness::{Person, eventually, everything, media, only_play, watched},
};

#[tokio::test]
async fn tcp_carries_a_call_where_udp_does_not() {
    let media = media().await;
    let over_tcp = || Client::tcp(media.tcp_addresses()[0]);
    let mut alice = Person::enter_with(&media, "1/room", "alice", everything(), over_tcp());
    let mut bob = Person::enter_with(&media, "1/room", "bob", only_play(), over_tcp());
    let mut carol = Person::enter(&media, "1/room", "carol", only_play());
    alice.publish("alice-camera").await;
    for person in [&mut bob, &mut carol] {
        person.play("alice-camera").await;
        person.sees("alice-camera").await;
    }
    let Person { session, .. } = alice;
    session.end(Reason::Kicked);
    bob.hears_end_of_play("alice-camera", Reason::Kicked).await;
    media.shutdown();
}

#[tokio::test]
async fn a_receiver_that_does_not_read_holds_up_nobody() {
    let media = media().await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    let mut stuck = Person::enter_with(&media, "1/room", "stuck", only_play(), Client::tcp(media.tcp_addresses()[0]));
    alice.client.set_payload_bytes(1100);
    alice.publish("alice-camera").await;
    for person in [&mut bob, &mut stuck] {
        person.play("alice-camera").await;
        person.sees("alice-camera").await;
    }
    stuck.client.stop_reading();
    let heard = bob.client.received("alice-camera", Kind::Audio);
    eventually("Bob hears on", || bob.client.received("alice-camera", Kind::Audio) > heard + 500).await;
    // Nothing of it was held back for Bob; what the kernel drops on a busy machine is another matter.
    let snapshot = media.snapshot().await;
    let of_bob = snapshot.sessions.iter().filter(|session| &*session.user_id == "bob").flat_map(|bob| &bob.played);
    let held_back: Vec<u64> = of_bob.map(|track| track.stats.dropped).collect();
    assert_eq!(held_back, [0, 0]);
    bob.misses_nothing_of("alice-camera").await;
    media.shutdown();
}

#[tokio::test]
async fn an_ice_restart_keeps_the_call_and_renews_the_credentials() {
    let media = media().await;
    let (_alice, bob) = watched(&media).await;

    let passwords = |sdp: &str| -> Vec<String> {
        sdp.lines().filter_map(|line| line.strip_prefix("a=ice-pwd:")).map(str::to_owned).collect()
    };
    let mut seen = vec![];
    for _ in 0..2 {
        let (sdp, tracks) = bob.client.ice_restart();
        let answer = bob.session.offer(Offer { sdp, tracks }).await.unwrap();
        bob.client.accept(&answer.sdp);
        let passwords = passwords(&answer.sdp);
        assert!(passwords.iter().all(|password| password.len() == 32 && *password == passwords[0]), "{passwords:?}");
        assert!(!seen.contains(&passwords[0]));
        seen.push(passwords[0].clone());
        bob.sees("alice-camera").await;
    }
    media.shutdown();
}

#[tokio::test]
async fn a_client_that_lost_everything_comes_back_into_its_session() {
    let media = media().await;
    let (mut alice, mut bob) = watched(&media).await;

    alice.client = Client::udp();
    alice.negotiate(&[Line::publish("alice-camera", Kind::Audio), Line::publish("alice-camera", Kind::Video)]).await;
    bob.sees("alice-camera").await;
    bob.client = Client::udp();
    bob.negotiate(&[Line::play("alice-camera", Kind::Audio), Line::play("alice-camera", Kind::Video)]).await;
    bob.sees("alice-camera").await;
    media.shutdown();
}

#[tokio::test]
async fn shutting_down_ends_sessions_and_tells_clients() {
    let media = media().await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    alice.session.publish("alice-camera", Kinds::ALL);
    alice.publish("alice-camera").await;
    alice.hears(Event::Publishing { stream_id: "alice-camera".into(), kind: Kind::Audio }).await;
    media.shutdown();
    alice.hears(Event::Ended { reason: Reason::ShuttingDown }).await;
    eventually("the client is told", || alice.client.is_closed()).await;
    assert!(alice.session.offer(Offer { sdp: String::new(), tracks: vec![] }).await.is_err());
}
