//! A session as its worker sees it: the transport to one client, what it may do, and its tracks.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use str0m::{
    Rtc,
    channel::ChannelId,
    media::{Mid, Rid},
    rtp::Ssrc,
};
use tokio::sync::mpsc;

use super::{played::Played, published::Published};
use crate::{Event, Kind, Kinds, Rights, meter::Cap};

/// Addresses of one client that packets are taken from; the oldest is forgotten first.
const MOST_ADDRESSES: usize = 8;
/// Data channels of one client.
const MOST_CHANNELS: usize = 32;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) room: Arc<str>,
    pub(super) user_id: Arc<str>,
    pub(super) rights: Rights,
    /// What the gateway said is published, and which kinds of it.
    pub(super) publishing: BTreeMap<Arc<str>, Kinds>,
    /// What the gateway said is played.
    pub(super) playing: BTreeSet<Arc<str>>,
    pub(super) published: Vec<Published>,
    pub(super) played: Vec<Played>,
    pub(super) channels: Vec<(ChannelId, Arc<str>)>,
    pub(super) transport: Option<Transport>,
    pub(super) ingress: Cap,
    pub(super) publish_cap: Option<Cap>,
    /// Packets that it sent and may not publish.
    pub(super) refused: u64,
    /// What the client can take, by its own feedback.
    pub(super) estimate_bps: Option<u64>,
    /// What it would take at best, as its transport was told.
    pub(super) desired_bps: u64,
    events: mpsc::Sender<Event>,
}

/// The connection to a client.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) rtc: Rtc,
    pub(super) fingerprint: String,
    pub(super) ufrag: String,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) is_connected: bool,
    pub(super) candidates: usize,
    /// When the timer queue has it, if it does.
    pub(super) scheduled: Option<Instant>,
    /// When it wants to be driven on.
    pub(super) deadline: Instant,
    /// Which media line and layer an SSRC is.
    pub(super) ssrcs: HashMap<Ssrc, (Mid, Option<Rid>)>,
}

impl Peer {
    pub(super) fn new(
        room: Arc<str>,
        user_id: Arc<str>,
        rights: Rights,
        events: mpsc::Sender<Event>,
        ingress: Cap,
        now: Instant,
    ) -> Self {
        let mut peer = Self {
            room,
            user_id,
            rights: Rights::NONE,
            publishing: BTreeMap::new(),
            playing: BTreeSet::new(),
            published: vec![],
            played: vec![],
            channels: vec![],
            transport: None,
            ingress,
            publish_cap: None,
            refused: 0,
            estimate_bps: None,
            desired_bps: 0,
            events,
        };
        peer.set_rights(rights, now);
        peer
    }

    pub(super) fn set_rights(&mut self, rights: Rights, now: Instant) {
        if rights.max_publish_bps != self.publish_cap.as_ref().map(Cap::bps) {
            self.publish_cap = rights.max_publish_bps.map(|bps| Cap::new(bps, now));
        }
        self.rights = rights;
        // What is lost stays lost until the gateway says that it is published, or played, again.
        let rights = &self.rights;
        self.publishing.retain(|stream_id, kinds| {
            *kinds = kinds.iter().filter(|kind| rights.may_publish(stream_id, *kind)).collect();
            !kinds.is_empty()
        });
        self.playing.retain(|stream_id| rights.may_play(stream_id));
    }

    /// Whether packets of `kind` in `stream_id` go through.
    pub(super) fn publishes(&self, stream_id: &str, kind: Kind) -> bool {
        self.publishing.get(stream_id).is_some_and(|kinds| kinds.contains(kind))
            && self.rights.may_publish(stream_id, kind)
    }

    /// Whether `stream_id` is sent to the client.
    pub(super) fn plays(&self, stream_id: &str) -> bool {
        self.playing.contains(stream_id) && self.rights.may_play(stream_id)
    }

    /// Tells the gateway. If it does not listen, it misses something, and nothing waits for it.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.try_send(event);
    }

    pub(super) fn played_mut(&mut self, mid: Mid) -> Option<&mut Played> {
        self.played.iter_mut().find(|track| track.mid == mid)
    }

    pub(super) fn published_mut(&mut self, mid: Mid) -> Option<&mut Published> {
        self.published.iter_mut().find(|track| track.mid == mid)
    }

    pub(super) fn open_channel(&mut self, id: ChannelId, label: &str) {
        if self.channels.len() < MOST_CHANNELS {
            self.channels.push((id, label.into()));
        }
    }
}

impl Transport {
    /// Takes note of an address of the client. Gives the one that is forgotten for it, if there is one.
    pub(super) fn add_address(&mut self, address: SocketAddr) -> Option<SocketAddr> {
        self.addresses.push(address);
        (self.addresses.len() > MOST_ADDRESSES).then(|| self.addresses.remove(0))
    }
}
