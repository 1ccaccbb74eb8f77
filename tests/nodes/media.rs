//! Sound and pictures of one room whose users are on several nodes: packets counted where they arrive.

use std::time::{Duration, Instant};

use roompass_media::Kind;
use roompass_sdk::PrivilegeName;
use serde_json::json;

use crate::{
    client::{Client, Line},
    cluster::{APP, Cluster, DEADLINE, eventually, pause},
    peer::{BOTH, Peer},
    wiretap::Wiretap,
};

/// Longer than packets may still come after a change, in packets of another stream.
const A_WHILE: u64 = 200;

// proves S4 (media of several nodes)
#[tokio::test(flavor = "multi_thread")]
async fn users_on_two_nodes_are_in_one_call_and_what_is_taken_away_on_either_is_silent_at_once() {
    let cluster = Cluster::start_with_media(2);
    // The first who needs it brings the room's media to its node.
    let mut alice = Peer::enter(&cluster, 0, "alice", "r").await;
    let mut bob = Peer::enter(&cluster, 1, "bob", "r").await;
    let mut carol = Peer::enter(&cluster, 1, "carol", "r").await;
    alice.publish("alice-camera").await;
    bob.publish("bob-camera").await;
    carol.publish("carol-camera").await;
    for stream_id in ["bob-camera", "carol-camera"] {
        alice.play(stream_id).await;
        alice.sees(stream_id).await;
    }
    for stream_id in ["alice-camera", "carol-camera"] {
        bob.play(stream_id).await;
        bob.sees(stream_id).await;
    }
    let forwarding = cluster.nodes[0].log().contains("another node forwards the room");
    assert!(!forwarding, "the room has moved without need");

    // An operator stops a stream, of a session whose media another node forwards.
    let change = Instant::now();
    let stopped = cluster.operate_room(0, "/streams/stop", json!({ "stream_id": "carol-camera" })).await;
    assert_eq!(stopped["session_count"], 1);
    alice.sees_more("bob-camera", A_WHILE).await;
    alice.went_silent("carol-camera", change);
    bob.went_silent("carol-camera", change);
    assert_eq!(carol.hears("publish_stopped").await["stream_id"], "carol-camera");

    // One whose media is forwarded elsewhere is put out, and goes on sending and listening.
    bob.rtc.ignore_close();
    let change = Instant::now();
    cluster.operate_room(0, "/sessions/kick", json!({ "user_id": "bob" })).await;
    carol.play("alice-camera").await;
    carol.sees_more("alice-camera", A_WHILE).await;
    alice.went_silent("bob-camera", change);
    bob.went_silent("alice-camera", change);

    // And one whose media is forwarded where it is.
    alice.rtc.ignore_close();
    let change = Instant::now();
    cluster.operate_room(1, "/sessions/kick", json!({ "user_id": "alice" })).await;
    let (mut dave, mut erin) =
        (Peer::enter(&cluster, 0, "dave", "r").await, Peer::enter(&cluster, 1, "erin", "r").await);
    dave.publish("dave-camera").await;
    erin.play("dave-camera").await;
    erin.sees_more("dave-camera", A_WHILE).await;
    carol.went_silent("alice-camera", change);
}

// proves S4 (media of several nodes)
#[tokio::test(flavor = "multi_thread")]
async fn by_way_of_another_node_nobody_sends_or_gets_more_than_the_session_may() {
    let cluster = Cluster::start_with_media(2);
    let mut alice = Peer::enter(&cluster, 0, "alice", "r").await;
    alice.publish("alice-camera").await;
    let mut viewer = Peer::enter(&cluster, 0, "viewer", "r").await;
    viewer.play("alice-camera").await;
    viewer.sees("alice-camera").await;
    let token = cluster.token_for("mallory", "r", vec![PrivilegeName::Login]).await;
    let mut mallory = Peer::enter_by(&cluster, 1, ("mallory", "r"), &token).await;
    // It has no right to publish, does not say that it plays, and offers both all the same.
    assert_eq!(mallory.ask("publish", json!({ "stream_id": "mallory-camera" })).await["code"], "publish_denied");
    let offered = [
        Line::publish("mallory-camera", Kind::Video),
        Line::publish("alice-camera", Kind::Audio),
        Line::play("alice-camera", Kind::Video),
    ];
    let answer = mallory.negotiate(&offered).await;
    let idle = answer["idle"].as_array().map(Vec::len);
    assert_eq!(idle, Some(3));
    eventually("it is connected", || if mallory.rtc.is_connected() { Ok(()) } else { Err(String::new()) }).await;
    viewer.ask("play", json!({ "stream_id": "mallory-camera" })).await;
    viewer.negotiate(&[Line::play("mallory-camera", Kind::Video)]).await;
    viewer.sees_more("alice-camera", A_WHILE).await;
    assert_eq!(viewer.rtc.received("mallory-camera", Kind::Video), 0);
    assert_eq!(viewer.rtc.gaps("alice-camera", Kind::Audio), 0);
    assert!(!mallory.rtc.received_anything());

    // Nor does it help to speak of another room's stream.
    let mut stranger = Peer::enter(&cluster, 1, "stranger", "q").await;
    stranger.play("alice-camera").await;
    viewer.sees_more("alice-camera", A_WHILE).await;
    assert!(!stranger.rtc.received_anything());
}

// proves S4 (media of several nodes)
#[tokio::test(flavor = "multi_thread")]
async fn who_writes_to_redis_brings_nobody_back_and_disturbs_nobody() {
    let cluster = Cluster::start_with_media(2);
    let wiretap = Wiretap::on(&cluster.redis);
    let mut alice = Peer::enter(&cluster, 0, "alice", "r").await;
    alice.publish("alice-camera").await;
    let mut bob = Peer::enter(&cluster, 1, "bob", "r").await;
    let mut carol = Peer::enter(&cluster, 1, "carol", "r").await;
    for (peer, stream_id) in [(&mut bob, "bob-camera"), (&mut carol, "carol-camera")] {
        peer.publish(stream_id).await;
        alice.play(stream_id).await;
        alice.sees(stream_id).await;
    }
    bob.rtc.ignore_close();
    let change = Instant::now();
    cluster.operate_room(1, "/sessions/kick", json!({ "user_id": "bob" })).await;
    let letters = wiretap.letters();
    assert!(letters.len() > 4, "{}", letters.len());
    for (_, text) in &letters {
        assert!(!text.contains("camera") && !text.contains("ice-pwd"), "what nodes write can be read");
    }
    // All that was said, by both, once more; and some of it as if others had said it.
    for (channel, text) in &letters {
        wiretap.write(channel, text);
        let (from, words) = text[2..].split_once(' ').expect("two parts");
        let other = channel.rsplit(':').next().expect("a node");
        wiretap.write(channel, &format!("> {other} {words}"));
        wiretap.write(&channel.replace(other, from), text);
    }
    alice.sees_more("carol-camera", A_WHILE).await;
    alice.went_silent("bob-camera", change);
    carol.play("alice-camera").await;
    carol.sees("alice-camera").await;
    let log = cluster.nodes[0].log() + &cluster.nodes[1].log();
    assert!(!log.contains("has gone"), "{log}");
}

// proves S4 (media of several nodes)
#[tokio::test(flavor = "multi_thread")]
async fn when_the_node_that_forwards_a_room_is_killed_the_others_go_on() {
    let mut cluster = Cluster::start_with_media(3);
    let mut first = Peer::enter(&cluster, 0, "first", "r").await;
    first.publish("first-camera").await;
    let mut alice = Peer::enter(&cluster, 1, "alice", "r").await;
    let mut bob = Peer::enter(&cluster, 2, "bob", "r").await;
    alice.publish("alice-camera").await;
    bob.play("alice-camera").await;
    bob.play("first-camera").await;
    bob.sees("alice-camera").await;
    bob.sees("first-camera").await;

    cluster.nodes[0].kill();
    let killed = Instant::now();
    for peer in [&mut alice, &mut bob] {
        peer.hears("media_lost").await;
        peer.connect_anew().await;
    }
    bob.sees("alice-camera").await;
    println!("media is back {:?} after the node that forwarded it was killed", killed.elapsed());

    // It comes back on another node as ever.
    let mut again = Peer::enter(&cluster, 2, "first", "r").await;
    again.publish("first-camera").await;
    bob.sees("first-camera").await;
    // What is taken away now is so on the node that took the room.
    let taken = cluster.operate_room(1, "/sessions/kick", json!({ "user_id": "alice" })).await;
    assert_eq!(taken["session_ids"].as_array().map(Vec::len), Some(1), "{taken}");
    // The one that has died is waited for before anybody is told.
    let change = Instant::now();
    bob.sees_more("first-camera", A_WHILE).await;
    bob.went_silent("alice-camera", change);
}

// proves S4 (media of several nodes)
#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_each_node_forwards_for_itself_and_then_one_for_all_again() {
    let mut cluster = Cluster::start_with_media(2);
    let mut alice = Peer::enter(&cluster, 0, "alice", "r").await;
    let mut bob = Peer::enter(&cluster, 1, "bob", "r").await;
    alice.publish("alice-camera").await;
    bob.play("alice-camera").await;
    bob.publish("bob-camera").await;
    alice.play("bob-camera").await;
    bob.sees("alice-camera").await;
    alice.sees("bob-camera").await;
    cluster.redis.stop();
    // Whoever is forwarded elsewhere cannot be kept to what it may do any more.
    bob.hears("media_lost").await;
    bob.connect_anew().await;
    eventually("it is connected", || if bob.rtc.is_connected() { Ok(()) } else { Err(String::new()) }).await;
    cluster.redis.start_again();
    // One of the two has to move, or both: each does whenever it is told.
    let begun = Instant::now();
    let look = |alice: &Peer, bob: &Peer| {
        [(bob, "alice-camera"), (alice, "bob-camera")]
            .map(|(peer, stream_id)| BOTH.map(|kind| peer.rtc.received(stream_id, kind)))
    };
    let mut before = look(&alice, &bob);
    loop {
        let mut has_moved = false;
        for peer in [&mut alice, &mut bob] {
            if peer.was_told("media_lost") {
                peer.connect_anew().await;
                has_moved = true;
            }
        }
        let received = look(&alice, &bob);
        if has_moved {
            before = received;
        } else if received.iter().flatten().zip(before.iter().flatten()).all(|(now, before)| *now > before + 10) {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{before:?} {received:?}");
        pause(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_at_one_node_is_seen_by_a_player_at_another() {
    let cluster = Cluster::start_with_media(2);
    let (camera, screen) = (Client::udp(), Client::udp());
    let http = reqwest::Client::new();
    let post = async |node: usize, way: &str, user_id: &str, sdp: String| {
        let url = format!("{}/v1/apps/{APP}/rooms/r/{way}/studio", cluster.nodes[node].url);
        let token = cluster.token(user_id, "r").await;
        let request = http.post(url).bearer_auth(token).header("content-type", "application/sdp").body(sdp);
        let answer = request.send().await.expect("the node answers");
        assert_eq!(answer.status(), 201);
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        (location, answer.text().await.expect("text"))
    };
    let (_, answer) = post(0, "whip", "studio", camera.offer(&BOTH.map(|kind| Line::publish("studio", kind))).0).await;
    camera.accept(&answer);
    let (location, answer) =
        post(1, "whep", "viewer", screen.offer(&BOTH.map(|kind| Line::play("studio", kind))).0).await;
    screen.accept(&answer);
    for kind in BOTH {
        eventually("packets arrive", || match screen.received("studio", kind) {
            0..=20 => Err(format!("{kind:?}")),
            _ => Ok(()),
        })
        .await;
    }
    // As a balancer may have it, what follows reaches the node that did not answer.
    let resource = format!("{}{location}", cluster.nodes[0].url);
    let add = async |body: &'static str| {
        let request = http.patch(&resource).header("content-type", "application/trickle-ice-sdpfrag").body(body);
        request.send().await.expect("the node answers").status()
    };
    assert_eq!(add("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n").await, 204);
    assert_eq!(add("a=ice-ufrag:another\r\n").await, 422, "ICE is not restarted");
    let ended = http.delete(&resource).send().await.expect("the node answers");
    assert_eq!(ended.status(), 200);
    eventually("the node that forwards closes the connection", || {
        if screen.is_closed() { Ok(()) } else { Err(String::new()) }
    })
    .await;
    for node in &cluster.nodes {
        let again = http.delete(format!("{}{location}", node.url)).send().await.expect("the node answers");
        assert_eq!(again.status(), 404);
    }
}
