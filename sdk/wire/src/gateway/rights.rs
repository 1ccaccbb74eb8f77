//! The words for what a session may do and how things end. Each has a variant for words of a newer server.

use serde::{Deserialize, Serialize};

/// Declares an enum whose words are its variants in snake case, and a variant for words that this version does not know.
macro_rules! open_words {
    ($($(#[$doc:meta])* $Name:ident { $($(#[$variant_doc:meta])* $Variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $Name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $Variant,)*
            /// A word that this version does not know.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl $Name {
            /// The word for it, on the wire and in logs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $word,)*
                    Self::Unknown => "unknown",
                }
            }
        }
    )*};
}

open_words! {
    /// How a session was let in.
    AuthKind {
        /// By its token: the user id is proven.
        Token = "token",
        /// By the AppSign alone: the app is proven, the user id is not.
        AppSign = "app_sign",
    }
    /// A right that a session has now.
    SessionPrivilege {
        /// May log in to the room with the present credential again.
        Login = "login",
        /// May publish in it.
        Publish = "publish",
        /// May play streams.
        Play = "play",
    }
    /// What a stream carries.
    MediaKind {
        /// Sound.
        Audio = "audio",
        /// Camera pictures.
        Video = "video",
        /// Screen pictures.
        Screen = "screen",
        /// Anything else.
        Data = "data",
    }
    /// What happens to a session at its token's expiry.
    OnExpiry {
        /// It stays, its streams go on; new ones are refused until renewal.
        Keep = "keep",
        /// Its own streams are stopped; it stays.
        StopPublish = "stop_publish",
        /// It is removed, after a grace time if there is one.
        Kick = "kick",
    }
    /// Why a user or a stream is gone.
    GoneReason {
        /// The user stopped it, or logged out.
        Stopped = "stopped",
        /// Nothing was heard of the user for too long.
        Timeout = "timeout",
        /// The user logged in elsewhere.
        OtherLogin = "other_login",
        /// The user was put out of the room.
        Kicked = "kicked",
        /// The connection was lost.
        Disconnected = "disconnected",
        /// The server, or the operator, stopped it.
        Removed = "removed",
    }
}

impl GoneReason {
    /// The number that the vendor's SDKs give as `stream_delete_reason`; 0 where they have none.
    pub const fn number(self) -> u32 {
        match self {
            Self::Stopped => 1,
            Self::Timeout => 2,
            Self::OtherLogin => 3,
            Self::Kicked => 4,
            Self::Disconnected => 5,
            Self::Removed => 6,
            Self::Unknown => 0,
        }
    }
}

/// The limits within which a session has its privileges. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionRights {
    /// The streams it may publish; none, if the list is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_stream_ids: Option<Vec<String>>,
    /// The streams it may play; none, if the list is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play_stream_ids: Option<Vec<String>>,
    /// What its streams may carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaKind>>,
    /// When the right to log in ends before the token does, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_until: Option<i64>,
    /// When the right to publish ends before the token does, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_until: Option<i64>,
    /// When the right to play ends before the token does, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub play_until: Option<i64>,
    /// When the stay ends, whatever is renewed meanwhile, in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stay_until: Option<i64>,
    /// What happens at the token's expiry; absent without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<OnExpiry>,
    /// How long after the expiry that happens, in seconds; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_grace_secs: Option<u64>,
}
