//! Live rooms and the operator's hand in them.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    gateway::{MediaKind, OnExpiry, SessionPrivilege, SessionRights},
    http::{
        AuthName, CLOSE_ROOM_PATH, CloseRoomRequest, KICK_PATH, KickRequest, KickResponse, LIVE_SESSIONS_PATH,
        LiveSession, LiveSessionsQuery, LiveSessionsResponse, LiveStream, MediaName, PlayedTrack, PublishedTrack,
        RECEIVERS_PATH, ROOM_MESSAGE_PATH, ROOM_PATH, ROOMS_PATH, ReachedResponse, Received, Receiver, ReceiversQuery,
        ReceiversResponse, RoomMessageRequest, RoomQuery, RoomResponse, RoomStream, RoomSummary, RoomUser,
        RoomsResponse, STOP_STREAM_PATH, STREAMS_PATH, SearchQuery, SessionMedia, StopStreamRequest, StreamsQuery,
        StreamsResponse, TrackStats, WITHHOLD_PATH, WithheldPrivilege, WithholdRequest,
    },
};

use super::super::operation::{Operation, ROOMS};

const NOW: i64 = 1_800_000_000;
const SESSION_ID: &str = "q83vEjRWeJq83vEjRWeJqw";

pub(super) fn operations() -> Vec<Operation> {
    [looking(), acting()].into_iter().flatten().collect()
}

fn new(id: &'static str, method: Method, path: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, method, path, ROOMS, summary)
}

fn looking() -> Vec<Operation> {
    let summary = RoomSummary { room_id: "room1".to_owned(), user_count: 2, stream_count: 1 };
    let room = RoomResponse {
        room_id: "room1".to_owned(),
        users: vec![RoomUser { user_id: "alice".to_owned(), user_name: "Alice".to_owned() }],
        streams: vec![RoomStream { stream_id: "alice-camera".to_owned(), user_id: "alice".to_owned() }],
        unreached: None,
        server_time: NOW,
    };
    let session = LiveSession {
        session_id: SESSION_ID.to_owned(),
        user_id: "alice".to_owned(),
        room_id: "room1".to_owned(),
        auth: AuthName::Token,
        since: NOW - 60,
        source: "203.0.113.7".to_owned(),
        other_credential: Some(ErrorCode::AppSignWrong),
        privileges: vec![SessionPrivilege::Login, SessionPrivilege::Publish, SessionPrivilege::Play],
        rights: SessionRights {
            publish_stream_ids: Some(vec!["alice-camera".to_owned()]),
            media: Some(vec![MediaKind::Audio, MediaKind::Video]),
            publish_until: Some(NOW + 1740),
            on_expiry: Some(OnExpiry::Keep),
            ..SessionRights::default()
        },
        withheld: Vec::new(),
        token_id: Some("5f1c2a9b0d3e4f60718293".to_owned()),
        expire_at: Some(NOW + 3540),
        media: Some(SessionMedia {
            is_connected: true,
            sent_bps: 698_000,
            received_bps: 0,
            estimate_bps: Some(1_500_000),
            refused_packets: 0,
        }),
    };
    let stats = |bitrate_bps| TrackStats {
        bitrate_bps,
        packets: 4_210,
        bytes: 4_620_114,
        loss: Some(0.004),
        rtt_ms: Some(23.0),
        nacks: 12,
        keyframe_requests: 3,
        dropped_packets: 0,
    };
    let stream = LiveStream {
        stream_id: "alice-camera".to_owned(),
        user_id: "alice".to_owned(),
        room_id: "room1".to_owned(),
        published: vec![PublishedTrack {
            kind: MediaName::Video,
            is_live: true,
            layer_count: 3,
            receiver_count: 1,
            stats: stats(650_000),
            refused_packets: 0,
        }],
        received: Received { user_count: 1, worst_loss: Some(0.004), freezes: 1 },
    };
    let receiver = Receiver {
        user_id: "bob".to_owned(),
        tracks: vec![PlayedTrack {
            kind: MediaName::Video,
            layer: Some("h".to_owned()),
            stats: stats(498_000),
            freezes: 1,
            frozen_ms: 140,
        }],
    };
    vec![
        new("list_rooms", Method::GET, ROOMS_PATH, "List rooms").query::<SearchQuery>().answer(
            200,
            "A page of those that somebody is in, by id.",
            &RoomsResponse { rooms: vec![summary], cursor: None, unreached: None, server_time: NOW },
        ),
        new("show_room", Method::GET, ROOM_PATH, "Show a room")
            .query::<RoomQuery>()
            .answer(200, "Its users and streams.", &room)
            .refuses(&[ErrorCode::NotFound]),
        new("list_live_sessions", Method::GET, LIVE_SESSIONS_PATH, "List live sessions")
            .about("Who is in which room, by which credential, since when, until when.")
            .query::<LiveSessionsQuery>()
            .answer(
                200,
                "A page of them.",
                &LiveSessionsResponse { sessions: vec![session], cursor: None, unreached: None, server_time: NOW },
            ),
        new("list_streams", Method::GET, STREAMS_PATH, "List streams")
            .about(
                "Who publishes what, and what is measured of it: bitrate, loss and round-trip time from the publisher; how \
                 many users receive it, the worst loss among them, and how often the picture froze.",
            )
            .query::<StreamsQuery>()
            .answer(
                200,
                "A page of them, by id.",
                &StreamsResponse { streams: vec![stream], cursor: None, unreached: None, server_time: NOW },
            ),
        new("list_receivers", Method::GET, RECEIVERS_PATH, "List who receives a stream")
            .about("What is measured of it on the way to each user: bitrate, loss, round-trip time and freezes.")
            .query::<ReceiversQuery>()
            .answer(
                200,
                "A page of them, by id of the user. None, if nobody receives the stream or nobody publishes it.",
                &ReceiversResponse { receivers: vec![receiver], cursor: None, unreached: None, server_time: NOW },
            ),
    ]
}

fn acting() -> Vec<Operation> {
    let kicked =
        KickResponse { session_ids: vec![SESSION_ID.to_owned()], revoked_tokens: 1, unreached: None, server_time: NOW };
    let reached = ReachedResponse { session_count: 1, unreached: None, server_time: NOW };
    let reason = Some("spam".to_owned());
    let kick = KickRequest { user_id: Some("mallory".to_owned()), reason: reason.clone(), ..KickRequest::default() };
    let close = CloseRoomRequest { room_id: "room1".to_owned(), reason, keep_tokens: false };
    let withhold = WithholdRequest { session_id: SESSION_ID.to_owned(), withhold: vec![WithheldPrivilege::Publish] };
    let message =
        RoomMessageRequest { room_id: "room1".to_owned(), user_id: None, text: "This room closes at noon.".to_owned() };
    vec![
        new("kick", Method::POST, KICK_PATH, "Remove users from rooms")
            .about(
                "Their tokens are revoked before they are told, unless `keep_token` says otherwise, so that they do not \
                 come back with them. A user who is not there is no failure.",
            )
            .body(&kick)
            .answer(200, "Who was removed.", &kicked)
            .refuses(&[ErrorCode::StoreFull, ErrorCode::OutcomeUnknown]),
        new("close_room", Method::POST, CLOSE_ROOM_PATH, "Remove everybody from a room")
            .body(&close)
            .answer(200, "Who was removed.", &kicked)
            .refuses(&[ErrorCode::NotFound, ErrorCode::StoreFull, ErrorCode::OutcomeUnknown]),
        new("withhold_privileges", Method::POST, WITHHOLD_PATH, "Take privileges from a live session")
            .about("Or give them back. It holds until it is changed or the session ends, whatever token it renews with.")
            .body(&withhold)
            .answer(200, "It holds.", &reached)
            .refuses(&[ErrorCode::NotFound]),
        new("stop_stream", Method::POST, STOP_STREAM_PATH, "Stop a stream")
            .body(&StopStreamRequest { stream_id: "alice-camera".to_owned() })
            .answer(200, "It is being stopped.", &reached)
            .refuses(&[ErrorCode::NotFound]),
        new("send_room_message", Method::POST, ROOM_MESSAGE_PATH, "Say something in a room")
            .about("To everybody in it, or to one user. Nobody hears it later.")
            .body(&message)
            .answer(200, "How many sessions it reached.", &reached),
    ]
}
