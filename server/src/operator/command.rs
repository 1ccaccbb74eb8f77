//! What an operator wants done to live sessions: plain data, for whichever node holds them.

use std::collections::HashSet;

use roompass_wire::http::WithheldPrivilege;
use serde::{Deserialize, Serialize};
use token_gen::AppId;

use crate::audit::{Action, Event};

/// What is to be done to live sessions of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// They are about to be kicked: whatever ends them from now on says so, and nobody is let in by a token that is about
    /// to be revoked. Nobody is told anything yet.
    Condemn {
        /// Whom.
        who: Who,
        /// Why, in the operator's words.
        reason: Option<String>,
        /// Names the tokens.
        token_ids: HashSet<String>,
    },
    /// They will not be kicked after all.
    Pardon {
        /// Whom.
        who: Who,
        /// The tokens that stay good.
        token_ids: HashSet<String>,
    },
    /// End them, for the reason with which they were condemned.
    Kick {
        /// Whom.
        who: Who,
    },
    /// Withhold these privileges and no others.
    Withhold {
        /// From whom.
        who: Who,
        /// All that is withheld.
        privileges: Vec<WithheldPrivilege>,
    },
    /// Stop a stream.
    StopStream {
        /// Whose.
        who: Who,
        /// Which.
        stream_id: String,
    },
    /// Say something.
    Say {
        /// To whom.
        who: Who,
        /// What.
        text: String,
    },
}

/// Which sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "who", rename_all = "snake_case")]
pub enum Who {
    /// Every one.
    All,
    /// One.
    Session {
        /// Its id.
        session_id: String,
    },
    /// These.
    Sessions {
        /// Their ids.
        session_ids: HashSet<String>,
    },
    /// Those of a user.
    User {
        /// The user.
        user_id: String,
        /// Only in this room.
        room_id: Option<String>,
    },
    /// Those in a room.
    Room {
        /// The room.
        room_id: String,
    },
}

impl Act {
    /// To whom it is to be done.
    pub fn who(&self) -> &Who {
        match self {
            Self::Condemn { who, .. } | Self::Pardon { who, .. } | Self::Kick { who } => who,
            Self::Withhold { who, .. } | Self::StopStream { who, .. } | Self::Say { who, .. } => who,
        }
    }
}

impl Who {
    /// Whether a session is meant.
    pub fn means(&self, id: &str, user: &str, room: &str) -> bool {
        match self {
            Self::All => true,
            Self::Session { session_id } => session_id == id,
            Self::Sessions { session_ids } => session_ids.contains(id),
            Self::User { user_id, room_id } => user_id == user && room_id.as_deref().is_none_or(|only| only == room),
            Self::Room { room_id } => room_id == room,
        }
    }

    /// The room, if one is named.
    pub fn room_id(&self) -> Option<&str> {
        match self {
            Self::All | Self::Session { .. } | Self::Sessions { .. } => None,
            Self::User { room_id, .. } => room_id.as_deref(),
            Self::Room { room_id } => Some(room_id),
        }
    }

    /// What the audit trail says of something done to them.
    pub(super) fn event(&self, action: Action, app_id: AppId) -> Event {
        let event = Event { room_id: self.room_id().map(str::to_owned), ..Event::of(action, app_id) };
        match self {
            Self::All | Self::Sessions { .. } | Self::Room { .. } => event,
            Self::Session { session_id } => Event { session_id: Some(session_id.clone()), ..event },
            Self::User { user_id, .. } => Event { user_id: Some(user_id.clone()), ..event },
        }
    }
}
