//! Who gets what: recomputed for a room whenever a right, a stream or a track changes, so that forwarding a packet only
//! looks at a list.

use std::{collections::HashMap, sync::Arc, time::Instant};

use str0m::media::Mid;

use super::{Sfu, published::Listener};
use crate::{Event, Kind, Reason};

/// A part of a stream: its sound, or its picture.
type Part = (Arc<str>, bool);

impl Sfu {
    /// Recomputes what is forwarded in `room`. What ends by it ends for `reason`.
    pub(super) fn rewire(&mut self, room: &str, reason: Reason, now: Instant) {
        let members: Vec<u64> = self.rooms.get(room).into_iter().flatten().copied().collect();
        let wanted = self.wanted(&members);
        let mut fed: HashMap<Listener, (u64, Mid)> = HashMap::new();
        let mut refresh = vec![];
        for session in &members {
            let Some(peer) = self.peers.get_mut(session) else { continue };
            for index in 0..peer.published.len() {
                let (kind, stream_id) = (peer.published[index].kind, Arc::clone(&peer.published[index].stream_id));
                let is_live = peer.publishes(&stream_id, kind);
                let part = (Arc::clone(&stream_id), kind == Kind::Audio);
                let listeners = if is_live { wanted.get(&part).cloned().unwrap_or_default() } else { vec![] };
                let track = &mut peer.published[index];
                fed.extend(listeners.iter().map(|listener| (*listener, (*session, track.mid))));
                if kind.is_picture() && listeners.iter().any(|listener| !track.listeners.contains(listener)) {
                    refresh.push((*session, track.mid));
                }
                track.listeners = listeners;
                if std::mem::replace(&mut track.is_live, is_live) && !is_live {
                    track.is_announced = false;
                    peer.tell(Event::PublishEnded { stream_id, kind, reason });
                }
            }
        }
        for session in &members {
            self.feed(*session, &fed, reason);
        }
        for (session, mid) in refresh {
            self.ask_for_keyframe(session, mid, None, now);
        }
    }

    /// Which tracks of receivers each part of a stream goes to, as far as the receivers are concerned.
    fn wanted(&self, members: &[u64]) -> HashMap<Part, Vec<Listener>> {
        let mut wanted: HashMap<Part, Vec<Listener>> = HashMap::new();
        for session in members {
            let Some(peer) = self.peers.get(session) else { continue };
            for track in peer.played.iter().filter(|track| peer.plays(&track.stream_id)) {
                let part = (Arc::clone(&track.stream_id), track.is_audio);
                wanted.entry(part).or_default().push(Listener { session: *session, mid: track.mid });
            }
        }
        wanted
    }

    /// Tells the tracks of a receiver where they are played from now, and the receiver what has ended.
    fn feed(&mut self, session: u64, fed: &HashMap<Listener, (u64, Mid)>, reason: Reason) {
        let kinds: HashMap<Mid, Kind> = self.kinds_played_by(session);
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let mut ended = vec![];
        for track in &mut peer.played {
            let from = fed.get(&Listener { session, mid: track.mid }).copied();
            if track.from.is_some() && from.is_none() {
                let kind =
                    kinds.get(&track.mid).copied().unwrap_or(if track.is_audio { Kind::Audio } else { Kind::Video });
                ended.push(Event::PlayEnded { stream_id: Arc::clone(&track.stream_id), kind, reason });
            }
            track.set_from(from);
        }
        for event in ended {
            peer.tell(event);
        }
    }

    /// What the tracks of a receiver carry.
    fn kinds_played_by(&self, session: u64) -> HashMap<Mid, Kind> {
        let Some(peer) = self.peers.get(&session) else { return HashMap::new() };
        let kind = |(publisher, mid)| {
            let published = &self.peers.get(&publisher)?.published;
            published.iter().find(|track| track.mid == mid).map(|track| track.kind)
        };
        peer.played.iter().filter_map(|track| Some((track.mid, kind(track.from?)?))).collect()
    }
}
