//! What a node is asked about the rooms it serves, by itself or by another: plain data, and its answers.

use std::collections::HashSet;

use roompass_wire::{
    gateway::{Stream, User},
    http::{LiveSession, LiveStream, Receiver, RoomStream, RoomUser, SessionMedia},
};
use serde::{Deserialize, Serialize};
use token_gen::{AppId, TokenId, UnixSeconds};

use super::{Act, Who, streams};
use crate::{
    app::Service,
    gateway::{MediaOutcome, MediaWish},
    revocations::{Revocation, Target},
    rooms::{Found, Overview, Snapshot},
};

/// Something to be found out or done about live rooms of one app, on every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Question {
    /// Do this, and say whom it reached.
    Do(Act),
    /// Let nobody in by these tokens, which were revoked a moment ago.
    ShutOut {
        /// The tokens.
        ended: Vec<Ended>,
    },
    /// Which sessions there are, by id.
    Sessions {
        /// Which are meant.
        who: Who,
        /// In which part of the list.
        part: Part,
    },
    /// Which rooms there are, by id.
    Rooms(Part),
    /// Who is in a room.
    Room {
        /// The room.
        room_id: String,
    },
    /// Which streams there are, by id.
    Streams {
        /// Only in this room.
        room_id: Option<String>,
        /// Only of this user.
        user_id: Option<String>,
        /// In which part of the list.
        part: Part,
    },
    /// To whom a stream goes, by id.
    Receivers {
        /// The stream.
        stream_id: String,
        /// In which part of the list.
        part: Part,
    },
    /// What is measured of the media of these users, each in a room: a node may forward it for another's session.
    Measures {
        /// Room and user.
        users: Vec<(String, String)>,
    },
    /// Where a stream is.
    Stream {
        /// The stream.
        stream_id: String,
    },
    /// Do what a WHIP or WHEP client wants of what it has made, if that is here.
    Resource {
        /// How the client names it.
        media_id: String,
        /// What it wants.
        wish: MediaWish,
    },
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Only of rooms whose id begins so.
    pub room_prefix: String,
    /// Only what this is a part of: of a room's id, or of the user's, or of a stream's.
    pub search: String,
    /// What comes after this.
    pub after: String,
    /// At most so many.
    pub limit: usize,
}

/// A token that was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    token_id: String,
    issued_before: i64,
    expire_at: i64,
    created_at: i64,
    created_by: String,
    reason: Option<String>,
}

/// What a node says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "value", rename_all = "snake_case")]
pub enum Answer {
    /// The sessions it was done to.
    Done(HashSet<String>),
    /// Sessions here.
    Sessions(Vec<LiveSession>),
    /// Rooms that somebody here is in.
    Rooms(Vec<Overview>),
    /// A room that somebody here is in, and everybody in it.
    Room(Option<RoomNow>),
    /// Streams of rooms that somebody here is in, with what is measured here.
    Streams(Vec<LiveStream>),
    /// Users here to whom the stream goes.
    Receivers(Vec<Receiver>),
    /// What is measured here, in the order of the question.
    Measures(Vec<Option<SessionMedia>>),
    /// Who publishes a stream, and in which room.
    Stream(Option<Found>),
    /// What became of a client's wish.
    Resource(MediaOutcome),
}

/// A room as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomNow {
    /// Everybody, in joining order.
    pub users: Vec<RoomUser>,
    /// Every stream, in starting order.
    pub streams: Vec<RoomStream>,
}

impl RoomNow {
    fn of(Snapshot { users, streams, .. }: Snapshot) -> Self {
        let user = |User { user_id, user_name, .. }: User| RoomUser { user_id, user_name };
        let stream = |Stream { stream_id, user_id, .. }: Stream| RoomStream { stream_id, user_id };
        Self { users: users.into_iter().map(user).collect(), streams: streams.into_iter().map(stream).collect() }
    }
}

impl Ended {
    /// The same in few words; only single tokens have any.
    pub(super) fn of(revocation: &Revocation) -> Option<Self> {
        let Target::Token(token_id) = &revocation.target else { return None };
        Some(Self {
            token_id: token_id.as_str().to_owned(),
            issued_before: revocation.issued_before.get(),
            expire_at: revocation.expire_at.get(),
            created_at: revocation.created_at.get(),
            created_by: revocation.created_by.clone(),
            reason: revocation.reason.clone(),
        })
    }

    fn revocation(&self, app_id: AppId) -> Option<Revocation> {
        Some(Revocation {
            app_id,
            target: Target::Token(TokenId::parse(&self.token_id)?),
            issued_before: UnixSeconds::new(self.issued_before),
            expire_at: UnixSeconds::new(self.expire_at),
            created_at: UnixSeconds::new(self.created_at),
            created_by: self.created_by.clone(),
            reason: self.reason.clone(),
        })
    }
}

/// What this node answers.
pub async fn answer(service: &Service, app_id: AppId, question: &Question) -> Answer {
    let (gateway, now) = (&service.gateway, service.clock.now());
    match question {
        Question::Do(act) => Answer::Done(gateway.obey(app_id, act, now).iter().map(ToString::to_string).collect()),
        Question::ShutOut { ended } => {
            gateway.shut_out(ended.iter().filter_map(|ended| ended.revocation(app_id)));
            Answer::Done(HashSet::new())
        }
        Question::Sessions { who, part } => Answer::Sessions(sessions(service, app_id, who, part).await),
        Question::Rooms(Part { room_prefix, search, after, limit }) => {
            let is_wanted = |room_id: &str| room_id.starts_with(room_prefix) && room_id.contains(search);
            Answer::Rooms(gateway.rooms().overview(app_id, is_wanted, after, *limit))
        }
        Question::Room { room_id } => Answer::Room(gateway.rooms().snapshot_of_here(app_id, room_id).map(RoomNow::of)),
        Question::Streams { room_id, user_id, part } => {
            let only = (room_id.as_deref(), user_id.as_deref());
            Answer::Streams(streams::streams(service, app_id, only, part).await)
        }
        Question::Receivers { stream_id, part } => {
            Answer::Receivers(streams::receivers(service, app_id, stream_id, part).await)
        }
        Question::Measures { users } => {
            let look = service.media.look(app_id).await;
            let of = |(room_id, user_id): &(String, String)| look.session(room_id, user_id).map(streams::of_session);
            Answer::Measures(users.iter().map(of).collect())
        }
        Question::Stream { stream_id } => Answer::Stream(gateway.rooms().find_stream(app_id, stream_id)),
        Question::Resource { media_id, wish } => Answer::Resource(gateway.grant(media_id, wish.clone()).await),
    }
}

async fn sessions(service: &Service, app_id: AppId, who: &Who, part: &Part) -> Vec<LiveSession> {
    let Part { room_prefix, search, after, .. } = part;
    let is_wanted = |session_id: &str, user_id: &str, room_id: &str| {
        room_id.starts_with(room_prefix) && user_id.contains(search) && session_id > &**after
    };
    let found = service.gateway.sessions(app_id, who, is_wanted).into_iter();
    let mut found = sorted(found, |session| &session.session_id);
    found.truncate(part.limit);
    // Where another node forwards it, that one measures it.
    let look = service.media.look(app_id).await;
    for session in &mut found {
        session.media = look.session(&session.room_id, &session.user_id).map(streams::of_session);
    }
    found
}

/// In order of a key, each key once: of two nodes that tell of the same thing, one has just handed it to the other.
pub(super) fn sorted<T>(found: impl Iterator<Item = T>, key: impl Fn(&T) -> &String) -> Vec<T> {
    let mut found: Vec<T> = found.collect();
    found.sort_by(|a, b| key(a).cmp(key(b)));
    found.dedup_by(|b, a| key(a) == key(b));
    found
}
