//! What a session may do with media: the only word on it that this crate hears, and it may change at any moment.

use std::{collections::BTreeSet, sync::Arc};

/// What a track carries. The difference between a camera and a screen is its publisher's word; the others are seen in the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Camera pictures.
    Video,
    /// Screen pictures.
    Screen,
    /// Messages on a data channel.
    Data,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Audio, Self::Video, Self::Screen, Self::Data];

    /// The word for it, in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Screen => "screen",
            Self::Data => "data",
        }
    }

    /// Whether it travels as pictures.
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::Video | Self::Screen)
    }
}

/// A set of [`Kind`]s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// No kind.
    pub const NONE: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self(0b1111);

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether `kind` is in it.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// The kinds in it.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<T: IntoIterator<Item = Kind>>(kinds: T) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Which streams a right is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streams {
    /// Any stream of the room.
    Any,
    /// Only these.
    Only(BTreeSet<Arc<str>>),
}

impl Streams {
    /// No stream at all.
    pub const NONE: Self = Self::Only(BTreeSet::new());

    /// Whether `stream_id` is one of them. Ids are compared as bytes.
    pub fn contains(&self, stream_id: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(ids) => ids.contains(stream_id),
        }
    }
}

/// What a session may do. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The kinds it may publish.
    pub publish: Kinds,
    /// As which streams.
    pub publish_streams: Streams,
    /// The streams it may play.
    pub play_streams: Streams,
    /// How many bits a second it may publish, all its streams together; what is over it is dropped.
    pub max_publish_bps: Option<u64>,
}

impl Rights {
    /// Nothing: packets neither come from nor go to the session.
    pub const NONE: Self = Self {
        publish: Kinds::NONE,
        publish_streams: Streams::NONE,
        play_streams: Streams::NONE,
        max_publish_bps: None,
    };

    /// Whether it may publish `kind` in `stream_id`.
    pub fn may_publish(&self, stream_id: &str, kind: Kind) -> bool {
        self.publish.contains(kind) && self.publish_streams.contains(stream_id)
    }

    /// Whether it may play `stream_id`.
    pub fn may_play(&self, stream_id: &str) -> bool {
        self.play_streams.contains(stream_id)
    }
}

impl Default for Rights {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_unless_said() {
        let rights = Rights::default();
        for kind in Kind::ALL {
            assert!(!rights.may_publish("s", kind), "{kind:?}");
        }
        assert!(!rights.may_play("s"));
    }

    #[test]
    fn publishing_needs_the_kind_and_the_stream() {
        let rights = Rights {
            publish: [Kind::Audio, Kind::Screen].into_iter().collect(),
            publish_streams: Streams::Only(["a".into()].into()),
            ..Rights::NONE
        };
        let allowed: Vec<_> = ["a", "A", "b"]
            .into_iter()
            .flat_map(|stream| Kind::ALL.map(|kind| (stream, kind)))
            .filter(|(stream, kind)| rights.may_publish(stream, *kind))
            .collect();
        assert_eq!(allowed, [("a", Kind::Audio), ("a", Kind::Screen)]);
    }
}
