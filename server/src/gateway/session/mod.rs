//! The rules of one stay in a room: what its user may do next, what the user is told, and when.
//!
//! Pure: a message, an event or the passing of time goes in with `now`; effects come out, and the next deadline.
//! Knows neither sockets nor rooms nor a store nor a clock. Every operation is judged by the present token and the
//! present settings of the app, not by those of the login.

mod limits;
mod orders;
mod renewal;
mod rights;
mod streams;
mod texts;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use roompass_wire::{
    ErrorCode,
    gateway::{ErrorMessage, GoneReason, Kicked, OkReply, Publish, ServerMessage, SwitchRoom},
    http::WithheldPrivilege,
};
use token_gen::{MediaKinds, RoomId, StreamId, UnixSeconds};

use super::pace::Pace;
use crate::{
    apps::AppSettings,
    login::{Grant, Refusal, SessionToken},
    rooms::NewStream,
};
pub use limits::{StreamLimits, TextLimits};
pub(super) use rights::{limits, privileges};
use time::Told;

/// What shall be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Tell the client.
    Send(Box<ServerMessage>),
    /// Ask the rooms for the stream; hand the answer to [`Session::stream_started`].
    StartStream { id: u64, stream: NewStream, media: MediaKinds },
    /// Ask the rooms for this, and answer the request with what they say.
    Ask { id: u64, operation: Operation },
    /// Give the stream back.
    StopStream(StreamId, GoneReason),
    /// Leave the room and close the connection. Always the last effect.
    Leave(Departure),
}

/// What a client asks of the room, once the rules allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    SetRoomExtra { key: String, value: String },
    SetUserExtra(String),
    Say(String),
    Signal { user_ids: Vec<String>, text: String },
}

/// Why a stay ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// The client logged out.
    LoggedOut,
    /// The server ended it.
    Kicked(ErrorCode),
}

/// What a client asks for inside a room.
#[derive(Debug)]
pub(super) enum Request {
    Publish(Publish),
    StopPublish(String),
    Play(String),
    StopPlay(String),
    /// With what the token turned out to be.
    Renew(Result<SessionToken, Refusal>),
    /// What the room shall do for others to hear.
    Talk(Operation),
    Logout,
    /// A login or a resume, in the middle of a stay.
    LoginAgain,
}

/// One user's stay in one room.
#[derive(Debug)]
pub(super) struct Session {
    room_id: RoomId,
    grant: Grant,
    entered_at: UnixSeconds,
    /// When the stay ends, whatever is renewed.
    stay_until: Option<UnixSeconds>,
    told: Told,
    publishing: BTreeMap<StreamId, MediaKinds>,
    playing: BTreeSet<StreamId>,
    limits: StreamLimits,
    texts: TextLimits,
    messages: Pace,
    signals: Pace,
    values: Pace,
    /// What an operator keeps from it, whatever its token says.
    withheld: Vec<WithheldPrivilege>,
    ended: bool,
}

type Refused = (ErrorCode, Option<&'static str>);

impl Session {
    pub(super) fn new(
        room_id: RoomId,
        grant: Grant,
        limits: StreamLimits,
        texts: TextLimits,
        now: UnixSeconds,
    ) -> Self {
        let max_stay = grant.rights().terms().max_stay;
        Self {
            room_id,
            grant,
            entered_at: now,
            stay_until: max_stay.map(|max_stay| now.saturating_add(max_stay)),
            told: Told::default(),
            publishing: BTreeMap::new(),
            playing: BTreeSet::new(),
            limits,
            texts,
            messages: Pace::new(texts.messages_per_sec, texts.message_burst, now),
            signals: Pace::new(texts.signals_per_sec, texts.signal_burst, now),
            values: Pace::new(texts.values_per_sec, texts.value_burst, now),
            withheld: Vec::new(),
            ended: false,
        }
    }

    /// Goes on with what the same client had left to say: a room more is no reason to say more.
    pub(super) fn keep_pace_of(&mut self, earlier: &Self) {
        (self.messages, self.signals, self.values) = (earlier.messages, earlier.signals, earlier.values);
    }

    /// The room.
    pub(super) fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// What the present credential allows.
    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Answers the request `id`, and then does what has come due.
    pub(super) fn request(
        &mut self,
        settings: &AppSettings,
        id: u64,
        request: Request,
        now: UnixSeconds,
    ) -> Vec<Effect> {
        // What came due before the request counts before it.
        let mut effects = self.pass_time(settings, now);
        if self.ended {
            return effects;
        }
        let answered = match request {
            Request::Publish(publish) => self.publish(settings, publish, now),
            Request::StopPublish(stream_id) => self.stop_publish(id, &stream_id),
            Request::Play(stream_id) => self.play(id, stream_id, now),
            Request::StopPlay(stream_id) => self.stop_play(id, &stream_id),
            Request::Renew(opened) => self.renew(settings, id, opened, now),
            Request::Talk(operation) => self.talk(id, operation, now),
            Request::LoginAgain => Err((ErrorCode::AlreadyInRoom, None)),
            Request::Logout => Ok(self.leave(send(ok(id)), Departure::LoggedOut)),
        };
        effects.extend(answered.unwrap_or_else(|refused| vec![send(error(id, refused))]));
        effects.extend(self.pass_time(settings, now));
        effects
    }

    /// Whether the session may leave its room for the one named, as far as that can be said before it is left.
    pub(super) fn may_switch(&self, switch: &SwitchRoom) -> Result<(), Refused> {
        if switch.from_room_id != self.room_id.as_str() {
            return Err((ErrorCode::NotInThatRoom, None));
        }
        if switch.room_id == switch.from_room_id {
            return Err((ErrorCode::AlreadyInRoom, None));
        }
        if RoomId::new(&*switch.room_id).is_err() {
            return Err((ErrorCode::RoomIdInvalid, None));
        }
        let has_token = switch.token.as_ref().is_some_and(|token| !token.is_empty());
        if self.grant.token().is_some() && !has_token {
            return Err((ErrorCode::TokenMissing, None));
        }
        if !has_token && switch.app_sign_proof.is_none() {
            return Err((ErrorCode::AppSignMissing, None));
        }
        Ok(())
    }

    /// Ends the stay from outside.
    pub(super) fn end(&mut self, code: ErrorCode) -> Vec<Effect> {
        self.end_saying(code, None)
    }

    /// Ends the stay from outside, with a word of the operator's.
    pub(super) fn end_saying(&mut self, code: ErrorCode, reason: Option<String>) -> Vec<Effect> {
        if self.ended {
            return Vec::new();
        }
        let row = code.row();
        let kicked = ServerMessage::Kicked(Kicked {
            room_id: self.room_id.as_str().to_owned(),
            code,
            number: row.number,
            message: format!("{}. {}", row.title, row.remedy),
            may_reconnect: row.retryable,
            reason,
        });
        self.leave(send(kicked), Departure::Kicked(code))
    }

    fn leave(&mut self, last_word: Effect, departure: Departure) -> Vec<Effect> {
        self.ended = true;
        vec![last_word, Effect::Leave(departure)]
    }

    fn is_expired(&self, now: UnixSeconds) -> bool {
        self.grant.token().is_some_and(|token| now >= token.expire_at)
    }
}

/// What the rooms said to the request `id`.
pub(super) fn answer(id: u64, said: Result<(), ErrorCode>) -> ServerMessage {
    said.map_or_else(|code| error(id, (code, None)), |()| ok(id))
}

pub(super) fn error(id: u64, (code, reason): Refused) -> ServerMessage {
    let message = ErrorMessage::new(Some(id), code);
    ServerMessage::Error(ErrorMessage { reason: reason.map(str::to_owned), ..message })
}

fn send(message: ServerMessage) -> Effect {
    Effect::Send(Box::new(message))
}

fn ok(id: u64) -> ServerMessage {
    ServerMessage::Ok(OkReply { id })
}
