//! Clients that claim, send and ask what they have no right to.

use roompass_media::{Idle, Kind, Kinds, Limits, MediaError, Offer, Opening, Rights, Role};

use crate::{
    client::Line,
    harness::{Person, eventually, everything, media, media_with, only, only_play, refuses},
};

fn may_publish(kinds: &[Kind], streams: &[&str]) -> Rights {
    Rights { publish: kinds.iter().copied().collect(), publish_streams: only(streams), ..Rights::NONE }
}

/// Bob waits for whatever Mallory may send as `stream_id`, while she is let to publish what `publish` says.
async fn sends_without_right(rights: Rights, publish: &[(&str, Kinds)], line: Line, stream_id: &str, expected: Idle) {
    let media = media().await;
    let mut mallory = Person::enter(&media, "1/room", "mallory", rights);
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    bob.play(stream_id).await;
    for (stream_id, kinds) in publish {
        mallory.session.publish(*stream_id, *kinds);
    }
    let answer = mallory.negotiate(&[line]).await;
    assert_eq!(answer.idle.iter().map(|idle| idle.why).collect::<Vec<_>>(), [expected]);
    refuses(&media, 100).await;
    assert_eq!(media.totals().forwarded_packets, 0);
    assert!(!bob.client.received_anything());
    media.shutdown();
}

#[tokio::test]
async fn publishing_without_the_right_never_yields_a_packet() {
    let line = Line::publish("s", Kind::Video);
    sends_without_right(only_play(), &[("s", Kinds::ALL)], line, "s", Idle::NotAllowed).await;
}

#[tokio::test]
async fn publishing_what_the_gateway_has_not_let_start_never_yields_a_packet() {
    sends_without_right(everything(), &[], Line::publish("s", Kind::Video), "s", Idle::NotStarted).await;
}

#[tokio::test]
async fn publishing_another_kind_never_yields_a_packet() {
    let rights = may_publish(&[Kind::Audio], &["s"]);
    sends_without_right(rights, &[("s", Kinds::ALL)], Line::publish("s", Kind::Video), "s", Idle::NotAllowed).await;
    let rights = may_publish(&[Kind::Audio, Kind::Video], &["s"]);
    sends_without_right(rights, &[("s", Kinds::ALL)], Line::publish("s", Kind::Screen), "s", Idle::NotAllowed).await;
}

#[tokio::test]
async fn publishing_another_stream_never_yields_a_packet() {
    let rights = may_publish(&[Kind::Audio, Kind::Video], &["mine"]);
    let publish = [("mine", Kinds::ALL), ("s", Kinds::ALL)];
    sends_without_right(rights, &publish, Line::publish("s", Kind::Video), "s", Idle::NotAllowed).await;
}

#[tokio::test]
async fn calling_a_picture_sound_does_not_make_it_one() {
    let media = media().await;
    let mallory = Person::enter(&media, "1/room", "mallory", may_publish(&[Kind::Audio], &["s"]));
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    bob.play("s").await;
    mallory.session.publish("s", Kinds::ALL);
    let (sdp, mut tracks) = mallory.client.offer(&[Line::publish("s", Kind::Video)]);
    for track in &mut tracks {
        track.role = Role::Publish(Kind::Audio);
    }
    let answer = mallory.session.offer(Offer { sdp, tracks }).await.unwrap();
    mallory.client.accept(&answer.sdp);
    assert_eq!(answer.idle[0].why, Idle::Unfit);
    refuses(&media, 100).await;
    assert!(!bob.client.received_anything());
    media.shutdown();
}

#[tokio::test]
async fn asking_for_what_one_may_not_play_brings_nothing() {
    let media = media().await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    let mut elsewhere = Person::enter(&media, "2/room", "eve", everything());
    let mut mallory =
        Person::enter(&media, "1/room", "mallory", Rights { play_streams: only(&["other"]), ..Rights::NONE });
    alice.publish("alice-camera").await;
    bob.play("alice-camera").await;
    // By the gateway's word, without it, and from the room of the same name in another app.
    mallory.play("alice-camera").await;
    elsewhere.play("alice-camera").await;
    let mut silent = Person::enter(&media, "1/room", "mallory", everything());
    let lines = [Line::play("alice-camera", Kind::Audio), Line::play("alice-camera", Kind::Video)];
    let answer = silent.negotiate(&lines).await;
    assert_eq!(answer.idle.iter().map(|idle| idle.why).collect::<Vec<_>>(), [Idle::NotStarted; 2]);
    eventually("all are connected", || {
        [&mallory, &elsewhere, &silent].iter().all(|person| person.client.is_connected())
    })
    .await;
    for _ in 0..5 {
        bob.sees("alice-camera").await;
    }
    for person in [&mallory, &elsewhere, &silent] {
        assert!(!person.client.received_anything());
    }
    media.shutdown();
}

#[tokio::test]
async fn a_line_used_for_two_streams_serves_the_first() {
    let media = media().await;
    let mallory = Person::enter(&media, "1/room", "mallory", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    bob.play("second").await;
    mallory.session.publish("first", Kinds::ALL);
    mallory.session.publish("second", Kinds::ALL);
    let (sdp, mut tracks) = mallory.client.offer(&[Line::publish("first", Kind::Video)]);
    tracks.push(roompass_media::Track { stream_id: "second".into(), ..tracks[0].clone() });
    let answer = mallory.session.offer(Offer { sdp, tracks }).await.unwrap();
    mallory.client.accept(&answer.sdp);
    assert_eq!(answer.idle[0].why, Idle::Repeated);
    let before = media.totals().received_packets;
    eventually("the first one is taken in", || media.totals().received_packets > before + 50).await;
    assert!(!bob.client.received_anything());
    media.shutdown();
}

#[tokio::test]
async fn more_than_the_cap_does_not_go_through() {
    const CAP: u64 = 200_000;
    let media = media().await;
    let mut mallory = Person::enter(&media, "1/room", "mallory", Rights { max_publish_bps: Some(CAP), ..everything() });
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    mallory.client.set_payload_bytes(1000);
    let start = std::time::Instant::now();
    mallory.publish("s").await;
    bob.play("s").await;
    eventually("a good part is dropped", || media.totals().capped_packets > 400).await;
    let bits = 8 * (bob.client.received_bytes("s", Kind::Audio) + bob.client.received_bytes("s", Kind::Video));
    let allowed = CAP as f64 * (start.elapsed().as_secs_f64() + 0.25);
    assert!(bits > 0 && bits as f64 <= allowed, "{bits} bits, {allowed} allowed");
    media.shutdown();
}

#[tokio::test]
async fn offers_that_cannot_be_used_are_refused_and_harm_nothing() {
    let media = media_with(Limits { tracks: 4, sessions: 3, ..Limits::default() }).await;
    let mut alice = Person::enter(&media, "1/room", "alice", everything());
    let mut bob = Person::enter(&media, "1/room", "bob", only_play());
    let mallory = Person::enter(&media, "1/room", "mallory", everything());
    let opening = Opening { room: "1/room".into(), user_id: "dave".into(), rights: everything() };
    assert!(matches!(media.open(opening), Err(MediaError::Full)));

    let good = mallory.client.offer(&[Line::publish("s", Kind::Video)]).0;
    let many = mallory.client.offer(&[(); 5].map(|()| Line::publish("s", Kind::Video))).0;
    let bad = [
        String::new(),
        "v=0".into(),
        "a=fingerprint:sha-256 00".into(),
        good.replace("a=fingerprint:", "a=finger:"),
        good.replace("a=ice-ufrag:", "a=x:"),
        good.replace("m=video", "m=video video video"),
        good.replace("a=mid:", "a=mid:\u{fffd}"),
        good[..good.len() / 2].into(),
        format!("{good}{}", "a=x\r\n".repeat(20_000)),
        many,
    ];
    for sdp in bad {
        let refused = mallory.session.offer(Offer { sdp: sdp.clone(), tracks: vec![] }).await;
        assert!(matches!(refused, Err(MediaError::Offer(_))), "{sdp}");
    }
    mallory.client.withdraw();
    for candidate in ["x", "candidate:1 1 udp 1 nowhere 9 typ host", "candidate:"] {
        assert!(mallory.session.candidate(candidate).is_err(), "{candidate}");
    }
    alice.publish("alice-camera").await;
    bob.play("alice-camera").await;
    bob.sees("alice-camera").await;
    assert_eq!(media.totals().failed_sessions, 0);
    media.shutdown();
}

#[tokio::test]
async fn packets_of_nobody_are_counted_and_dropped() {
    let media = media().await;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let noise = [&[][..], &[0x80; 1500], &[0; 20], &[22; 60], &[0xff; 2000]];
    eventually("noise is counted", || {
        for packet in noise {
            socket.send_to(packet, media.udp_addresses()[0]).unwrap();
        }
        media.totals().stray_packets > 100
    })
    .await;
    media.shutdown();
}
