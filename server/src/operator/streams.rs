//! The streams of this node, with what is measured of their sound and pictures.

use std::{collections::HashSet, time::Duration};

use roompass_media::{Kind, SessionStats};
use roompass_wire::http::{LiveStream, MediaName, PlayedTrack, PublishedTrack, SessionMedia, TrackStats};
use token_gen::AppId;

use super::Part;
use crate::{app::Service, rooms::Found};

/// Streams of an app by id, only in a room or of a user if that is asked for.
pub(super) async fn streams(
    service: &Service,
    app_id: AppId,
    (room_id, user_id): (Option<&str>, Option<&str>),
    part: &Part,
) -> Vec<LiveStream> {
    let look = service.media.look(app_id).await;
    let mut found = service.gateway.rooms().streams(app_id, &part.room_prefix);
    // Of rooms that nobody here is in, but whose media is forwarded here.
    let known: HashSet<String> = found.iter().map(|(stream_id, _)| stream_id.clone()).collect();
    let forwarded = look.streams().filter(|(_, place)| place.room_id.starts_with(&part.room_prefix));
    found.extend(forwarded.filter(|(stream_id, _)| !known.contains(stream_id)));
    found.retain(|(stream_id, place)| {
        room_id.is_none_or(|room_id| *room_id == place.room_id)
            && user_id.is_none_or(|user_id| *user_id == place.user_id)
            && (stream_id.contains(&part.search) || place.user_id.contains(&part.search))
            && *stream_id > part.after
    });
    found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    found.truncate(part.limit);
    let stream = |(stream_id, place): (String, Found)| LiveStream {
        published: look.published(&place.room_id, &place.user_id, &stream_id).map(published).collect(),
        played: look.played(&place.room_id, &stream_id).map(|(user_id, track)| played(user_id, track)).collect(),
        stream_id,
        user_id: place.user_id,
        room_id: place.room_id,
    };
    found.into_iter().map(stream).collect()
}

/// One list of what several nodes know: each measures the tracks of its own users.
pub(super) fn joined(found: impl Iterator<Item = LiveStream>) -> Vec<LiveStream> {
    let mut found: Vec<LiveStream> = found.collect();
    found.sort_by(|a, b| a.stream_id.cmp(&b.stream_id));
    found.dedup_by(|next, kept| {
        let is_same = next.stream_id == kept.stream_id;
        if is_same {
            kept.published.append(&mut next.published);
            kept.played.append(&mut next.played);
        }
        is_same
    });
    found
}

/// The media connection of a session.
pub(super) fn of_session(session: &SessionStats) -> SessionMedia {
    SessionMedia {
        is_connected: session.is_connected,
        sent_bps: session.published.iter().map(|track| track.stats.bitrate_bps).sum(),
        received_bps: session.played.iter().map(|track| track.stats.bitrate_bps).sum(),
        estimate_bps: session.estimate_bps,
        refused_packets: session.refused,
    }
}

fn published(track: &roompass_media::PublishedTrack) -> PublishedTrack {
    PublishedTrack {
        kind: match track.kind {
            Kind::Audio => MediaName::Audio,
            Kind::Video => MediaName::Video,
            Kind::Screen => MediaName::Screen,
            Kind::Data => MediaName::Data,
        },
        is_live: track.is_live,
        layer_count: track.layers as u64,
        receiver_count: track.receivers as u64,
        stats: stats(&track.stats),
        refused_packets: track.stats.refused,
    }
}

fn played(user_id: &str, track: &roompass_media::PlayedTrack) -> PlayedTrack {
    PlayedTrack {
        user_id: user_id.to_owned(),
        kind: if track.is_audio { MediaName::Audio } else { MediaName::Video },
        layer: track.layer.clone(),
        stats: stats(&track.stats),
        freezes: track.stats.freezes,
        frozen_ms: track.stats.frozen.as_millis() as u64,
    }
}

fn stats(of: &roompass_media::TrackStats) -> TrackStats {
    // Shares and times are shown as exact as anybody wants to know them.
    let thousandths = |value: f64| (value * 1000.0).round() / 1000.0;
    TrackStats {
        bitrate_bps: of.bitrate_bps,
        packets: of.packets,
        bytes: of.bytes,
        loss: of.loss.map(|loss| thousandths(f64::from(loss))),
        rtt_ms: of.rtt.map(|rtt: Duration| thousandths(rtt.as_secs_f64() * 1000.0)),
        nacks: of.nacks,
        keyframe_requests: of.plis,
        dropped_packets: of.dropped,
    }
}
