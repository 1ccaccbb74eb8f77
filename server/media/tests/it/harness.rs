//! A room of people with their sessions and clients, and waiting for what must come.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use roompass_media::{
    Answer, Event, Kind, Kinds, Limits, Media, MediaConfig, Offer, Opening, Reason, Rights, Session, Snapshot, Streams,
    Totals,
};
use tokio::sync::mpsc;

use crate::client::{Client, Line};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long after a change a receiver may still get packets.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(1);

pub(crate) async fn media() -> Media {
    media_with(Limits::default()).await
}

pub(crate) async fn media_with(limits: Limits) -> Media {
    Media::start(MediaConfig { limits, ..MediaConfig::loopback() }).await.unwrap()
}

/// Waits for a state.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    let deadline = Instant::now() + PATIENCE;
    let mut look = tokio::time::interval(Duration::from_millis(5));
    async move {
        while !holds() {
            assert!(Instant::now() < deadline, "{caller}: still waiting until {what}");
            look.tick().await;
        }
    }
}

/// Waits until what is measured is as it should be, and gives that.
#[track_caller]
pub(crate) fn eventually_seen(
    media: &Media,
    what: &str,
    holds: impl Fn(&Snapshot) -> bool,
) -> impl Future<Output = Snapshot> {
    let caller = std::panic::Location::caller();
    let deadline = Instant::now() + PATIENCE;
    let mut look = tokio::time::interval(Duration::from_millis(5));
    async move {
        loop {
            let snapshot = media.snapshot().await;
            if holds(&snapshot) {
                return snapshot;
            }
            assert!(Instant::now() < deadline, "{caller}: still waiting until {what}: {snapshot:?}");
            look.tick().await;
        }
    }
}

pub(crate) fn everything() -> Rights {
    Rights { publish: Kinds::ALL, publish_streams: Streams::Any, play_streams: Streams::Any, max_publish_bps: None }
}

pub(crate) fn only_play() -> Rights {
    Rights { play_streams: Streams::Any, ..Rights::NONE }
}

/// Somebody in a room.
pub(crate) struct Person {
    pub(crate) session: Session,
    pub(crate) client: Client,
    events: mpsc::Receiver<Event>,
    heard: Vec<Event>,
}

impl Person {
    pub(crate) fn enter(media: &Media, room: &str, name: &str, rights: Rights) -> Self {
        Self::enter_with(media, room, name, rights, Client::udp())
    }

    pub(crate) fn enter_with(media: &Media, room: &str, name: &str, rights: Rights, client: Client) -> Self {
        let opening = Opening { room: room.into(), user_id: name.into(), rights };
        let (session, events) = media.open(opening).unwrap();
        Self { session, client, events, heard: vec![] }
    }

    /// Offers one media line for each of `lines`, and takes the answer.
    pub(crate) async fn negotiate(&mut self, lines: &[Line]) -> Answer {
        let (sdp, tracks) = self.client.offer(lines);
        let answer = self.session.offer(Offer { sdp, tracks }).await.unwrap();
        self.client.accept(&answer.sdp);
        answer
    }

    /// Publishes sound and picture, as the gateway would allow and the client would do.
    pub(crate) async fn publish(&mut self, stream_id: &str) {
        self.session.publish(stream_id, Kinds::ALL);
        self.negotiate(&[Line::publish(stream_id, Kind::Audio), Line::publish(stream_id, Kind::Video)]).await;
    }

    pub(crate) async fn play(&mut self, stream_id: &str) {
        self.session.play(stream_id);
        self.negotiate(&[Line::play(stream_id, Kind::Audio), Line::play(stream_id, Kind::Video)]).await;
    }

    /// Waits until packets of both kinds arrive.
    pub(crate) async fn sees(&self, stream_id: &str) {
        for kind in [Kind::Audio, Kind::Video] {
            let before = self.client.received(stream_id, kind);
            eventually("packets arrive", || self.client.received(stream_id, kind) > before + 5).await;
        }
    }

    /// Waits until no picture is missing among those that have come. One that the kernel dropped is sent again; a number
    /// that was never given to any is not.
    pub(crate) async fn misses_nothing_of(&self, stream_id: &str) {
        eventually("no packet is missing", || self.client.gaps(stream_id, Kind::Video) == 0).await;
    }

    /// Waits for an event.
    #[track_caller]
    pub(crate) fn hears(&mut self, event: Event) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let heard = tokio::time::timeout(PATIENCE, async {
                while !self.heard.contains(&event) {
                    let next = self.events.recv().await.unwrap_or_else(|| panic!("{caller}: the session is gone"));
                    self.heard.push(next);
                }
            });
            assert!(heard.await.is_ok(), "{caller}: {event:?} did not come, but {:?}", self.heard);
        }
    }

    pub(crate) async fn hears_end_of_play(&mut self, stream_id: &str, reason: Reason) {
        for kind in [Kind::Audio, Kind::Video] {
            self.hears(Event::PlayEnded { stream_id: stream_id.into(), kind, reason }).await;
        }
    }
}

/// Alice publishes, and Bob, who only plays, sees her.
pub(crate) async fn watched(media: &Media) -> (Person, Person) {
    let mut alice = Person::enter(media, "1/room", "alice", everything());
    let mut bob = Person::enter(media, "1/room", "bob", only_play());
    alice.publish("alice-camera").await;
    bob.play("alice-camera").await;
    bob.sees("alice-camera").await;
    (alice, bob)
}

/// Waits until the media plane has turned away `more` further packets: proof that the sender goes on sending.
pub(crate) async fn refuses(media: &Media, more: u64) {
    waits_for(media, |totals| totals.refused_packets, more).await;
}

/// Waits until the media plane has seen `more` further packets that are nobody's.
pub(crate) async fn sees_strays(media: &Media, more: u64) {
    waits_for(media, |totals| totals.stray_packets, more).await;
}

async fn waits_for(media: &Media, read: impl Fn(Totals) -> u64, more: u64) {
    let before = read(media.totals());
    eventually("packets are turned away", || read(media.totals()) >= before + more).await;
}

/// That nothing of `stream_id` has come to `people` later than [`AT_ONCE`] after `change`.
#[track_caller]
pub(crate) fn went_silent(people: &[&Person], stream_id: &str, kinds: &[Kind], change: Instant) {
    for person in people {
        for kind in kinds {
            let last = person.client.last_received(stream_id, *kind).expect("something had come before");
            let after = last.saturating_duration_since(change);
            assert!(after < AT_ONCE, "{kind:?} came {after:?} after the change");
        }
    }
}

pub(crate) fn only(streams: &[&str]) -> Streams {
    Streams::Only(streams.iter().map(|id| Arc::from(*id)).collect())
}
