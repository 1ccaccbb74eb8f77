//! Sound and pictures: totals of the media plane, and how its tracks do at the moment.
//!
//! Streams have ids of their users' choosing, so they are no labels: what is measured of each is in the API
//! (`GET /v1/apps/{app_id}/streams`). Here it is over all of them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use roompass_media::{Snapshot, Totals, TrackStats};

use super::register::Register;
use crate::media::AcrossNodes;

type Labels = [(&'static str, &'static str); 2];
type Real = Gauge<f64, AtomicU64>;

const PUBLISHED: &str = "published";
const PLAYED: &str = "played";
const DIRECTIONS: [&str; 2] = [PUBLISHED, PLAYED];
const AUDIO: &str = "audio";
const PICTURE: &str = "picture";
const KINDS: [&str; 2] = [AUDIO, PICTURE];
const MEAN: &str = "mean";
const WORST: &str = "worst";

/// The metrics of the media plane.
#[derive(Debug)]
pub(super) struct MediaMetrics {
    totals: Vec<(&'static str, Counter)>,
    frozen_seconds: Counter<f64, AtomicU64>,
    sessions: Gauge,
    tracks: Family<Labels, Gauge>,
    bitrate: Family<Labels, Gauge>,
    loss: Family<Labels, Real>,
    round_trip: Family<Labels, Real>,
    guests: Gauge,
    abroad: Gauge,
    lost: Counter,
}

impl MediaMetrics {
    pub(super) fn register(all: &mut Register) -> Self {
        let counted = Totals::default().named().filter(|(name, _)| *name != "frozen_millis");
        let totals = counted.map(|(name, _)| (name, all.counter(&format!("media_{name}"), help_of(name)))).collect();
        let (directed, kind) = (&["direction", "kind"], &["direction", "of"]);
        let this = Self {
            totals,
            frozen_seconds: all.metric(
                "media_frozen_seconds",
                "How long pictures stood still at receivers, in all",
                &[],
                Counter::default(),
            ),
            sessions: all.gauge("media_sessions", "Media connections through which packets can flow"),
            tracks: all.metric("media_tracks", "Tracks from publishers and to receivers", directed, Family::default()),
            bitrate: all.metric(
                "media_bitrate_bps",
                "What the tracks carry, in bits a second over the last second",
                directed,
                Family::default(),
            ),
            loss: all.metric(
                "media_loss_ratio",
                "The share of packets lost on the way, as of the last reports: over all tracks, and of the worst",
                kind,
                Family::default(),
            ),
            round_trip: all.metric(
                "media_round_trip_seconds",
                "The time to clients and back, as of the last reports: over all tracks, and of the worst",
                kind,
                Family::default(),
            ),
            guests: all.gauge("media_guest_sessions", "Sessions of other nodes whose media is forwarded here"),
            abroad: all.gauge("media_abroad_sessions", "Sessions here whose media another node forwards"),
            lost: all.counter(
                "media_lost_sessions",
                "Sessions here that had to connect for media anew because the node that forwarded it had gone",
            ),
        };
        this.show(&Snapshot::default());
        this
    }

    /// Shows what `snapshot` found.
    pub(super) fn show(&self, snapshot: &Snapshot) {
        for ((_, counter), (_, total)) in
            self.totals.iter().zip(snapshot.totals.named().filter(|(name, _)| *name != "frozen_millis"))
        {
            counter.inner().store(total, Ordering::Relaxed);
        }
        let frozen = Duration::from_millis(snapshot.totals.frozen_millis).as_secs_f64();
        self.frozen_seconds.inner().store(frozen.to_bits(), Ordering::Relaxed);
        let sessions = &snapshot.sessions;
        set(&self.sessions, sessions.iter().filter(|session| session.is_connected).count() as u64);
        let published = sessions.iter().flat_map(|session| &session.published);
        let published: Vec<_> = published.map(|track| (!track.kind.is_picture(), &track.stats)).collect();
        let played = sessions.iter().flat_map(|session| &session.played);
        let played: Vec<_> = played.map(|track| (track.is_audio, &track.stats)).collect();
        for (direction, tracks) in DIRECTIONS.into_iter().zip([published, played]) {
            self.show_tracks(direction, &tracks);
        }
    }

    /// Shows what passes between nodes.
    pub(super) fn show_across(&self, AcrossNodes { abroad, guests, lost }: AcrossNodes) {
        set(&self.guests, guests as u64);
        set(&self.abroad, abroad as u64);
        self.lost.inner().store(lost, Ordering::Relaxed);
    }

    fn show_tracks(&self, direction: &'static str, tracks: &[(bool, &TrackStats)]) {
        for kind in KINDS {
            let labels = [("direction", direction), ("kind", kind)];
            let of_kind = || tracks.iter().filter(|(is_audio, _)| *is_audio == (kind == AUDIO));
            set(&self.tracks.get_or_create(&labels), of_kind().count() as u64);
            set(&self.bitrate.get_or_create(&labels), of_kind().map(|(_, stats)| stats.bitrate_bps).sum());
        }
        let loss = tracks.iter().filter_map(|(_, stats)| stats.loss.map(f64::from));
        show_mean_and_worst(&self.loss, direction, &loss.collect::<Vec<_>>());
        let round_trip = tracks.iter().filter_map(|(_, stats)| stats.rtt.map(|rtt| rtt.as_secs_f64()));
        show_mean_and_worst(&self.round_trip, direction, &round_trip.collect::<Vec<_>>());
    }
}

fn show_mean_and_worst(gauges: &Family<Labels, Real>, direction: &'static str, values: &[f64]) {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let worst = values.iter().copied().fold(0.0, f64::max);
    for (of, value) in [(MEAN, mean), (WORST, worst)] {
        gauges.get_or_create(&[("direction", direction), ("of", of)]).set(value);
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// What the media plane says of its totals, for people.
fn help_of(total: &str) -> &'static str {
    match total {
        "received_packets" => "Packets that publishers sent and were let through",
        "received_bytes" => "Bytes that publishers sent and were let through",
        "forwarded_packets" => "Packets sent on to receivers",
        "forwarded_bytes" => "Bytes sent on to receivers",
        "refused_packets" => "Packets not let through because their session may not publish them",
        "capped_packets" => "Packets dropped because their session sent more than it may",
        "slow_receiver_drops" => "Packets dropped for a receiver that did not keep up",
        "send_drops" => "Packets that the kernel or a connection did not take",
        "overload_drops" => "Packets dropped because a worker did not keep up",
        "stray_packets" => "Packets that belonged to no session",
        "keyframe_requests" => "Keyframes asked of publishers",
        "freezes" => "Times that a picture stood still at a receiver, from its request for a keyframe until it got one",
        "forwarded_messages" => "Messages sent on over data channels",
        "failed_sessions" => "Sessions ended because handling their packets failed",
        _ => "Counted by the media plane",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_total_is_explained() {
        for (name, _) in Totals::default().named().filter(|(name, _)| *name != "frozen_millis") {
            assert_ne!(help_of(name), help_of("one that is new"), "{name}");
        }
    }

    #[test]
    fn what_is_over_is_shown_as_over() {
        let mut all = Register::default();
        let metrics = MediaMetrics::register(&mut all);
        let stats = |loss, bitrate_bps| TrackStats { loss: Some(loss), bitrate_bps, ..TrackStats::default() };
        metrics.show_tracks(PLAYED, &[(true, &stats(0.0, 50)), (false, &stats(0.5, 900)), (false, &stats(0.25, 100))]);
        let tracks = |kind| metrics.tracks.get_or_create(&[("direction", PLAYED), ("kind", kind)]).get();
        let bitrate = |kind| metrics.bitrate.get_or_create(&[("direction", PLAYED), ("kind", kind)]).get();
        let loss = |of| metrics.loss.get_or_create(&[("direction", PLAYED), ("of", of)]).get();
        assert_eq!((tracks(AUDIO), tracks(PICTURE)), (1, 2));
        assert_eq!((bitrate(AUDIO), bitrate(PICTURE)), (50, 1000));
        assert_eq!((loss(MEAN), loss(WORST)), (0.25, 0.5));
        metrics.show(&Snapshot::default());
        assert_eq!((tracks(PICTURE), bitrate(PICTURE), loss(MEAN), loss(WORST)), (0, 0, 0.0, 0.0));
    }
}
