//! A stream to be published, with what is said of it.

use roompass_wire::gateway::{self, MediaKind};
use token_gen::StreamId;

use crate::error::Error;

/// A stream to be published. It is published again, the same way, after a return that is a new login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub(crate) stream_id: StreamId,
    media: Option<Vec<MediaKind>>,
    extra: Option<String>,
}

impl Publication {
    /// A stream of sound and camera pictures.
    ///
    /// # Errors
    /// [`Error::Argument`] for an id that the service does not take.
    pub fn new(stream_id: &str) -> Result<Self, Error> {
        Ok(Self { stream_id: StreamId::new(stream_id)?, media: None, extra: None })
    }

    /// What the stream carries.
    pub fn media(mut self, media: impl IntoIterator<Item = MediaKind>) -> Self {
        self.media = Some(media.into_iter().collect());
        self
    }

    /// What the others see beside it: at most 1,024 bytes.
    pub fn extra(mut self, extra: impl Into<String>) -> Self {
        self.extra = Some(extra.into());
        self
    }

    pub(crate) fn message(&self, id: u64) -> gateway::Publish {
        let stream_id = self.stream_id.as_str().to_owned();
        gateway::Publish { id, stream_id, media: self.media.clone(), extra: self.extra.clone() }
    }
}
