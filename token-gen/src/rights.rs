//! What a privilege token lets its holder do: the room, the privileges, the streams.

use alloc::{borrow::ToOwned, boxed::Box, string::String, vec, vec::Vec};
use core::time::Duration;

use crate::{
    error::TokenError,
    id::{RoomId, StreamId, UserName},
    json::{self, Node, Object, write},
    privilege::{Privilege, Privileges},
    terms::{self, MediaKinds, OnExpiry, Terms},
    time::UnixSeconds,
};

/// The rights inside a privilege token.
///
/// Read from a token they hold whatever text was sealed; built by [`Rights::builder`] they hold checked ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    room: RoomScope,
    privileges: Privileges,
    streams: StreamScope,
    /// Most tokens have none, and there may be many sessions.
    terms: Option<Box<Terms>>,
}

/// No terms, to point to.
static NO_TERMS: Terms = Terms::NONE;

/// Which room a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomScope {
    /// Any room (an empty `room_id`).
    Any,
    /// One room, compared byte for byte.
    Only(String),
    /// These rooms, two or more; the first is the one that other readers know of.
    Several(Vec<String>),
}

/// Which streams may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamScope {
    /// Any (`stream_id_list` absent or null).
    Any,
    /// These, compared byte for byte; none, if the list is empty.
    Only(Vec<String>),
}

/// Why a good token does not allow what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// The token is for another room.
    #[error("the token is for another room")]
    Room,
    /// The token lacks the privilege.
    #[error("the token does not grant {0}")]
    Privilege(Privilege),
    /// The token lists streams, and this one is not among them.
    #[error("the token does not list this stream")]
    Stream,
    /// The token denies playing.
    #[error("the token does not grant play")]
    Play,
    /// The token lists what streams may carry, and this is not all among it.
    #[error("the token does not allow such media")]
    Media,
    /// The right has ended, before its token.
    #[error("the right has ended before its token")]
    Until,
}

impl Denied {
    /// The stable code: `room`, `login`, `publish`, `play`, `stream`, `media` or `until`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Privilege(privilege) => privilege.as_str(),
            Self::Stream => "stream",
            Self::Play => "play",
            Self::Media => "media",
            Self::Until => "until",
        }
    }
}

impl Rights {
    /// Starts a set of rights for one room; nothing is granted yet.
    pub fn builder(room_id: &RoomId) -> RightsBuilder {
        RightsBuilder::new(RoomScope::Only(room_id.as_str().to_owned()))
    }

    /// Starts a set of rights for every room of the app. Prefer [`Rights::builder`].
    pub fn builder_any_room() -> RightsBuilder {
        RightsBuilder::new(RoomScope::Any)
    }

    /// Reads the privilege payload of a token04.
    ///
    /// # Errors
    /// [`TokenError::PayloadNotAnObject`] and [`TokenError::PayloadMember`] for anything but the documented shape.
    pub fn from_payload(payload: &str, max_depth: usize) -> Result<Self, TokenError> {
        let Ok(Node::Object(mut object)) = json::parse(payload, max_depth) else {
            return Err(TokenError::PayloadNotAnObject);
        };
        let mut room = match object.take("room_id") {
            Some(Node::String(room_id)) if room_id.is_empty() => RoomScope::Any,
            Some(Node::String(room_id)) => RoomScope::Only(room_id.into_owned()),
            _ => return Err(TokenError::PayloadMember("room_id")),
        };
        let Some(Node::Object(privilege)) = object.take("privilege") else {
            return Err(TokenError::PayloadMember("privilege"));
        };
        let privileges = read_privileges(privilege).ok_or(TokenError::PayloadMember("privilege"))?;
        let streams = match object.take("stream_id_list") {
            None | Some(Node::Null) => StreamScope::Any,
            Some(Node::Array(items)) => StreamScope::Only(
                items
                    .into_iter()
                    .map(|item| match item {
                        Node::String(stream_id) => Ok(stream_id.into_owned()),
                        _ => Err(TokenError::PayloadMember("stream_id_list")),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Some(_) => return Err(TokenError::PayloadMember("stream_id_list")),
        };
        let terms = match object.take(terms::MEMBER) {
            None => Terms::NONE,
            Some(Node::Object(object)) => {
                let found = terms::read(object).ok_or(TokenError::PayloadMember(terms::MEMBER))?;
                for room_id in found.room_ids {
                    room.widen(room_id).ok_or(TokenError::PayloadMember(terms::MEMBER))?;
                }
                found.terms
            }
            Some(_) => return Err(TokenError::PayloadMember(terms::MEMBER)),
        };
        let terms = (!terms.is_none()).then(|| Box::new(terms));
        Ok(Self { room, privileges, streams, terms })
    }

    /// The rights of a token03, which has no stream list.
    pub(crate) fn of_token03(room_id: &str, privileges: Privileges) -> Self {
        Self { room: RoomScope::Only(room_id.to_owned()), privileges, streams: StreamScope::Any, terms: None }
    }

    /// The room it is for.
    pub fn room(&self) -> &RoomScope {
        &self.room
    }

    /// What is granted there.
    pub fn privileges(&self) -> Privileges {
        self.privileges
    }

    /// The streams it may publish.
    pub fn streams(&self) -> &StreamScope {
        &self.streams
    }

    /// What else it sets.
    pub fn terms(&self) -> &Terms {
        self.terms.as_deref().unwrap_or(&NO_TERMS)
    }

    /// Whether these rights reach `room_id` at all.
    pub fn covers_room(&self, room_id: &str) -> bool {
        match &self.room {
            RoomScope::Any => true,
            RoomScope::Only(only) => only == room_id,
            RoomScope::Several(several) => several.iter().any(|one| one == room_id),
        }
    }

    /// Whether the holder may log in to `room_id`.
    ///
    /// # Errors
    /// [`Denied`] with the first rule that says no.
    pub fn permit_login(&self, room_id: &str) -> Result<(), Denied> {
        self.permit(room_id, Privilege::Login)
    }

    /// Whether the holder may publish `stream_id` in `room_id`.
    ///
    /// # Errors
    /// [`Denied`] with the first rule that says no.
    pub fn permit_publish(&self, room_id: &str, stream_id: &str) -> Result<(), Denied> {
        self.permit(room_id, Privilege::Publish)?;
        if self.streams.contains(stream_id) { Ok(()) } else { Err(Denied::Stream) }
    }

    /// Whether the holder may play `stream_id`, of whatever room.
    ///
    /// # Errors
    /// [`Denied`] with the first rule that says no.
    pub fn permit_play(&self, stream_id: &str) -> Result<(), Denied> {
        let terms = self.terms();
        if terms.denies_play {
            return Err(Denied::Play);
        }
        if terms.play_streams.contains(stream_id) { Ok(()) } else { Err(Denied::Stream) }
    }

    /// Whether what the holder publishes may carry `media`.
    ///
    /// # Errors
    /// [`Denied::Media`].
    pub fn permit_media(&self, media: MediaKinds) -> Result<(), Denied> {
        let is_allowed = self.terms().media.is_none_or(|allowed| media.is_subset(allowed));
        if is_allowed { Ok(()) } else { Err(Denied::Media) }
    }

    /// Whether the right to log in has not ended before its token.
    ///
    /// # Errors
    /// [`Denied::Until`].
    pub fn login_in_time(&self, now: UnixSeconds) -> Result<(), Denied> {
        in_time(self.terms().login_until, now)
    }

    /// Whether the right to publish has not ended before its token.
    ///
    /// # Errors
    /// [`Denied::Until`].
    pub fn publish_in_time(&self, now: UnixSeconds) -> Result<(), Denied> {
        in_time(self.terms().publish_until, now)
    }

    /// Whether the right to play has not ended before its token.
    ///
    /// # Errors
    /// [`Denied::Until`].
    pub fn play_in_time(&self, now: UnixSeconds) -> Result<(), Denied> {
        in_time(self.terms().play_until, now)
    }

    fn permit(&self, room_id: &str, privilege: Privilege) -> Result<(), Denied> {
        if !self.covers_room(room_id) {
            return Err(Denied::Room);
        }
        if !self.privileges.contains(privilege) {
            return Err(Denied::Privilege(privilege));
        }
        Ok(())
    }

    /// The payload text that carries these rights, members in the order of the public documentation.
    pub fn to_payload(&self) -> String {
        let (room_id, others) = match &self.room {
            RoomScope::Any => ("", &[][..]),
            RoomScope::Only(room_id) => (&**room_id, &[][..]),
            RoomScope::Several(several) => {
                several.split_first().map_or(("", &[][..]), |(first, rest)| (&**first, rest))
            }
        };
        let mut out = Vec::with_capacity(128 + room_id.len());
        out.extend_from_slice(b"{\"room_id\":");
        write::string(&mut out, room_id);
        out.extend_from_slice(b",\"privilege\":");
        out.extend_from_slice(self.privileges.wire_object().as_bytes());
        out.extend_from_slice(b",\"stream_id_list\":");
        match &self.streams {
            StreamScope::Any => out.extend_from_slice(b"null"),
            StreamScope::Only(list) => write::strings(&mut out, list.iter().map(|stream_id| stream_id.as_str())),
        }
        if self.terms.is_some() || !others.is_empty() {
            out.push(b',');
            write::string(&mut out, terms::MEMBER);
            out.push(b':');
            terms::write(&mut out, self.terms(), others);
        }
        out.push(b'}');
        // Only strings and ASCII went in.
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Builds [`Rights`] from checked ids. What is not allowed stays denied.
#[derive(Debug, Clone)]
#[must_use]
pub struct RightsBuilder(Rights);

impl RightsBuilder {
    fn new(room: RoomScope) -> Self {
        Self(Rights { room, privileges: Privileges::NONE, streams: StreamScope::Any, terms: None })
    }

    /// Grants `privilege`.
    pub fn allow(mut self, privilege: Privilege) -> Self {
        self.0.privileges = self.0.privileges.with(privilege);
        self
    }

    /// Grants everything in `privileges`.
    pub fn allow_all(self, privileges: Privileges) -> Self {
        privileges.iter().fold(self, Self::allow)
    }

    /// Narrows publishing to the streams named this way; without any, every stream may be published.
    /// Naming a stream twice is the same as once.
    pub fn stream(mut self, stream_id: &StreamId) -> Self {
        self.0.streams.narrow(stream_id.as_str());
        self
    }

    /// Adds a room. Adding it to rights for every room changes nothing.
    pub fn also_room(mut self, room_id: &RoomId) -> Self {
        let _ = self.0.room.widen(room_id.as_str().to_owned());
        self
    }

    /// Denies playing.
    pub fn deny_play(self) -> Self {
        self.term(|terms| terms.denies_play = true)
    }

    /// Narrows playing to the streams named this way.
    pub fn play_stream(self, stream_id: &StreamId) -> Self {
        self.term(|terms| terms.play_stream(stream_id))
    }

    /// Narrows what published streams may carry.
    pub fn media(self, media: MediaKinds) -> Self {
        self.term(|terms| terms.media = Some(media))
    }

    /// Ends the right to log in before the token.
    pub fn login_until(self, until: UnixSeconds) -> Self {
        self.term(|terms| terms.login_until = Some(until))
    }

    /// Ends the right to publish before the token.
    pub fn publish_until(self, until: UnixSeconds) -> Self {
        self.term(|terms| terms.publish_until = Some(until))
    }

    /// Ends the right to play before the token.
    pub fn play_until(self, until: UnixSeconds) -> Self {
        self.term(|terms| terms.play_until = Some(until))
    }

    /// Limits the stay in a room to the whole seconds of `max_stay`: at least one, at most [`Terms::MAX_STAY`].
    pub fn max_stay(self, max_stay: Duration) -> Self {
        let secs = max_stay.as_secs().clamp(1, Terms::MAX_STAY.as_secs());
        self.term(|terms| terms.max_stay = Some(Duration::from_secs(secs)))
    }

    /// Says what happens to a session at the token's expiry. A grace time is at least a second, at most
    /// [`OnExpiry::MAX_GRACE`].
    pub fn on_expiry(self, on_expiry: OnExpiry) -> Self {
        let on_expiry = match on_expiry {
            OnExpiry::Grace(grace) => {
                OnExpiry::Grace(Duration::from_secs(grace.as_secs().clamp(1, OnExpiry::MAX_GRACE.as_secs())))
            }
            other => other,
        };
        self.term(|terms| terms.on_expiry = Some(on_expiry))
    }

    /// Lets the user in once.
    pub fn single_use(self) -> Self {
        self.term(|terms| terms.single_use = true)
    }

    /// Sets the name that others see.
    pub fn user_name(self, user_name: &UserName) -> Self {
        self.term(|terms| terms.user_name = Some(user_name.as_str().to_owned()))
    }

    /// Says something about the user.
    ///
    /// # Errors
    /// [`TokenError::MetadataInvalid`] unless it is 1 to [`Terms::MAX_METADATA_BYTES`] bytes without control characters.
    pub fn metadata(self, metadata: &str) -> Result<Self, TokenError> {
        let metadata = terms::metadata(metadata.to_owned()).ok_or(TokenError::MetadataInvalid)?;
        Ok(self.term(|terms| terms.metadata = Some(metadata)))
    }

    fn term(mut self, set: impl FnOnce(&mut Terms)) -> Self {
        set(self.0.terms.get_or_insert_with(|| Box::new(Terms::NONE)));
        self
    }

    /// The rights.
    pub fn build(self) -> Rights {
        self.0
    }
}

impl RoomScope {
    /// Adds a room; `None` where every room is meant already.
    fn widen(&mut self, room_id: String) -> Option<()> {
        match self {
            Self::Any => return None,
            Self::Only(only) if *only == room_id => {}
            Self::Only(only) => *self = Self::Several(vec![core::mem::take(only), room_id]),
            Self::Several(several) if several.contains(&room_id) => {}
            Self::Several(several) => several.push(room_id),
        }
        Some(())
    }
}

impl StreamScope {
    /// Whether `stream_id` is within it.
    pub fn contains(&self, stream_id: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => list.iter().any(|listed| listed == stream_id),
        }
    }

    /// Takes `stream_id` into the list, which begins with it if there was none.
    pub(crate) fn narrow(&mut self, stream_id: &str) {
        match self {
            Self::Any => *self = Self::Only(vec![stream_id.to_owned()]),
            Self::Only(list) if list.iter().any(|listed| listed == stream_id) => {}
            Self::Only(list) => list.push(stream_id.to_owned()),
        }
    }
}

fn in_time(until: Option<UnixSeconds>, now: UnixSeconds) -> Result<(), Denied> {
    if until.is_some_and(|until| now >= until) { Err(Denied::Until) } else { Ok(()) }
}

/// Reads a `privilege` object: the integers 0 and 1 under `"1"` and `"2"`, other keys ignored, absent is denied.
pub(crate) fn read_privileges(mut object: Object<'_>) -> Option<Privileges> {
    Privilege::ALL.into_iter().try_fold(Privileges::NONE, |granted, privilege| {
        match object.take(privilege.wire_key()) {
            None | Some(Node::Int(0)) => Some(granted),
            Some(Node::Int(1)) => Some(granted.with(privilege)),
            Some(_) => None,
        }
    })
}
