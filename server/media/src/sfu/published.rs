//! A track that a session publishes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use str0m::{
    format::PayloadParams,
    media::{Mid, Pt, Rid},
    rtp::Ssrc,
};

use crate::{
    Kind,
    layers::LayerRate,
    meter::Meter,
    stats::{PublishedTrack, TrackStats},
};

/// Layers of one picture; browsers send at most three.
const MOST_LAYERS: usize = 4;
/// After how long without a packet a layer counts as switched off.
const LAYER_SILENCE: Duration = Duration::from_millis(1500);
/// How far behind another layer's a layer's last packet may be: all are sent with every picture, so a layer that is not
/// was switched off, and who watches it is not to wait.
const LAYER_LAG: Duration = Duration::from_millis(500);

/// A track of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Listener {
    pub(super) session: u64,
    pub(super) mid: Mid,
}

#[derive(Debug)]
pub(super) struct Published {
    pub(super) mid: Mid,
    pub(super) stream_id: Arc<str>,
    pub(super) kind: Kind,
    /// Whether its packets go through: the gateway said the stream is published, and the rights allow it.
    pub(super) is_live: bool,
    /// Whether the first packet was reported.
    pub(super) is_announced: bool,
    pub(super) layers: Vec<Layer>,
    pub(super) listeners: Vec<Listener>,
    pub(super) meter: Meter,
    pub(super) stats: TrackStats,
}

/// One encoding of the track.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) ssrc: Ssrc,
    pub(super) rid: Option<Rid>,
    pub(super) params: Option<(Pt, PayloadParams)>,
    pub(super) meter: Meter,
    pub(super) peak_bps: u64,
    pub(super) last_packet: Instant,
    /// Counts the times that packets were held back, after which receivers have to start anew.
    pub(super) epoch: u32,
    /// Whether packets are held back until the next keyframe.
    pub(super) is_broken: bool,
    pub(super) wants_keyframe: bool,
    pub(super) asked_at: Option<Instant>,
}

impl Published {
    pub(super) fn new(mid: Mid, stream_id: Arc<str>, kind: Kind, now: Instant) -> Self {
        Self {
            mid,
            stream_id,
            kind,
            is_live: false,
            is_announced: false,
            layers: vec![],
            listeners: vec![],
            meter: Meter::new(now),
            stats: TrackStats::default(),
        }
    }

    /// The layer that `ssrc` is; a new SSRC takes the place of an old one of the same layer.
    pub(super) fn layer(&mut self, ssrc: Ssrc, rid: Option<Rid>, now: Instant) -> Option<usize> {
        let found = self.layers.iter().position(|layer| layer.ssrc == ssrc);
        found.or_else(|| {
            let layer = Layer::new(ssrc, rid, now);
            if let Some(index) = self.layers.iter().position(|layer| layer.rid == rid) {
                self.layers[index] = layer;
                return Some(index);
            }
            (self.layers.len() < MOST_LAYERS).then(|| {
                self.layers.push(layer);
                self.layers.len() - 1
            })
        })
    }

    /// The layers that arrive, and what each takes.
    pub(super) fn rates(&mut self, now: Instant) -> Vec<LayerRate<Ssrc>> {
        let newest = self.newest();
        let active = self.layers.iter_mut().filter(|layer| layer.is_active(newest, now));
        let rate = |layer: &mut Layer| {
            let bps = layer.meter.bps(now);
            layer.peak_bps = if layer.meter.is_settled() { layer.peak_bps.max(bps) } else { bps };
            LayerRate { layer: layer.ssrc, bps, peak_bps: layer.peak_bps }
        };
        active.map(rate).collect()
    }

    /// When the last packet of any layer came.
    pub(super) fn newest(&self) -> Option<Instant> {
        self.layers.iter().map(|layer| layer.last_packet).max()
    }

    pub(super) fn snapshot(&mut self, now: Instant) -> PublishedTrack {
        let newest = self.newest();
        PublishedTrack {
            stream_id: Arc::clone(&self.stream_id),
            kind: self.kind,
            is_live: self.is_live,
            layers: self.layers.iter().filter(|layer| layer.is_active(newest, now)).count(),
            receivers: self.listeners.len(),
            stats: TrackStats { bitrate_bps: self.meter.bps(now), ..self.stats.clone() },
        }
    }
}

impl Layer {
    fn new(ssrc: Ssrc, rid: Option<Rid>, now: Instant) -> Self {
        Self {
            ssrc,
            rid,
            params: None,
            meter: Meter::new(now),
            peak_bps: 0,
            last_packet: now,
            epoch: 0,
            is_broken: false,
            wants_keyframe: true,
            asked_at: None,
        }
    }

    /// Whether it arrives; `newest` is when the last packet of any layer of the picture came.
    pub(super) fn is_active(&self, newest: Option<Instant>, now: Instant) -> bool {
        let lag = newest.map_or(Duration::ZERO, |newest| newest.saturating_duration_since(self.last_packet));
        lag < LAYER_LAG && now.saturating_duration_since(self.last_packet) < LAYER_SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_gone_once_the_others_go_on_without_it() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut track = Published::new(Mid::from("0"), "camera".into(), Kind::Video, start);
        for ssrc in [1, 2] {
            track.layer(ssrc.into(), Some(Rid::from(if ssrc == 1 { "q" } else { "h" })), start);
        }
        let arriving =
            |track: &mut Published, now| track.rates(now).iter().map(|rate| *rate.layer).collect::<Vec<u32>>();
        assert_eq!(arriving(&mut track, after(1400)), [1, 2], "a picture that stands still keeps its layers");
        track.layers[0].last_packet = after(499);
        assert_eq!(arriving(&mut track, after(499)), [1, 2]);
        track.layers[0].last_packet = after(500);
        assert_eq!(arriving(&mut track, after(500)), [1]);
        assert_eq!(arriving(&mut track, after(2000)), Vec::<u32>::new());
    }
}
