//! What operators watch: refusals over time, what happens in rooms, rates and times, and which nodes there are.

use serde::{Deserialize, Serialize};

use super::AuditAction;
use crate::ErrorCode;

/// `GET`: what was refused over time, in every app.
pub const REFUSALS_PATH: &str = "/v1/refusals";
/// `GET`: what was refused over time in an app.
pub const APP_REFUSALS_PATH: &str = "/v1/apps/{app_id}/refusals";
/// `GET`: what happens in the rooms of an app.
pub const FEED_PATH: &str = "/v1/apps/{app_id}/feed";
/// `GET`: rates and times of the node that answers.
pub const STATISTICS_PATH: &str = "/v1/statistics";
/// `GET`: the nodes that live.
pub const NODES_PATH: &str = "/v1/nodes";

/// Which refusals to count, and how finely.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefusalsQuery {
    /// In this app; only where the path names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub app_id: Option<u32>,
    /// From this Unix second on; the last hour, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Before this Unix second; until now, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// How long one span is, in seconds: 1 to 86,400, with at most 500 spans in all. A fitting one, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 86_400))]
    pub span_secs: Option<u32>,
    /// Only of this action, such as `login`, `mint` or `call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub action: Option<AuditAction>,
}

/// What was refused over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusalsResponse {
    /// Where the first span begins: a multiple of `span_secs`.
    pub since: i64,
    /// Where the last one ends.
    pub until: i64,
    /// How long each is, in seconds.
    pub span_secs: u32,
    /// Each reason, the most frequent first.
    pub reasons: Vec<RefusalReason>,
    /// Whether every refusal of that time is counted: of a flood, only the beginning is recorded.
    pub is_complete: bool,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// One thing that was refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusalReason {
    /// What was refused, such as `login` or `mint`.
    pub action: String,
    /// Why, exactly.
    pub reason: String,
    /// What that means.
    pub title: String,
    /// What to do about it.
    pub remedy: String,
    /// How often in all.
    pub count: u64,
    /// How often in each span.
    pub counts: Vec<u64>,
}

/// What to hear of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FeedQuery {
    /// What came after this number, which an answer before gave as `last`. Without it nothing is told but that number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How long to wait if there is nothing: 0 to 8 seconds, 0 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 8))]
    pub wait_secs: Option<u32>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeedResponse {
    /// The oldest first.
    pub events: Vec<FeedEvent>,
    /// Whether something may be missing before them: look at everything again.
    pub missed: bool,
    /// Whether it tells of all there is: `false` where there may be other nodes, of which it tells nothing.
    pub is_whole: bool,
    /// The number to go on from.
    pub last: u64,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FeedKind {
    /// A room came into being.
    RoomOpened,
    /// A room is no more.
    RoomClosed,
    /// Somebody came in.
    UserEntered,
    /// Somebody went.
    UserLeft,
    /// A stream began.
    StreamStarted,
    /// A stream ended.
    StreamStopped,
    /// A login was refused.
    LoginRefused,
    /// A renewal was refused.
    RenewalRefused,
    /// Somebody in a room has shown a new token.
    TokenRenewed,
    /// An operator has withheld privileges from a stay, or given them back.
    PrivilegesChanged,
}

/// Something that happened just now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeedEvent {
    /// Later ones have higher numbers.
    pub number: u64,
    /// When, in Unix seconds.
    pub at: i64,
    /// What.
    pub kind: FeedKind,
    /// In which room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The stay it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// Why: of a refusal the exact reason; of an end, the word that others in the room are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the client was told, of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
}

/// Which samples.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StatisticsQuery {
    /// Only samples taken after this Unix second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
}

/// What the node that answers has done, and how long it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatisticsResponse {
    /// The node.
    pub node: Node,
    /// Counted since it started.
    pub totals: Totals,
    /// What is so now.
    pub present: Present,
    /// How it was, some ten seconds a sample, for the last two hours at most: columns of one length.
    pub samples: Samples,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Totals {
    /// Tokens minted.
    pub minted: u64,
    /// Mints refused.
    pub mints_refused: u64,
    /// Shown tokens that were good.
    pub verified: u64,
    /// Shown tokens that were not.
    pub refused: u64,
    /// Logins let in.
    pub logins: u64,
    /// Logins refused.
    pub logins_refused: u64,
    /// Revocations made here.
    pub revocations: u64,
    /// Good tokens that the active secret of their app opened.
    pub opened_by_active: u64,
    /// Good tokens that an earlier secret opened.
    pub opened_by_previous: u64,
}

/// What is so at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Present {
    /// Apps.
    pub apps: u64,
    /// Backend keys.
    pub backend_keys: u64,
    /// Revocations that hold.
    pub revocations: u64,
    /// Bans.
    pub bans: u64,
    /// Whether the store answered just now.
    pub store_up: bool,
    /// Whether the bus can be reached; always, on a single node.
    pub bus_up: bool,
    /// Whether the audit trail can be written.
    pub audit_up: bool,
}

/// Samples in columns. Counts are of the time since the sample before, `secs` long; times are in microseconds, absent
/// where nothing was timed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Samples {
    /// When, in Unix seconds.
    pub at: Vec<i64>,
    /// How much time each is about.
    pub secs: Vec<u32>,
    /// Tokens minted.
    pub minted: Vec<u64>,
    /// Mints refused.
    pub mints_refused: Vec<u64>,
    /// Shown tokens that were good.
    pub verified: Vec<u64>,
    /// Shown tokens that were not.
    pub refused: Vec<u64>,
    /// Logins let in.
    pub logins: Vec<u64>,
    /// Logins refused.
    pub logins_refused: Vec<u64>,
    /// Revocations made here.
    pub revocations: Vec<u64>,
    /// Good tokens that an earlier secret opened.
    pub opened_by_previous: Vec<u64>,
    /// What half of the mints took at most.
    pub mint_p50_us: Vec<Option<u64>>,
    /// What 99 of 100 mints took at most.
    pub mint_p99_us: Vec<Option<u64>>,
    /// What half of the logins took at most.
    pub login_p50_us: Vec<Option<u64>>,
    /// What 99 of 100 logins took at most.
    pub login_p99_us: Vec<Option<u64>>,
    /// What half of the introspections took at most.
    pub introspect_p50_us: Vec<Option<u64>>,
    /// What 99 of 100 introspections took at most.
    pub introspect_p99_us: Vec<Option<u64>>,
    /// Stays in rooms.
    pub sessions: Vec<u64>,
    /// Rooms with somebody in them.
    pub rooms: Vec<u64>,
    /// Streams being published.
    pub streams: Vec<u64>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Node {
    /// Names it, anew at every start.
    pub node_id: String,
    /// Its version.
    pub version: String,
    /// Since when it runs, in Unix seconds.
    pub started_at: i64,
    /// When it said so, in Unix seconds.
    pub seen_at: i64,
    /// Connections open.
    pub connections: u64,
    /// Stays in rooms.
    pub sessions: u64,
    /// Rooms with somebody in them.
    pub rooms: u64,
    /// Streams being published.
    pub streams: u64,
}

/// The nodes that live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodesResponse {
    /// The node that answers.
    pub answered_by: String,
    /// Whether there can be others: nodes that share no bus do not know of each other.
    pub is_alone: bool,
    /// By id.
    pub nodes: Vec<Node>,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}
