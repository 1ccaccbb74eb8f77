//! A track that a session plays.

use std::{sync::Arc, time::Instant};

use str0m::{
    Rtc,
    format::{Codec, PayloadParams},
    media::{Mid, Pt},
    rtp::{ExtensionValues, RtpPacket, RtpWrite, Ssrc},
};

use crate::{
    meter::Meter,
    rewrite::{Place, Rewriter, Source},
    stats::{PlayedTrack, TrackStats},
};

#[derive(Debug)]
pub(super) struct Played {
    pub(super) mid: Mid,
    pub(super) stream_id: Arc<str>,
    pub(super) is_audio: bool,
    /// The session and media line that it is played from.
    pub(super) from: Option<(u64, Mid)>,
    /// The layer to switch to at its next keyframe; none while any will do.
    pub(super) wanted: Option<Ssrc>,
    /// The layer being forwarded.
    pub(super) layer: Option<Ssrc>,
    /// When a picture that stands still was asked to be refreshed.
    pub(super) frozen_since: Option<Instant>,
    pub(super) is_announced: bool,
    pub(super) stats: TrackStats,
    pub(super) meter: Meter,
    rewriter: Rewriter,
    epoch: u32,
    /// Whether packets are held back until the next keyframe.
    is_broken: bool,
    ssrc: Option<Ssrc>,
    /// What the payload type of the source is called here.
    payload_type: Option<(Source, Pt, Option<Pt>)>,
}

/// A packet to forward.
#[derive(Debug)]
pub(super) struct Outgoing<'p> {
    pub(super) packet: &'p RtpPacket,
    pub(super) params: PayloadParams,
    pub(super) source: Source,
    pub(super) epoch: u32,
    /// Whether a decoder can start with it.
    pub(super) starts: bool,
    pub(super) now: Instant,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forwarded {
    /// It was handed over.
    Sent,
    /// It is of another layer, or of a codec the receiver does not know.
    NotForIt,
    /// It cannot be used before the next keyframe.
    NeedsKeyframe,
    /// The receiver does not keep up.
    TooSlow,
}

impl Played {
    pub(super) fn new(mid: Mid, stream_id: Arc<str>, is_audio: bool, now: Instant) -> Self {
        Self {
            mid,
            stream_id,
            is_audio,
            from: None,
            wanted: None,
            layer: None,
            frozen_since: None,
            is_announced: false,
            stats: TrackStats::default(),
            meter: Meter::new(now),
            rewriter: Rewriter::new(),
            epoch: 0,
            is_broken: false,
            ssrc: None,
            payload_type: None,
        }
    }

    /// Plays from another track, or from none.
    pub(super) fn set_from(&mut self, from: Option<(u64, Mid)>) {
        if self.from != from {
            self.from = from;
            self.wanted = None;
            self.layer = None;
            self.is_announced = false;
            self.frozen_since = None;
        }
    }

    /// Forgets what a negotiation may have changed.
    pub(super) fn renegotiated(&mut self) {
        self.ssrc = None;
        self.payload_type = None;
    }

    /// Sends a packet on, numbered for this receiver.
    pub(super) fn forward(&mut self, rtc: &mut Rtc, outgoing: &Outgoing<'_>, most_queued: usize) -> Forwarded {
        let Outgoing { packet, params, source, epoch, starts, now } = *outgoing;
        let ssrc = packet.header.ssrc;
        let is_switch = match (self.layer, self.wanted) {
            (Some(layer), _) if layer == ssrc => false,
            (Some(_), Some(wanted)) if wanted == ssrc => true,
            (None, wanted) if wanted.is_none_or(|wanted| wanted == ssrc) => true,
            _ => return Forwarded::NotForIt,
        };
        let Some(pt) = self.payload_type(rtc, source, packet.header.payload_type, params) else {
            return Forwarded::NotForIt;
        };
        let is_start = is_switch || self.is_broken || self.epoch != epoch || !self.rewriter.follows(source);
        if is_start && !starts {
            // A layer that is to be switched to later must not hold up the one being forwarded.
            return if self.layer.is_some() && is_switch { Forwarded::NotForIt } else { Forwarded::NeedsKeyframe };
        }
        let mid = self.mid;
        let mut direct = rtc.direct_api();
        let stream = match self.ssrc {
            Some(ssrc) => direct.stream_tx(&ssrc),
            None => direct.stream_tx_by_mid(mid, None),
        };
        let Some(stream) = stream else { return Forwarded::NotForIt };
        self.ssrc = Some(stream.ssrc());
        if stream.queue_info().is_some_and(|queue| queue.packet_count() > most_queued) {
            self.is_broken = true;
            self.stats.dropped += 1;
            return Forwarded::TooSlow;
        }

        let place =
            Place { source, seq: *packet.seq_no, timestamp: packet.header.timestamp, clock_rate: packet.time.denom() };
        if is_start {
            self.rewriter.start(place, now);
            self.layer = Some(ssrc);
            self.epoch = epoch;
            self.is_broken = false;
        }
        let Some((seq, timestamp)) = self.rewriter.place(place, now) else { return Forwarded::NotForIt };
        let mut write = RtpWrite::new(pt, seq.into(), timestamp, packet.timestamp, packet.payload.clone())
            .marker(packet.header.marker)
            .nackable(!self.is_audio)
            .ext_vals(passed_on(&packet.header.ext_vals));
        if params.spec().codec == Codec::Vp8
            && let Some(patch) = self.rewriter.vp8_patch(&packet.payload)
        {
            write = write.vp8_patch(patch);
        }
        stream.write_rtp(write);
        self.stats.packets += 1;
        self.stats.bytes += packet.payload.len() as u64;
        self.meter.add(packet.payload.len(), now);
        if starts && let Some(since) = self.frozen_since.take() {
            self.stats.freezes += 1;
            self.stats.frozen += now.saturating_duration_since(since);
        }
        Forwarded::Sent
    }

    fn payload_type(&mut self, rtc: &Rtc, source: Source, pt: Pt, params: PayloadParams) -> Option<Pt> {
        if let Some((of, known, here)) = self.payload_type
            && (of, known) == (source, pt)
        {
            return here;
        }
        let agreed = rtc.media(self.mid)?.remote_pts();
        let here = rtc.codec_config().match_params(params).map(PayloadParams::pt).filter(|pt| agreed.contains(pt));
        self.payload_type = Some((source, pt, here));
        here
    }

    pub(super) fn snapshot(&mut self, layer: Option<String>, now: Instant) -> PlayedTrack {
        PlayedTrack {
            stream_id: Arc::clone(&self.stream_id),
            is_audio: self.is_audio,
            layer,
            stats: TrackStats { bitrate_bps: self.meter.bps(now), ..self.stats.clone() },
        }
    }
}

/// What of a publisher's header extensions is for its receivers: not what is between it and this node.
fn passed_on(from: &ExtensionValues) -> ExtensionValues {
    ExtensionValues {
        audio_level: from.audio_level,
        voice_activity: from.voice_activity,
        video_orientation: from.video_orientation,
        video_content_type: from.video_content_type,
        abs_capture_time: from.abs_capture_time,
        play_delay_min: from.play_delay_min,
        play_delay_max: from.play_delay_max,
        ..ExtensionValues::default()
    }
}
