//! The road of a packet: from a publisher that may, to every receiver that may.

use std::{sync::Arc, sync::atomic::Ordering, time::Instant};

use str0m::{
    channel::ChannelData,
    format::PayloadParams,
    media::{KeyframeRequestKind, Mid},
    rtp::{RtpPacket, Ssrc},
};

use super::{
    Sfu,
    peer::Peer,
    played::{Forwarded, Outgoing},
};
use crate::{Event, Kind, keyframe::starts_decoding, rewrite::Source, stats::Counters};

/// A packet that may be forwarded.
struct Admitted {
    mid: Mid,
    params: PayloadParams,
    epoch: u32,
    starts: bool,
}

impl Sfu {
    /// Forwards a packet of `session`, if it may.
    pub(super) fn forward(&mut self, session: u64, packet: &RtpPacket, now: Instant) {
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let Some(admitted) = admit(peer, packet, &self.shared.counters, now) else { return };
        let Admitted { mid, params, epoch, starts } = admitted;
        let Some(track) = peer.published_mut(mid) else { return };
        let (kind, stream_id) = (track.kind, Arc::clone(&track.stream_id));
        // Nothing changes who listens while a packet is handed out.
        let listeners = std::mem::take(&mut track.listeners);
        let source = Source { session, ssrc: *packet.header.ssrc };
        let outgoing = Outgoing { packet, params, source, epoch, starts, now };
        let mut needs_keyframe = false;
        for listener in &listeners {
            let Some(receiver) = self.peers.get_mut(&listener.session) else { continue };
            let (counters, most_queued) = (&self.shared.counters, self.shared.limits.queued_packets);
            match hand_over(receiver, listener.mid, &outgoing, (kind, &stream_id), most_queued, counters) {
                Forwarded::Sent => {
                    counters.forwarded_packets.fetch_add(1, Ordering::Relaxed);
                    counters.forwarded_bytes.fetch_add(packet.payload.len() as u64, Ordering::Relaxed);
                    self.flush(listener.session, now);
                }
                Forwarded::NeedsKeyframe => needs_keyframe = true,
                Forwarded::TooSlow => {
                    counters.slow_receiver_drops.fetch_add(1, Ordering::Relaxed);
                }
                Forwarded::NotForIt => {}
            }
        }
        if let Some(track) = self.peers.get_mut(&session).and_then(|peer| peer.published_mut(mid)) {
            track.listeners = listeners;
        }
        if needs_keyframe {
            self.ask_for_keyframe(session, mid, Some(packet.header.ssrc), now);
        }
    }

    /// A receiver cannot show the picture: the publisher is asked to send a whole one.
    pub(super) fn keyframe_requested(&mut self, session: u64, mid: Mid, now: Instant) {
        let Some(track) = self.peers.get_mut(&session).and_then(|peer| peer.played_mut(mid)) else { return };
        track.frozen_since.get_or_insert(now);
        let layer = track.layer.or(track.wanted);
        if let Some((publisher, mid)) = track.from {
            self.ask_for_keyframe(publisher, mid, layer, now);
        }
    }

    /// Asks for a keyframe of one layer, or of all, but not more often than is allowed; what is not asked now is asked later.
    pub(super) fn ask_for_keyframe(&mut self, session: u64, mid: Mid, layer: Option<Ssrc>, now: Instant) {
        let interval = self.shared.limits.keyframe_interval;
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let (Some(transport), Some(track)) =
            (peer.transport.as_mut(), peer.published.iter_mut().find(|track| track.mid == mid))
        else {
            return;
        };
        let mut asked = false;
        for layer in track.layers.iter_mut().filter(|of| layer.is_none_or(|ssrc| ssrc == of.ssrc)) {
            layer.wants_keyframe = true;
            if layer.asked_at.is_some_and(|at| now.saturating_duration_since(at) < interval) {
                continue;
            }
            if let Some(stream) = transport.rtc.direct_api().stream_rx(&layer.ssrc) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                layer.asked_at = Some(now);
                asked = true;
                self.shared.counters.keyframe_requests.fetch_add(1, Ordering::Relaxed);
            }
        }
        if asked {
            self.flush(session, now);
        }
    }

    /// Forwards a message on a data channel, whose label is the stream, to everybody who plays the stream and has such a
    /// channel open.
    pub(super) fn forward_message(&mut self, session: u64, message: &ChannelData, now: Instant) {
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let Some((_, stream_id)) = peer.channels.iter().find(|(id, _)| *id == message.id).cloned() else { return };
        if !peer.publishes(&stream_id, Kind::Data) {
            peer.refused += 1;
            self.shared.counters.refused_packets.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let room = Arc::clone(&peer.room);
        let members: Vec<u64> =
            self.rooms.get(&room).into_iter().flatten().copied().filter(|to| *to != session).collect();
        for to in members {
            let Some(receiver) = self.peers.get_mut(&to).filter(|receiver| receiver.plays(&stream_id)) else {
                continue;
            };
            let Some((id, _)) = receiver.channels.iter().find(|(_, label)| *label == stream_id).cloned() else {
                continue;
            };
            let Some(mut channel) = self.rtc_mut(to).and_then(|rtc| rtc.channel(id)) else { continue };
            let counter = match channel.write(message.binary, &message.data) {
                Ok(true) => &self.shared.counters.forwarded_messages,
                _ => &self.shared.counters.slow_receiver_drops,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            self.flush(to, now);
        }
    }
}

/// Whether a packet may be forwarded, and what it is: judged by the line and codec it came with, never by what it says of itself.
fn admit(peer: &mut Peer, packet: &RtpPacket, counters: &Counters, now: Instant) -> Option<Admitted> {
    let transport = peer.transport.as_mut()?;
    let header = &packet.header;
    let (mid, rid) = match transport.ssrcs.get(&header.ssrc) {
        Some(known) => *known,
        None => {
            let stream =
                transport.rtc.direct_api().stream_rx(&header.ssrc).map(|stream| (stream.mid(), stream.rid()))?;
            if transport.ssrcs.len() < super::MOST_SSRCS {
                transport.ssrcs.insert(header.ssrc, stream);
            }
            stream
        }
    };
    let size = packet.payload.len();
    let refused = &mut peer.refused;
    let mut refuse = || {
        *refused += 1;
        counters.refused_packets.fetch_add(1, Ordering::Relaxed);
        None
    };
    let Some(track) = peer.published.iter_mut().find(|track| track.mid == mid) else { return refuse() };
    if !track.is_live {
        track.stats.refused += 1;
        return refuse();
    }
    let Some(index) = track.layer(header.ssrc, rid, now) else { return refuse() };
    let layer = &mut track.layers[index];
    let params = match layer.params {
        Some((pt, params)) if pt == header.payload_type => params,
        _ => *transport.rtc.codec_config().find(|params| params.pt() == header.payload_type)?,
    };
    layer.params = Some((header.payload_type, params));
    if params.spec().codec.is_audio() != (track.kind == Kind::Audio) {
        track.stats.refused += 1;
        return refuse();
    }
    let starts = starts_decoding(params.spec().codec, &packet.payload);
    let is_capped = peer.publish_cap.as_mut().is_some_and(|cap| !cap.passes(size, now));
    // What comes after a packet that was held back is of no use to anybody, up to the next keyframe.
    if is_capped || layer.is_broken && !starts {
        layer.is_broken = true;
        layer.wants_keyframe |= track.kind.is_picture();
        track.stats.dropped += 1;
        counters.capped_packets.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    if std::mem::take(&mut layer.is_broken) {
        layer.epoch += 1;
    }
    if starts {
        layer.wants_keyframe = false;
    }
    layer.last_packet = now;
    layer.meter.add(size, now);
    let epoch = layer.epoch;
    track.meter.add(size, now);
    track.stats.packets += 1;
    track.stats.bytes += size as u64;
    counters.received_packets.fetch_add(1, Ordering::Relaxed);
    counters.received_bytes.fetch_add(size as u64, Ordering::Relaxed);
    if !std::mem::replace(&mut track.is_announced, true) {
        let (stream_id, kind) = (Arc::clone(&track.stream_id), track.kind);
        peer.tell(Event::Publishing { stream_id, kind });
    }
    Some(Admitted { mid, params, epoch, starts })
}

/// Hands a packet to one receiver.
fn hand_over(
    receiver: &mut Peer,
    mid: Mid,
    outgoing: &Outgoing<'_>,
    (kind, stream_id): (Kind, &Arc<str>),
    most_queued: usize,
    counters: &Counters,
) -> Forwarded {
    let Some(transport) = receiver.transport.as_mut().filter(|transport| transport.is_connected) else {
        return Forwarded::NotForIt;
    };
    let Some(track) = receiver.played.iter_mut().find(|track| track.mid == mid) else { return Forwarded::NotForIt };
    let (freezes, frozen) = (track.stats.freezes, track.stats.frozen);
    let forwarded = track.forward(&mut transport.rtc, outgoing, most_queued);
    if track.stats.freezes > freezes {
        counters.freezes.fetch_add(1, Ordering::Relaxed);
        counters.frozen_millis.fetch_add((track.stats.frozen - frozen).as_millis() as u64, Ordering::Relaxed);
    }
    if forwarded == Forwarded::Sent && !std::mem::replace(&mut track.is_announced, true) {
        receiver.tell(Event::Playing { stream_id: Arc::clone(stream_id), kind });
    }
    forwarded
}
