//! Further terms of a privilege token: what else it lets its user do, for how long, and what happens at its end.
//!
//! They travel inside the privilege payload under one member of their own, which other readers ignore. Whoever reads
//! them reads them strictly: a term that is not known might be a limit, so it refuses the token.

mod read;
mod view;
mod write;

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr, time::Duration};

pub use self::view::TermsView;
pub(crate) use self::{
    read::{metadata, read},
    write::write,
};
use crate::{id::StreamId, rights::StreamScope, time::UnixSeconds};

/// The member of the payload that holds the terms.
pub(crate) const MEMBER: &str = "roompass";

/// What a token sets beyond the field's two privileges. Everything is absent unless it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// Whether playing is denied. In the field everybody in a room may play.
    pub denies_play: bool,
    /// The streams that may be played.
    pub play_streams: StreamScope,
    /// What published streams may carry; anything, if absent.
    pub media: Option<MediaKinds>,
    /// When the right to log in ends, if before the token.
    pub login_until: Option<UnixSeconds>,
    /// When the right to publish ends, if before the token.
    pub publish_until: Option<UnixSeconds>,
    /// When the right to play ends, if before the token.
    pub play_until: Option<UnixSeconds>,
    /// The longest stay in a room, counted from the login.
    pub max_stay: Option<Duration>,
    /// What happens to a session at the token's expiry; what the app says, if absent.
    pub on_expiry: Option<OnExpiry>,
    /// Whether the token lets its user in once.
    pub single_use: bool,
    /// The name that others see, whatever the client says.
    pub user_name: Option<String>,
    /// What the minter has to say about the user.
    pub metadata: Option<String>,
}

impl Terms {
    /// No terms.
    pub(crate) const NONE: Self = Self {
        denies_play: false,
        play_streams: StreamScope::Any,
        media: None,
        login_until: None,
        publish_until: None,
        play_until: None,
        max_stay: None,
        on_expiry: None,
        single_use: false,
        user_name: None,
        metadata: None,
    };

    /// The longest stay that can be set: as long as the longest lifetime.
    pub const MAX_STAY: Duration = crate::time::MAX_LIFETIME;
    /// The longest metadata, in bytes of UTF-8.
    pub const MAX_METADATA_BYTES: usize = 1024;

    /// Whether nothing is set.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Narrows playing to the streams named this way.
    pub(crate) fn play_stream(&mut self, stream_id: &StreamId) {
        self.play_streams.narrow(stream_id.as_str());
    }
}

/// What happens to a session at its token's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnExpiry {
    /// It stays, its streams go on; new ones are refused until renewal.
    Keep,
    /// Its own streams are stopped; it stays.
    StopPublish,
    /// It is removed.
    Kick,
    /// It is removed so long after expiry, unless it was renewed.
    Grace(Duration),
}

impl OnExpiry {
    /// The longest grace time.
    pub const MAX_GRACE: Duration = Duration::from_secs(24 * 3600);

    /// The word for it: `keep`, `stop_publish`, `kick` or `grace`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::StopPublish => "stop_publish",
            Self::Kick => "kick",
            Self::Grace(_) => "grace",
        }
    }
}

/// What a stream can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Camera pictures.
    Video,
    /// Screen pictures.
    Screen,
    /// Anything else.
    Data,
}

impl MediaKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Audio, Self::Video, Self::Screen, Self::Data];

    /// The word for it: `audio`, `video`, `screen` or `data`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Screen => "screen",
            Self::Data => "data",
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text was none of the words of a [`MediaKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a media kind is audio, video, screen or data")]
pub struct UnknownMediaKind;

impl FromStr for MediaKind {
    type Err = UnknownMediaKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownMediaKind)
    }
}

/// A set of media kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MediaKinds(u8);

impl MediaKinds {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: MediaKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether `kind` is in it.
    pub const fn contains(self, kind: MediaKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Whether everything in this set is also in `other`.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds in it.
    pub fn iter(self) -> impl Iterator<Item = MediaKind> {
        MediaKind::ALL.into_iter().filter(move |&kind| self.contains(kind))
    }
}

impl FromIterator<MediaKind> for MediaKinds {
    fn from_iter<I: IntoIterator<Item = MediaKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What the reader found: the terms, and the further rooms.
pub(crate) struct Found {
    pub(crate) terms: Terms,
    pub(crate) room_ids: Vec<String>,
}

#[cfg(test)]
mod tests;
