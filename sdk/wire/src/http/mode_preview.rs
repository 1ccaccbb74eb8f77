//! What another mode would make of an app's logins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::AppMode;

/// `GET`: who would be refused in another mode.
pub const MODE_PREVIEW_PATH: &str = "/v1/apps/{app_id}/mode-preview";

/// Which mode to look at, and how far back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ModePreviewQuery {
    /// The mode.
    pub mode: AppMode,
    /// How many days back: 1 to 30, 7 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 30))]
    pub days: Option<u32>,
}

/// What a mode would have made of the logins that were let in, by the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModePreviewResponse {
    /// The mode.
    pub mode: AppMode,
    /// From when on logins were looked at, in Unix seconds.
    pub since: i64,
    /// Whether those are all since the moment asked for. If not, they are the latest 20,000.
    pub complete: bool,
    /// How many logins were let in.
    pub logins: u64,
    /// Of how many users.
    pub users: u64,
    /// How many of these logins the mode would refuse.
    pub refused: u64,
    /// How many users it would refuse, if each came as last time.
    pub users_refused: u64,
    /// Of how many logins the trail does not say enough: an AppSign proof was shown where none was looked at.
    pub unsure: u64,
    /// How many logins would be refused for which exact reason.
    pub reasons: BTreeMap<String, u64>,
    /// At most 50 of the users it would refuse, the latest first.
    pub shut_out: Vec<ShutOut>,
    /// The server's clock, in Unix seconds.
    pub server_time: i64,
}

/// A user whom a mode would refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShutOut {
    /// When the user last logged in, in Unix seconds.
    pub at: i64,
    /// Who.
    pub user_id: String,
    /// Into which room.
    pub room_id: String,
    /// Why that would be refused.
    pub reason: String,
}
