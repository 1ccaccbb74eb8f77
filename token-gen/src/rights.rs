//! What a privilege token lets its holder do: the room, the privileges, the streams.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use crate::{
    error::TokenError,
    id::{RoomId, StreamId},
    json::{self, Node, Object, write},
    privilege::{Privilege, Privileges},
};

/// The rights inside a privilege token.
///
/// Read from a token they hold whatever text was sealed; built by [`Rights::builder`] they hold checked ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    room: RoomScope,
    privileges: Privileges,
    streams: StreamScope,
}

/// Which room a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomScope {
    /// Any room (an empty `room_id`).
    Any,
    /// One room, compared byte for byte.
    Only(String),
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
}

impl Denied {
    /// The stable code: `room`, `login`, `publish` or `stream`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Privilege(privilege) => privilege.as_str(),
            Self::Stream => "stream",
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
        let room = match object.take("room_id") {
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
        Ok(Self { room, privileges, streams })
    }

    /// The rights of a token03, which has no stream list.
    pub(crate) fn of_token03(room_id: &str, privileges: Privileges) -> Self {
        Self { room: RoomScope::Only(room_id.to_owned()), privileges, streams: StreamScope::Any }
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

    /// Whether these rights reach `room_id` at all.
    pub fn covers_room(&self, room_id: &str) -> bool {
        match &self.room {
            RoomScope::Any => true,
            RoomScope::Only(only) => only == room_id,
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
        match &self.streams {
            StreamScope::Any => Ok(()),
            StreamScope::Only(list) if list.iter().any(|listed| listed == stream_id) => Ok(()),
            StreamScope::Only(_) => Err(Denied::Stream),
        }
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
        let room_id = match &self.room {
            RoomScope::Any => "",
            RoomScope::Only(room_id) => room_id,
        };
        let mut out = Vec::with_capacity(128 + room_id.len());
        out.extend_from_slice(b"{\"room_id\":");
        write::string(&mut out, room_id);
        out.extend_from_slice(b",\"privilege\":");
        out.extend_from_slice(self.privileges.wire_object().as_bytes());
        out.extend_from_slice(b",\"stream_id_list\":");
        match &self.streams {
            StreamScope::Any => out.extend_from_slice(b"null"),
            StreamScope::Only(stream_ids) => {
                out.push(b'[');
                for (at, stream_id) in stream_ids.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write::string(&mut out, stream_id);
                }
                out.push(b']');
            }
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
        Self(Rights { room, privileges: Privileges::NONE, streams: StreamScope::Any })
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
        let list = match &mut self.0.streams {
            StreamScope::Only(list) => list,
            any => {
                *any = StreamScope::Only(Vec::new());
                let StreamScope::Only(list) = any else { return self };
                list
            }
        };
        if !list.iter().any(|listed| listed == stream_id.as_str()) {
            list.push(stream_id.as_str().to_owned());
        }
        self
    }

    /// The rights.
    pub fn build(self) -> Rights {
        self.0
    }
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
