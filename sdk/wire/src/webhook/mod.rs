//! Webhooks: what a receiver is sent, and how it proves who sent it. Shared by whoever signs and whoever verifies;
//! computes no hash and reads no clock.
//!
//! A delivery is a `POST` with a JSON body, a [`Notice`], and the headers below. The signature is HMAC-SHA256 over the
//! timestamp in decimal digits, a full stop, and the body's bytes as they were sent, under the whole signing key of the
//! endpoint (`rpwh_…`).

mod data;
mod signature;

use serde::{Deserialize, Serialize};

pub use data::*;
pub use signature::{SignatureFault, Signatures, signed_prefix};

/// On every delivery: `t=<Unix seconds>,v1=<64 hexadecimal digits>`, with a further `v1` while a key is being rotated.
pub const SIGNATURE_HEADER: &str = "roompass-signature";
/// On every delivery: its id, the same whenever it is tried again. Do once what carries the same id.
pub const DELIVERY_HEADER: &str = "roompass-delivery";
/// On every delivery: the name of the event, as in the body.
pub const EVENT_HEADER: &str = "roompass-event";
/// How old the timestamp of a signature may be, either way, in seconds: a receiver refuses what is older, which may
/// have been recorded and sent again.
pub const MAX_AGE_SECS: i64 = 300;

/// Declares the events once: variant, data, word, whether an endpoint that names no events gets it.
macro_rules! events {
    ($($(#[doc = $doc:literal])+ $Variant:ident($Data:ty) = $word:literal, $default:literal;)*) => {
        /// The name of an event.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[non_exhaustive]
        pub enum EventName {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $Variant,)*
        }

        impl EventName {
            /// Every event.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),*];
            /// The events of an endpoint that names none.
            pub const fn is_default(self) -> bool {
                match self { $(Self::$Variant => $default,)* }
            }

            /// The name as written on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$Variant => $word,)* }
            }
        }

        /// What happened.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "event", content = "data")]
        #[non_exhaustive]
        pub enum Event {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $Variant($Data),)*
        }

        impl Event {
            /// Its name.
            pub const fn name(&self) -> EventName {
                match self { $(Self::$Variant(_) => EventName::$Variant,)* }
            }
        }
    };
}

events! {
    /// A token was minted. Many: an endpoint gets these only if it names them.
    Minted(Minted) = "minted", false;
    /// A login, a renewal, a mint or an introspection was refused. Repetitions within ten seconds are one event.
    Refused(Refused) = "refused", true;
    /// Tokens were ended early.
    Revoked(Revoked) = "revoked", true;
    /// Somebody is kept out.
    Banned(Banned) = "banned", true;
    /// A ban was lifted. What ends by itself is not announced.
    BanLifted(Banned) = "ban_lifted", true;
    /// The app has a new server secret.
    SecretRotated(SecretRotated) = "secret_rotated", true;
    /// A previous server secret was ended at once.
    SecretRetired(SecretRetired) = "secret_retired", true;
    /// A previous server secret will stop opening tokens within a day.
    SecretExpiring(SecretExpiring) = "secret_expiring", true;
    /// The app has a new AppSign.
    AppSignReset(AppSignReset) = "app_sign_reset", true;
    /// The app's settings changed.
    AppChanged(AppChanged) = "app_changed", true;
    /// The app was switched off: it serves nobody.
    AppDisabled(AppDisabled) = "app_disabled", true;
    /// A room came into being: somebody is in it.
    RoomOpened(RoomOpened) = "room_opened", false;
    /// A room is no more: everybody has left.
    RoomClosed(RoomClosed) = "room_closed", false;
    /// A user logged in to a room.
    UserEntered(UserEntered) = "user_entered", false;
    /// A user left a room.
    UserLeft(UserLeft) = "user_left", false;
    /// A stream began.
    StreamStarted(StreamStarted) = "stream_started", false;
    /// A stream ended.
    StreamStopped(StreamStopped) = "stream_stopped", false;
    /// Sent on request, to try an endpoint, whatever events it names.
    Test(Test) = "test", true;
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownEvent;

impl std::fmt::Display for UnknownEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = EventName::ALL.iter().map(|name| name.as_str()).collect();
        write!(f, "an event is one of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownEvent {}

impl std::str::FromStr for EventName {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text).ok_or(UnknownEvent)
    }
}

/// The body of a delivery. Later versions may add members and events: pass over what you do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The version of this format: 1.
    pub version: u32,
    /// Names what happened: the same at every endpoint that hears of it.
    pub id: String,
    /// The app it happened in.
    pub app_id: u32,
    /// When it happened, in Unix milliseconds.
    pub occurred_at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Notice {
    /// The version of this format.
    pub const VERSION: u32 = 1;
}
