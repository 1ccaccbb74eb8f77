//! Publishing and playing over HTTP alone.

use axum::http::Method;
use roompass_wire::{
    ErrorCode,
    gateway::{MEDIA_PATH, WHEP_PATH, WHIP_PATH},
};

use super::super::operation::{MEDIA, Operation};

const OFFER: &str = "v=0\r\no=- 2 1 IN IP4 0.0.0.0\r\n…";
const FRAGMENT: &str = "a=ice-ufrag:Yk2r\r\na=candidate:1 1 udp 2130706431 192.0.2.7 61000 typ host\r\n";
/// What any login may be refused with, and any offer.
const REFUSALS: &[ErrorCode] = &[
    ErrorCode::TokenMissing,
    ErrorCode::TokenInvalid,
    ErrorCode::TokenVersion,
    ErrorCode::TokenExpired,
    ErrorCode::TokenRevoked,
    ErrorCode::TokenUsed,
    ErrorCode::AppDisabled,
    ErrorCode::Banned,
    ErrorCode::ClockBehind,
    ErrorCode::Forbidden,
    ErrorCode::LoggedInElsewhere,
    ErrorCode::LoginDenied,
    ErrorCode::MediaFull,
    ErrorCode::MediaInvalid,
    ErrorCode::MediaUnavailable,
    ErrorCode::RoomBusy,
    ErrorCode::RoomFull,
    ErrorCode::RoomIdInvalid,
    ErrorCode::StreamIdInvalid,
    ErrorCode::TooManySessions,
    ErrorCode::UserIdInvalid,
];

pub(super) fn operations() -> Vec<Operation> {
    let made = &["Location", "ETag", "Link", "Accept-Patch"];
    let offer = |id, path, summary| {
        Operation::new(id, Method::POST, path, MEDIA, summary)
            .body_other("application/sdp", OFFER)
            .answer_other(201, "The SDP answer.", "application/sdp")
            .with_headers(201, made)
            .refuses(REFUSALS)
    };
    vec![
        offer("whip_publish", WHIP_PATH, "Publish a stream (WHIP)")
            .about(
                "The user of the room token enters the room and publishes what the offer sends. Who is gone for 30 s has \
                 left.",
            )
            .refuses(&[ErrorCode::PublishDenied, ErrorCode::PublishLimit, ErrorCode::PublishTokenExpired, ErrorCode::StreamIdTaken]),
        offer("whep_play", WHEP_PATH, "Play a stream (WHEP)")
            .about("The user of the room token enters the room and gets what is published as the stream.")
            .refuses(&[ErrorCode::PlayDenied, ErrorCode::PlayLimit, ErrorCode::PlayTokenExpired]),
        Operation::new("add_candidates", Method::PATCH, MEDIA_PATH, MEDIA, "Add addresses")
            .about("Candidates of the client. ICE is not restarted this way: make a new offer.")
            .header("If-Match", "The `ETag` of the answer.")
            .body_other("application/trickle-ice-sdpfrag", FRAGMENT)
            .answer_empty(204, "They are taken in.")
            .refuses(&[
                ErrorCode::Forbidden,
                ErrorCode::NotFound,
                ErrorCode::MediaInvalid,
                ErrorCode::PreconditionFailed,
                ErrorCode::Unavailable,
            ]),
        Operation::new("end_media", Method::DELETE, MEDIA_PATH, MEDIA, "End it")
            .about("The user leaves the room.")
            .answer_empty(200, "It is over.")
            .refuses(&[ErrorCode::Forbidden, ErrorCode::NotFound, ErrorCode::Unavailable]),
    ]
}
