//! `GET /v1/apps/{app_id}/streams`: the streams being published, with what is measured of their sound and pictures

use std::{sync::Arc, time::Duration};

use axum::{Json as Answer, extract::State};
use roompass_media::{Kind, SessionStats};
use roompass_wire::http::{
    ListQuery, LiveStream, MediaName, PlayedTrack, PublishedTrack, SessionMedia, StreamsQuery, StreamsResponse,
    TrackStats,
};
use token_gen::StreamId;

use super::{
    auth::AppCaller,
    extract::{Page, Query, searched},
};
use crate::{app::Service, error::Error};

/// Lists streams.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<StreamsQuery>,
) -> Result<Answer<StreamsResponse>, Error> {
    let StreamsQuery { room_id, user_id, search, limit, cursor } = query;
    let search = searched(search.unwrap_or_default())?;
    let page = Page::of(&ListQuery { limit, cursor }, |cursor| StreamId::new(cursor).ok())?;
    let mut found = service.gateway.rooms().streams(caller.app_id, &caller.scope.room_prefix);
    found.retain(|(stream_id, place)| {
        room_id.as_ref().is_none_or(|room_id| *room_id == place.room_id)
            && user_id.as_ref().is_none_or(|user_id| *user_id == place.user_id)
            && (stream_id.as_str().contains(&search) || place.user_id.contains(&search))
            && page.after.as_ref().is_none_or(|after| *stream_id.as_str() > *after.as_str())
    });
    found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|(stream_id, _)| stream_id.clone());
    let look = service.media.look(caller.app_id).await;
    let stream = |(stream_id, place): (String, crate::rooms::Found)| LiveStream {
        published: look.published(&place.room_id, &place.user_id, &stream_id).map(published).collect(),
        played: look.played(&place.room_id, &stream_id).map(|(user_id, track)| played(user_id, track)).collect(),
        stream_id,
        user_id: place.user_id,
        room_id: place.room_id,
    };
    let streams = found.into_iter().map(stream).collect();
    Ok(Answer(StreamsResponse { streams, cursor, server_time: service.clock.now().get() }))
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
