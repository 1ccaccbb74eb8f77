//! How a user stands to a room, in the words of the field.

use roompass_wire::{
    ErrorCode,
    gateway::{ErrorMessage, Kicked},
};

use crate::error::{Error, Refusal};

/// How the user stands to a room.
///
/// | State | Field's reason | Comes after | Because |
/// |---|---|---|---|
/// | `Connecting` | 0 Logining | the beginning; `Disconnected`, for another room | login, or the second half of a switch |
/// | `Connected` | 1 Logined | `Connecting` | the server let the user in |
/// | `LoginFailed` | 2 LoginFailed | `Connecting` | it did not |
/// | `Reconnecting` | 3 Reconnecting | `Connected`, `Reconnected` | the connection is lost |
/// | `Reconnected` | 4 Reconnected | `Reconnecting` | it is back |
/// | `ReconnectFailed` | 5 ReconnectFailed | `Reconnecting` | the limit, a denial, or a refusal that time does not heal |
/// | `Kicked` | 6 KickOut | `Connected`, `Reconnected` | the server put the user out |
/// | `Disconnected` | 7 Logout | `Connecting`, `Connected`, `Reconnecting`, `Reconnected` | the app left, or leaves for another room |
///
/// A login that fails before there is a [`crate::Room`] is the error of the call, and no state. What happened to a
/// user while the connection was lost, a kick for instance, is the error of `ReconnectFailed`. Leaving never fails, so
/// the field's reason 8, LogoutFailed, has no state.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RoomState {
    /// Logging in.
    Connecting,
    /// In the room.
    Connected,
    /// Not let in: out of the room.
    LoginFailed(Error),
    /// The connection is lost; the SDK is trying to come back.
    Reconnecting,
    /// In the room again.
    Reconnected,
    /// The SDK has given up: out of the room.
    ReconnectFailed(Error),
    /// Put out of the room by the server.
    Kicked(Kick),
    /// Out of the room because the app left.
    Disconnected,
}

impl RoomState {
    /// Whether the stay in the room is over.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::LoginFailed(_) | Self::ReconnectFailed(_) | Self::Kicked(_) | Self::Disconnected)
    }

    /// Whether the user is in the room now.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected | Self::Reconnected)
    }

    /// The number of the reason with which the field's SDKs tell of this state.
    pub fn reason(&self) -> u32 {
        match self {
            Self::Connecting => 0,
            Self::Connected => 1,
            Self::LoginFailed(_) => 2,
            Self::Reconnecting => 3,
            Self::Reconnected => 4,
            Self::ReconnectFailed(_) => 5,
            Self::Kicked(_) => 6,
            Self::Disconnected => 7,
        }
    }

    /// The error number that the field's SDKs give beside it; 0 where nothing is wrong.
    pub fn number(&self) -> u32 {
        match self {
            Self::Connecting | Self::Connected | Self::Reconnected | Self::Disconnected => 0,
            Self::Reconnecting => CONNECTION_LOST,
            Self::LoginFailed(error) | Self::ReconnectFailed(error) => error.number().unwrap_or(GAVE_UP),
            Self::Kicked(kick) => kick.number,
        }
    }
}

/// The field's number for a connection that is lost and sought again.
const CONNECTION_LOST: u32 = 1_002_051;
/// The field's number for giving up because of the network.
const GAVE_UP: u32 = 1_002_053;

/// Why the server put a user out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kick {
    /// The stable code.
    pub code: ErrorCode,
    /// The number that the field's SDKs use for it.
    pub number: u32,
    /// Why, for people.
    pub message: String,
    /// What the operator says of it.
    pub reason: Option<String>,
}

impl Kick {
    /// An error that ends the connection for good.
    pub(crate) fn of(error: &ErrorMessage) -> Self {
        Self { code: error.code, number: error.number, message: error.message.clone(), reason: None }
    }
}

impl From<Kicked> for Kick {
    fn from(kicked: Kicked) -> Self {
        Self { code: kicked.code, number: kicked.number, message: kicked.message, reason: kicked.reason }
    }
}

impl From<Refusal> for Kick {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, number: refusal.number, message: refusal.message, reason: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_state_has_the_fields_reason_and_number() {
        let refused = Error::from(ErrorMessage::new(None, ErrorCode::TokenExpired));
        let lost = Error::Timeout { after: Duration::ZERO };
        let code = ErrorCode::KickedTokenExpired;
        let kick = Kick { code, number: code.row().number, message: String::new(), reason: None };
        let states = [
            (RoomState::Connecting, 0, 0),
            (RoomState::Connected, 1, 0),
            (RoomState::LoginFailed(refused.clone()), 2, 1_002_078),
            (RoomState::Reconnecting, 3, 1_002_051),
            (RoomState::Reconnected, 4, 0),
            (RoomState::ReconnectFailed(lost), 5, 1_002_053),
            (RoomState::ReconnectFailed(refused), 5, 1_002_078),
            (RoomState::Kicked(kick), 6, 1_002_056),
            (RoomState::Disconnected, 7, 0),
        ];
        for (state, reason, number) in states {
            assert_eq!((state.reason(), state.number()), (reason, number), "{state:?}");
        }
    }
}
