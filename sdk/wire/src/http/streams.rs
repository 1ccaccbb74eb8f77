//! Streams as they are now, and what is measured of their sound and pictures.

use serde::{Deserialize, Serialize};

use super::MediaName;

/// `GET`: the streams being published, with what is measured of them.
pub const STREAMS_PATH: &str = "/v1/apps/{app_id}/streams";
/// `GET`: who receives a stream, with what is measured on the way to each.
pub const RECEIVERS_PATH: &str = "/v1/apps/{app_id}/streams/receivers";

/// Which streams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StreamsQuery {
    /// Only those in this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// Only those of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Only those with this in their id or in that of their user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub search: Option<String>,
    /// How many entries at most: 1 to 1,000, 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
    /// Where to go on: the `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of streams, by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StreamsResponse {
    /// The streams.
    pub streams: Vec<LiveStream>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Which nodes are missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<super::Unreached>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// Whose receivers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiversQuery {
    /// The stream.
    pub stream_id: String,
    /// Only users with this in their id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub search: Option<String>,
    /// How many entries at most: 1 to 1,000, 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
    /// Where to go on: the `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of the users to whom a stream goes, by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiversResponse {
    /// The users; none of a stream that is not published, or whose media goes through no node.
    pub receivers: Vec<Receiver>,
    /// Where to go on; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Which nodes are missing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreached: Option<super::Unreached>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// A stream being published. If its media goes through no node, nothing is measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveStream {
    /// The stream.
    pub stream_id: String,
    /// Who publishes it.
    pub user_id: String,
    /// The room.
    pub room_id: String,
    /// What comes of it from its publisher: its sound, its pictures.
    pub published: Vec<PublishedTrack>,
    /// How those get it who receive it, in all; [`RECEIVERS_PATH`] lists them.
    #[serde(default)]
    pub received: Received,
}

/// How a stream reaches those who receive it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Received {
    /// How many users receive it.
    pub user_count: u64,
    /// The greatest share of packets lost on the way to one of them, 0 to 1; absent before the first report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_loss: Option<f64>,
    /// How often the picture has stood still, at all of them.
    pub freezes: u64,
}

/// The sound or the picture of a stream, on its way from the publisher to the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublishedTrack {
    /// What it carries.
    pub kind: MediaName,
    /// Whether its packets are let through at the moment.
    pub is_live: bool,
    /// In how many sizes the picture arrives.
    pub layer_count: u64,
    /// To how many receivers it goes.
    pub receiver_count: u64,
    /// What is measured.
    pub stats: TrackStats,
    /// Packets turned away because the publisher may not send them.
    pub refused_packets: u64,
}

/// A user to whom a stream goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receiver {
    /// The user.
    pub user_id: String,
    /// What of the stream goes there: its sound, its picture.
    pub tracks: Vec<PlayedTrack>,
}

/// The sound or the picture of a stream, on its way from the server to one receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlayedTrack {
    /// What it carries: `audio`, or pictures as `video`.
    pub kind: MediaName,
    /// Which of the sizes sent by the publisher it gets, by its `rid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// What is measured.
    pub stats: TrackStats,
    /// How often the picture stood still: from the receiver's request for a keyframe until one was sent to it.
    pub freezes: u64,
    /// How long in all, in milliseconds.
    pub frozen_ms: u64,
}

/// What is measured of a track, since it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackStats {
    /// Bits a second, over the last second.
    pub bitrate_bps: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes of sound or pictures in them.
    pub bytes: u64,
    /// The share of packets lost on the way, 0 to 1; absent before the first report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The time to the client and back, in milliseconds; absent before the first report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Requests for lost packets.
    pub nacks: u64,
    /// Requests for a keyframe.
    pub keyframe_requests: u64,
    /// Packets not sent on: more than the publisher may send, more than the receiver could take.
    pub dropped_packets: u64,
}

/// The media connection of a live session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionMedia {
    /// Whether packets can flow.
    pub is_connected: bool,
    /// What it sends, in bits a second over the last second.
    pub sent_bps: u64,
    /// What it receives, likewise.
    pub received_bps: u64,
    /// What it can receive, as far as is known, in bits a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_bps: Option<u64>,
    /// Packets turned away because it may not publish them.
    pub refused_packets: u64,
}
