//! The streams of this node, with what is measured of their sound and pictures.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use roompass_media::{Kind, SessionStats};
use roompass_wire::http::{
    LiveStream, MediaName, PlayedTrack, PublishedTrack, Received, Receiver, SessionMedia, TrackStats,
};
use token_gen::AppId;

use super::Part;
use crate::{app::Service, media::Look, rooms::Found};

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
    let mut received = received(&look, &found);
    let stream = |(stream_id, place): (String, Found)| LiveStream {
        published: look.published(&place.room_id, &place.user_id, &stream_id).map(published).collect(),
        received: received.remove(&stream_id).unwrap_or_default(),
        stream_id,
        user_id: place.user_id,
        room_id: place.room_id,
    };
    found.into_iter().map(stream).collect()
}

/// How streams reach those who receive them. Each room is gone through once: in a large one, everybody may play everybody.
fn received(look: &Look, streams: &[(String, Found)]) -> HashMap<String, Received> {
    let mut received: HashMap<String, Received> =
        streams.iter().map(|(stream_id, _)| (stream_id.clone(), Received::default())).collect();
    let rooms: HashSet<&str> = streams.iter().map(|(_, place)| &*place.room_id).collect();
    for (_, tracks) in rooms.into_iter().flat_map(|room_id| look.played(room_id)) {
        let mut counted = HashSet::new();
        for track in tracks {
            let Some(of) = received.get_mut(&*track.stream_id) else { continue };
            of.user_count += u64::from(counted.insert(&*track.stream_id));
            of.worst_loss = worse(of.worst_loss, stats(&track.stats).loss);
            of.freezes += track.stats.freezes;
        }
    }
    received
}

/// The greater of two shares that may not be known.
fn worse(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

/// Users of this node to whom a stream goes, by id.
pub(super) async fn receivers(service: &Service, app_id: AppId, stream_id: &str, part: &Part) -> Vec<Receiver> {
    let look = service.media.look(app_id).await;
    let here = service.gateway.rooms().find_stream(app_id, stream_id);
    // Or of a room that nobody here is in, but whose media is forwarded here.
    let found = here.or_else(|| look.streams().find(|(id, _)| id == stream_id).map(|(_, place)| place));
    let Some(place) = found.filter(|place| place.room_id.starts_with(&part.room_prefix)) else { return Vec::new() };
    receivers_in(&look, &place.room_id, stream_id, part)
}

fn receivers_in(look: &Look, room_id: &str, stream_id: &str, part: &Part) -> Vec<Receiver> {
    let receiver = |(user_id, tracks): (&str, &[roompass_media::PlayedTrack])| {
        let tracks: Vec<_> = tracks.iter().filter(|track| *track.stream_id == *stream_id).map(played).collect();
        (!tracks.is_empty()).then(|| Receiver { user_id: user_id.to_owned(), tracks })
    };
    let is_wanted = |user_id: &str| user_id.contains(&part.search) && *user_id > *part.after;
    let wanted = look.played(room_id).filter(|(user_id, _)| is_wanted(user_id));
    let mut found: Vec<Receiver> = wanted.filter_map(receiver).collect();
    found.sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
    found.truncate(part.limit);
    found
}

/// One list of what several nodes know: each measures the tracks of its own users.
pub(super) fn joined(found: impl Iterator<Item = LiveStream>) -> Vec<LiveStream> {
    let mut found: Vec<LiveStream> = found.collect();
    found.sort_by(|a, b| a.stream_id.cmp(&b.stream_id));
    found.dedup_by(|next, kept| {
        let is_same = next.stream_id == kept.stream_id;
        if is_same {
            kept.published.append(&mut next.published);
            kept.received.user_count += next.received.user_count;
            kept.received.worst_loss = worse(kept.received.worst_loss, next.received.worst_loss);
            kept.received.freezes += next.received.freezes;
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

fn played(track: &roompass_media::PlayedTrack) -> PlayedTrack {
    PlayedTrack {
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

#[cfg(test)]
mod tests {
    use roompass_media::{PlayedTrack as Played, SessionStats, TrackStats as Measured};

    use super::*;

    const APP_ID: u32 = 7;

    /// Somebody in a room, who plays tracks of these streams, each with such a loss.
    fn player(room_id: &str, user_id: &str, tracks: &[(&str, bool, Option<f32>)]) -> SessionStats {
        let track = |&(stream_id, is_audio, loss): &(&str, bool, Option<f32>)| Played {
            stream_id: stream_id.into(),
            is_audio,
            layer: None,
            stats: Measured { loss, freezes: u64::from(!is_audio), bitrate_bps: 1000, ..Measured::default() },
        };
        SessionStats {
            session: 1,
            room: format!("{APP_ID}/{room_id}").into(),
            user_id: user_id.into(),
            is_connected: true,
            refused: 0,
            estimate_bps: None,
            published: Vec::new(),
            played: tracks.iter().map(track).collect(),
        }
    }

    fn room() -> Look {
        let all = [("camera", true, Some(0.01)), ("camera", false, Some(0.2)), ("screen", false, None)];
        let sessions = vec![
            player("room1", "dan", &all[..1]),
            player("room1", "bob", &all),
            player("room1", "cy", &[]),
            player("room2", "eve", &all),
        ];
        Look::of(AppId::new(APP_ID).unwrap(), sessions)
    }

    #[test]
    fn receivers_are_users_and_not_tracks_and_the_worst_of_them_counts() {
        let place = || Found { room_id: "room1".to_owned(), user_id: "alice".to_owned() };
        let streams = ["camera", "screen", "unheard"].map(|stream_id| (stream_id.to_owned(), place()));
        let received = received(&room(), &streams);
        let of = |stream_id: &str| received[stream_id].clone();
        assert_eq!(of("camera"), Received { user_count: 2, worst_loss: Some(0.2), freezes: 1 });
        assert_eq!(of("screen"), Received { user_count: 1, worst_loss: None, freezes: 1 });
        assert_eq!(of("unheard"), Received::default());
    }

    #[test]
    fn receivers_come_by_id_in_pages() {
        let page = |search: &str, after: &str, limit| {
            let [search, after] = [search, after].map(str::to_owned);
            let part = Part { room_prefix: String::new(), search, after, limit };
            let found = receivers_in(&room(), "room1", "camera", &part);
            found.into_iter().map(|receiver| (receiver.user_id, receiver.tracks.len())).collect::<Vec<_>>()
        };
        assert_eq!(page("", "", 10), [("bob".to_owned(), 2), ("dan".to_owned(), 1)]);
        assert_eq!(page("", "", 1), [("bob".to_owned(), 2)]);
        assert_eq!(page("", "bob", 1), [("dan".to_owned(), 1)]);
        assert_eq!(page("a", "", 10), [("dan".to_owned(), 1)]);
    }

    #[test]
    fn what_several_nodes_measure_is_one_stream() {
        let of = |user_count, worst_loss| LiveStream {
            stream_id: "camera".to_owned(),
            user_id: "alice".to_owned(),
            room_id: "room1".to_owned(),
            published: Vec::new(),
            received: Received { user_count, worst_loss, freezes: 2 },
        };
        let joined = joined([of(1, Some(0.1)), of(0, None), of(2, Some(0.02))].into_iter());
        assert_eq!(
            joined,
            [LiveStream { received: Received { user_count: 3, worst_loss: Some(0.1), freezes: 6 }, ..of(0, None) }]
        );
    }
}
