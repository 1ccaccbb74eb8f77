//! Media over the gateway, and over HTTP alone: real WebRTC clients that go on sending whatever they are told. What is
//! said of rights must be true of packets.

#[expect(dead_code, reason = "the tests of the media plane use all of it")]
#[path = "../../../media/tests/it/client.rs"]
pub(super) mod client;

use std::time::{Duration, Instant};

use self::client::{Client, Line};
use super::harness::{APP_ID, PATIENCE, TestClient, TestGateway, part, settings};
use crate::{
    apps::{AppSettings, ExpiryPolicy, RenewalPolicy},
    gateway::GatewayConfig,
    operator::{Act, Who},
    rooms::OutboxLimits,
};
use roompass_media::{Kind, Role, Track};
use serde_json::{Value, json};
use token_gen::{AppId, Privilege};

pub(super) const BOTH: [Kind; 2] = [Kind::Audio, Kind::Video];
/// How long after a change a receiver may still get packets.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);

/// A user in r1 with a connection for media.
pub(super) struct Peer {
    pub(super) ws: TestClient,
    pub(super) rtc: Client,
    asked: u64,
}

impl Peer {
    async fn enter(test: &TestGateway, user_id: &str, ttl_secs: u64) -> Self {
        Self::enter_with(test, user_id, &test.token(user_id, ttl_secs)).await
    }

    /// One with this token.
    pub(super) async fn enter_with(test: &TestGateway, user_id: &str, token: &str) -> Self {
        let mut ws = test.connect().await;
        let answer = ws.login(user_id, "r1", json!({ "token": token })).await;
        assert_eq!(answer["type"], "logged_in", "{answer}");
        Self { ws, rtc: Client::udp(), asked: 1000 }
    }

    /// Asks, and hears the answer among everything else.
    pub(super) async fn ask(&mut self, kind: &str, members: Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "type": kind, "id": self.asked });
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.ws.say(message).await;
        loop {
            let heard = self.ws.hear().await;
            if heard["id"] == self.asked {
                return heard;
            }
        }
    }

    pub(super) async fn hears(&mut self, kind: &str) -> Value {
        loop {
            let heard = self.ws.hear().await;
            if heard["type"] == kind {
                return heard;
            }
        }
    }

    async fn negotiate(&mut self, lines: &[Line]) -> Value {
        let (sdp, tracks) = self.rtc.offer(lines);
        let tracks: Vec<Value> = tracks.iter().map(spelt).collect();
        let answer = self.ask("media_offer", json!({ "sdp": sdp, "tracks": tracks })).await;
        assert_eq!(answer["type"], "media_answer", "{answer}");
        self.rtc.accept(answer["sdp"].as_str().unwrap());
        answer
    }

    pub(super) async fn publish(&mut self, stream_id: &str) {
        assert_eq!(self.ask("publish", json!({ "stream_id": stream_id })).await["type"], "ok");
        self.negotiate(&BOTH.map(|kind| Line::publish(stream_id, kind))).await;
    }

    pub(super) async fn play(&mut self, stream_id: &str) {
        assert_eq!(self.ask("play", json!({ "stream_id": stream_id })).await["type"], "ok");
        self.negotiate(&BOTH.map(|kind| Line::play(stream_id, kind))).await;
    }

    pub(super) async fn sees(&self, stream_id: &str) {
        for kind in BOTH {
            let before = self.rtc.received(stream_id, kind);
            eventually(|| self.rtc.received(stream_id, kind) > before + 5).await;
        }
    }
}

fn spelt(track: &Track) -> Value {
    match track.role {
        Role::Publish(kind) => {
            json!({ "mid": track.mid, "stream_id": &*track.stream_id, "publish": kind.as_str() })
        }
        Role::Play => json!({ "mid": track.mid, "stream_id": &*track.stream_id }),
    }
}

#[track_caller]
pub(super) fn eventually(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let deadline = Instant::now() + PATIENCE;
    let mut look = tokio::time::interval(Duration::from_millis(5));
    async move {
        while !holds() {
            assert!(Instant::now() < deadline, "{caller}: still waiting");
            look.tick().await;
        }
    }
}

/// Waits until the media plane has turned away packets of `read`: proof that the client goes on sending.
pub(super) async fn turns_away(test: &TestGateway, read: impl Fn(roompass_media::Totals) -> u64) {
    let now = || read(test.gateway.media.totals().unwrap());
    let before = now();
    eventually(|| now() > before + 50).await;
}

#[track_caller]
pub(super) fn went_silent(peer: &Peer, stream_id: &str, change: Instant) {
    for kind in BOTH {
        let last = peer.rtc.last_received(stream_id, kind).expect("something had come before");
        let after = last.saturating_duration_since(change);
        assert!(after < AT_ONCE, "{kind:?} came {after:?} after the change");
    }
}

/// Alice publishes and ignores everything; Bob sees her.
async fn watched(settings: AppSettings, ttl_secs: u64) -> (TestGateway, Peer, Peer) {
    watched_by(TestGateway::start_with_media(settings).await, ttl_secs).await
}

async fn watched_by(test: TestGateway, ttl_secs: u64) -> (TestGateway, Peer, Peer) {
    let tokens = [test.token("alice", ttl_secs), test.token("bob", 86_400)];
    watched_with(test, tokens).await
}

/// The same, by these tokens of theirs.
pub(super) async fn watched_with(test: TestGateway, [of_alice, of_bob]: [String; 2]) -> (TestGateway, Peer, Peer) {
    let mut alice = Peer::enter_with(&test, "alice", &of_alice).await;
    let mut bob = Peer::enter_with(&test, "bob", &of_bob).await;
    alice.publish("alice-camera").await;
    bob.play("alice-camera").await;
    bob.sees("alice-camera").await;
    alice.rtc.ignore_close();
    (test, alice, bob)
}

#[tokio::test]
async fn a_stop_ends_the_packets_and_a_start_brings_them_back() {
    let (test, mut alice, bob) = watched(settings(), 600).await;
    let change = Instant::now();
    assert_eq!(alice.ask("stop_publish", json!({ "stream_id": "alice-camera" })).await["type"], "ok");
    turns_away(&test, |totals| totals.refused_packets).await;
    went_silent(&bob, "alice-camera", change);
    assert_eq!(alice.ask("publish", json!({ "stream_id": "alice-camera" })).await["type"], "ok");
    bob.sees("alice-camera").await;
}

#[tokio::test]
async fn what_the_gateway_refused_is_never_heard() {
    let test = TestGateway::start_with_media(settings()).await;
    let mut bob = Peer::enter(&test, "bob", 600).await;
    bob.play("s").await;
    let mut mallory = Peer { ws: test.connect().await, rtc: Client::udp(), asked: 1000 };
    let token = test.token_with("mallory", "r1", &[Privilege::Login], 600);
    assert_eq!(mallory.ws.login("mallory", "r1", json!({ "token": token })).await["type"], "logged_in");
    assert_eq!(mallory.ask("publish", json!({ "stream_id": "s" })).await["code"], "publish_denied");
    let answer = mallory.negotiate(&BOTH.map(|kind| Line::publish("s", kind))).await;
    assert_eq!(answer["idle"].as_array().unwrap().len(), 2);
    turns_away(&test, |totals| totals.refused_packets).await;
    assert!(!bob.rtc.received_anything());
}

#[tokio::test]
async fn soft_expiry_lets_a_call_go_on_and_renewal_carries_it() {
    // Short enough that nobody has to answer a ping meanwhile.
    let (test, mut alice, bob) = watched(settings(), 4).await;
    for _ in 0..3 {
        test.advance(5);
        alice.hears("token_expired").await;
        bob.sees("alice-camera").await;
        let token = test.token("alice", 4);
        assert_eq!(alice.ask("renew_token", json!({ "token": token })).await["type"], "token_renewed");
        bob.sees("alice-camera").await;
    }
    assert_eq!(test.gateway.media.totals().unwrap().refused_packets, 0);
}

#[tokio::test]
async fn strict_expiry_silences_at_once() {
    let settings = AppSettings { on_expiry: ExpiryPolicy::Strict, ..settings() };
    let (test, mut alice, mut bob) = watched(settings, 4).await;
    let change = Instant::now();
    test.advance(5);
    assert_eq!(alice.hears("kicked").await["code"], "kicked_token_expired");
    turns_away(&test, |totals| totals.stray_packets).await;
    went_silent(&bob, "alice-camera", change);
    assert_eq!(bob.hears("room_streams").await["reason"], "kicked");
}

#[tokio::test]
async fn revocation_silences_at_once() {
    let (test, mut alice, bob) = watched(settings(), 600).await;
    let change = Instant::now();
    test.revoke(super::shut_out::user("alice"), super::harness::START);
    alice.hears("kicked").await;
    turns_away(&test, |totals| totals.stray_packets).await;
    went_silent(&bob, "alice-camera", change);
}

/// The clock stands still, so nothing ends because a write takes too long.
#[tokio::test]
async fn a_kick_silences_at_once_whoever_does_not_read_and_says_why_to_whoever_reads_later() {
    /// More than the kernel takes for who does not read.
    const MUCH: usize = 12 << 20;
    let outbox = OutboxLimits { max_bytes: 2 * MUCH, ..OutboxLimits::default() };
    let config = GatewayConfig { outbox, ..GatewayConfig::default() };
    let test = TestGateway::start_with_media_and(settings(), config).await;
    let (test, mut alice, mut bob) = watched_by(test, 600).await;
    let who = || Who::User { user_id: "alice".into(), room_id: None };
    let app_id = AppId::new(APP_ID).unwrap();
    let obey = |act| assert_eq!(test.gateway.obey(app_id, &act, test.now()).len(), 1);
    for text in ["x".repeat(MUCH), "behind it".into()] {
        obey(Act::Say { who: who(), text });
    }
    alice.ws.leaves_unread(16 << 10).await;
    let change = Instant::now();
    obey(Act::Kick { who: who() });
    turns_away(&test, |totals| totals.stray_packets).await;
    went_silent(&bob, "alice-camera", change);
    assert_eq!(bob.hears("room_streams").await["change"], "delete");

    assert_eq!(alice.hears("server_message").await["text"].as_str().unwrap().len(), MUCH);
    assert_eq!(alice.ws.hear().await["text"], "behind it");
    assert_eq!(part(&alice.ws.hear().await, &["type", "code"]), json!(["kicked", "kicked"]));
    assert_eq!(alice.ws.hear_close().await, (4001, "kicked".to_owned()));
}

#[tokio::test]
async fn renewal_without_the_right_silences_where_the_app_says_so() {
    let settings = AppSettings { on_renew: RenewalPolicy::Enforce, ..settings() };
    let (test, mut alice, bob) = watched(settings, 600).await;
    let change = Instant::now();
    let token = test.token_with("alice", "r1", &[Privilege::Login], 600);
    assert_eq!(alice.ask("renew_token", json!({ "token": token })).await["type"], "token_renewed");
    turns_away(&test, |totals| totals.refused_packets).await;
    went_silent(&bob, "alice-camera", change);
}

#[tokio::test]
async fn offers_and_servers_are_answered_or_refused_in_words() {
    let test = TestGateway::start_with_media(settings()).await;
    let mut alice = Peer::enter(&test, "alice", 600).await;
    let servers = alice.ask("get_media_servers", json!({})).await;
    assert_eq!(part(&servers, &["type", "ice_servers"]), json!(["media_servers", []]));
    let bad = alice.ask("media_offer", json!({ "sdp": "v=0", "tracks": [] })).await;
    assert_eq!(part(&bad, &["type", "code"]), json!(["error", "media_invalid"]));
    assert_eq!(alice.ask("media_candidate", json!({ "candidate": "x" })).await["code"], "media_invalid");
    assert_eq!(alice.ask("media_candidate", json!({ "candidate": "" })).await["type"], "ok");

    let without = TestGateway::start(settings()).await;
    let mut alice = Peer::enter(&without, "alice", 600).await;
    assert_eq!(alice.ask("get_media_servers", json!({})).await["code"], "media_unavailable");
    let (sdp, _) = alice.rtc.offer(&[Line::publish("s", Kind::Audio)]);
    let refused = alice.ask("media_offer", json!({ "sdp": sdp, "tracks": [] })).await;
    assert_eq!(refused["code"], "media_unavailable");
    alice.rtc.withdraw();
}
