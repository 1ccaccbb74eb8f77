//! What is looked after every so often: which layer each receiver gets, keyframes that did not come, caps of publishers.

use std::time::Instant;

use str0m::{
    bwe::Bitrate,
    media::{Mid, Rid},
    rtp::Ssrc,
};

use super::Sfu;
use crate::{
    layers::{LayerRate, choose},
    stats::SessionStats,
};

/// How long a keyframe that was asked for may take before it is asked for again.
const KEYFRAME_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

impl Sfu {
    pub(super) fn tick(&mut self, now: Instant) {
        for session in self.peers.keys().copied().collect::<Vec<_>>() {
            self.working_for = Some(session);
            self.choose_layers(session, now);
            self.ask_again(session, now);
            self.tell_cap(session, now);
        }
        self.working_for = None;
    }

    /// Shares what the receiver can take among the pictures it plays, smallest needs first.
    fn choose_layers(&mut self, session: u64, now: Instant) {
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let mut budget = peer.estimate_bps.unwrap_or(self.shared.limits.initial_bps);
        let mut pictures: Vec<(Mid, Option<Ssrc>, (u64, Mid))> = vec![];
        for track in &mut peer.played {
            match (track.is_audio, track.from) {
                (true, _) => budget = budget.saturating_sub(track.meter.bps(now)),
                (false, Some(from)) => pictures.push((track.mid, track.layer, from)),
                (false, None) => {}
            }
        }
        if pictures.is_empty() {
            return;
        }
        let rated = pictures.into_iter().map(|(mid, layer, (publisher, from))| {
            let track = self.peers.get_mut(&publisher).and_then(|peer| peer.published_mut(from));
            (mid, layer, (publisher, from), track.map(|track| track.rates(now)).unwrap_or_default())
        });
        let mut rated: Vec<_> = rated.collect();
        let top = |rates: &[LayerRate<Ssrc>]| rates.iter().map(|rate| rate.bps).max().unwrap_or(0);
        rated.sort_by_key(|(.., rates)| top(rates));
        let desired: u64 = rated.iter().map(|(.., rates)| top(rates)).sum();
        let mut left = rated.len() as u64;
        for (mid, current, (publisher, from), rates) in rated {
            let share = budget / left;
            left -= 1;
            let chosen = choose(&rates, current, share);
            let taken = rates.iter().find(|rate| Some(rate.layer) == chosen).map_or(0, |rate| rate.bps);
            budget = budget.saturating_sub(taken);
            let Some(track) = self.peers.get_mut(&session).and_then(|peer| peer.played_mut(mid)) else { continue };
            // A layer that no longer comes is no longer forwarded, and any other will do.
            if track.layer.is_some_and(|layer| rates.iter().all(|rate| rate.layer != layer)) && chosen.is_some() {
                track.layer = None;
            }
            track.wanted = chosen.filter(|chosen| Some(*chosen) != track.layer);
            if let Some(wanted) = track.wanted {
                self.ask_for_keyframe(publisher, from, Some(wanted), now);
            }
        }
        // What the receiver can take is found out by probing for what it would take. Too little of that, as while a picture
        // has only begun, and packets wait for each other until the estimate has crept up to them.
        let wanted = (desired + desired / 2).max(self.shared.limits.initial_bps);
        let Some(peer) = self.peers.get_mut(&session) else { return };
        // Each change may be probed for, which costs the receiver packets of padding.
        if (desired + desired / 4..=3 * wanted).contains(&peer.desired_bps) {
            return;
        }
        peer.desired_bps = wanted;
        if let Some(rtc) = self.rtc_mut(session) {
            rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::bps(wanted));
            self.flush(session, now);
        }
    }

    fn ask_again(&mut self, session: u64, now: Instant) {
        let Some(peer) = self.peers.get(&session) else { return };
        let is_due = |at: Instant| now.saturating_duration_since(at) >= KEYFRAME_PATIENCE;
        let due: Vec<_> = peer
            .published
            .iter()
            .filter(|track| track.kind.is_picture() && track.is_live && !track.listeners.is_empty())
            .flat_map(|track| track.layers.iter().map(|layer| (track.mid, track.newest(), layer)))
            .filter(|(_, newest, layer)| layer.is_active(*newest, now))
            .filter(|(.., layer)| layer.wants_keyframe && layer.asked_at.is_none_or(is_due))
            .map(|(mid, _, layer)| (mid, layer.ssrc))
            .collect();
        for (mid, ssrc) in due {
            self.ask_for_keyframe(session, mid, Some(ssrc), now);
        }
    }

    /// Tells a publisher what it may send, so that an honest one sends no more.
    fn tell_cap(&mut self, session: u64, now: Instant) {
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let (Some(cap), Some(transport)) =
            (peer.publish_cap.as_ref().map(crate::meter::Cap::bps), peer.transport.as_mut())
        else {
            return;
        };
        let layers: Vec<_> = peer
            .published
            .iter()
            .filter(|track| track.kind.is_picture() && track.is_live)
            .flat_map(|track| &track.layers)
            .map(|layer| layer.ssrc)
            .collect();
        let mut direct = transport.rtc.direct_api();
        for ssrc in &layers {
            if let Some(stream) = direct.stream_rx(ssrc) {
                stream.request_remb(Bitrate::bps(cap));
            }
        }
        if !layers.is_empty() {
            self.flush(session, now);
        }
    }

    /// Brings every picture that a receiver plays up for it, when it has just come (back).
    pub(super) fn refresh(&mut self, session: u64, now: Instant) {
        let Some(peer) = self.peers.get(&session) else { return };
        let from: Vec<_> = peer.played.iter().filter(|track| !track.is_audio).filter_map(|track| track.from).collect();
        for (publisher, mid) in from {
            self.ask_for_keyframe(publisher, mid, None, now);
        }
    }

    /// Every session of this worker with its tracks.
    pub(super) fn snapshot(&mut self, now: Instant) -> Vec<SessionStats> {
        let rids: std::collections::HashMap<(u64, Ssrc), Rid> = self
            .peers
            .iter()
            .flat_map(|(session, peer)| peer.published.iter().map(move |track| (*session, track)))
            .flat_map(|(session, track)| track.layers.iter().map(move |layer| (session, layer)))
            .filter_map(|(session, layer)| Some(((session, layer.ssrc), layer.rid?)))
            .collect();
        let sessions = self.peers.iter_mut().map(|(session, peer)| {
            let played = peer.played.iter_mut().map(|track| {
                let layer = track.from.zip(track.layer).and_then(|((publisher, _), ssrc)| rids.get(&(publisher, ssrc)));
                track.snapshot(layer.map(|rid| rid.to_string()), now)
            });
            let played = played.collect();
            SessionStats {
                session: *session,
                room: std::sync::Arc::clone(&peer.room),
                user_id: std::sync::Arc::clone(&peer.user_id),
                is_connected: peer.transport.as_ref().is_some_and(|transport| transport.is_connected),
                refused: peer.refused,
                estimate_bps: peer.estimate_bps,
                published: peer.published.iter_mut().map(|track| track.snapshot(now)).collect(),
                played,
            }
        });
        sessions.collect()
    }
}
