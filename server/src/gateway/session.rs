//! The rules of one stay in a room: what its user may do next, what the user is told, and when.
//!
//! Pure: a message, an event or the passing of time goes in with `now`; effects come out, and the next deadline.
//! Knows neither sockets nor rooms nor a store nor a clock. Every operation is judged by the present token and the
//! present settings of the app, not by those of the login.

use std::collections::BTreeSet;

use roompass_wire::{
    ErrorCode,
    gateway::{
        ErrorMessage, Kicked, OkReply, ServerMessage, SessionPrivilege, SessionRights, StreamStopped, TokenExpired,
        TokenRenewed, TokenWillExpire,
    },
};
use token_gen::{Privilege, RoomId, StreamId, UnixSeconds};

use crate::{
    apps::{AppSettings, ExpiryPolicy},
    login::{self, Grant, Refusal, SessionToken},
};

/// What shall be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Tell the client.
    Send(ServerMessage),
    /// Ask the rooms for the stream; hand the answer to [`Session::stream_started`].
    StartStream { id: u64, stream_id: StreamId },
    /// Give the stream back.
    StopStream(StreamId),
    /// Leave the room and close the connection. Always the last effect.
    Leave(Departure),
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
    Publish(String),
    StopPublish(String),
    Play(String),
    StopPlay(String),
    /// With what the token turned out to be.
    Renew(Result<SessionToken, Refusal>),
    Logout,
    LoginAgain,
}

/// The most streams one session may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Published at once. Default 16.
    pub max_publishing: usize,
    /// Played at once. Default 256.
    pub max_playing: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { max_publishing: 16, max_playing: 256 }
    }
}

/// One user's stay in one room.
#[derive(Debug)]
pub(super) struct Session {
    room_id: RoomId,
    grant: Grant,
    told: Told,
    publishing: BTreeSet<StreamId>,
    playing: BTreeSet<StreamId>,
    limits: StreamLimits,
    ended: bool,
}

/// What the user has heard about the end of the present token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    WillExpire,
    Expired,
}

type Refused = (ErrorCode, Option<&'static str>);

impl Session {
    pub(super) fn new(room_id: RoomId, grant: Grant, limits: StreamLimits) -> Self {
        Self {
            room_id,
            grant,
            told: Told::Nothing,
            publishing: BTreeSet::new(),
            playing: BTreeSet::new(),
            limits,
            ended: false,
        }
    }

    /// The room.
    pub(super) fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// What the present credential allows.
    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }

    /// When [`Session::pass_time`] has something to do, unless something else happens first.
    pub(super) fn deadline(&self, settings: &AppSettings) -> Option<UnixSeconds> {
        let token = self.grant.token()?;
        match self.told {
            _ if self.ended => None,
            Told::Nothing => Some(warning_at(token, settings)),
            Told::WillExpire => Some(token.expire_at),
            Told::Expired => None,
        }
    }

    /// What has come due by `now`.
    pub(super) fn pass_time(&mut self, settings: &AppSettings, now: UnixSeconds) -> Vec<Effect> {
        let Some(token) = self.grant.token() else { return Vec::new() };
        let expire_at = token.expire_at;
        let room_id = self.room_id.as_str().to_owned();
        if self.ended {
            Vec::new()
        } else if now >= expire_at && settings.on_expiry == ExpiryPolicy::Strict {
            self.end_expired()
        } else if now >= expire_at && self.told != Told::Expired {
            self.told = Told::Expired;
            vec![send(ServerMessage::TokenExpired(TokenExpired { room_id, expire_at: expire_at.get() }))]
        } else if now < expire_at && now >= warning_at(token, settings) && self.told == Told::Nothing {
            self.told = Told::WillExpire;
            vec![send(ServerMessage::TokenWillExpire(TokenWillExpire {
                room_id,
                remain_secs: expire_at.duration_since(now).as_secs(),
                expire_at: expire_at.get(),
                server_time: now.get(),
            }))]
        } else {
            Vec::new()
        }
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
            Request::Publish(stream_id) => self.publish(settings, id, stream_id, now),
            Request::StopPublish(stream_id) => self.stop_publish(id, &stream_id),
            Request::Play(stream_id) => self.play(id, stream_id, now),
            Request::StopPlay(stream_id) => self.stop_play(id, &stream_id),
            Request::Renew(opened) => self.renew(settings, id, opened, now),
            Request::LoginAgain => Err((ErrorCode::AlreadyInRoom, None)),
            Request::Logout => Ok(self.leave(send(ok(id)), Departure::LoggedOut)),
        };
        effects.extend(answered.unwrap_or_else(|refused| vec![send(error(id, refused))]));
        effects.extend(self.pass_time(settings, now));
        effects
    }

    /// Answers the publish request `id`, now that the rooms have.
    pub(super) fn stream_started(
        &mut self,
        id: u64,
        stream_id: StreamId,
        started: Result<(), ErrorCode>,
    ) -> ServerMessage {
        match started {
            Ok(()) => {
                self.publishing.insert(stream_id);
                ok(id)
            }
            Err(code) => error(id, (code, None)),
        }
    }

    /// Ends the stay from outside.
    pub(super) fn end(&mut self, code: ErrorCode) -> Vec<Effect> {
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
            reason: None,
        });
        self.leave(send(kicked), Departure::Kicked(code))
    }

    fn publish(
        &self,
        settings: &AppSettings,
        id: u64,
        stream_id: String,
        now: UnixSeconds,
    ) -> Result<Vec<Effect>, Refused> {
        let stream_id = checked(stream_id)?;
        if self.is_expired(now) {
            return Err((ErrorCode::PublishTokenExpired, None));
        }
        login::permit_publish(settings, self.grant.rights(), self.room_id.as_str(), stream_id.as_str())
            .map_err(|denied| (ErrorCode::PublishDenied, Some(denied.code())))?;
        if self.publishing.contains(&stream_id) {
            return Err((ErrorCode::AlreadyPublishing, None));
        }
        if self.publishing.len() >= self.limits.max_publishing {
            return Err((ErrorCode::PublishLimit, None));
        }
        Ok(vec![Effect::StartStream { id, stream_id }])
    }

    /// Stopping needs no right and no time: it is allowed as long as the stay lasts.
    fn stop_publish(&mut self, id: u64, stream_id: &str) -> Result<Vec<Effect>, Refused> {
        let stream_id = checked(stream_id)?;
        if !self.publishing.remove(&stream_id) {
            return Err((ErrorCode::NotPublishing, None));
        }
        Ok(vec![Effect::StopStream(stream_id), send(ok(id))])
    }

    /// Whether the stream exists does not matter: one that does not is waited for, and playing twice is once.
    fn play(&mut self, id: u64, stream_id: String, now: UnixSeconds) -> Result<Vec<Effect>, Refused> {
        let stream_id = checked(stream_id)?;
        if self.is_expired(now) {
            return Err((ErrorCode::PlayTokenExpired, None));
        }
        if self.playing.len() >= self.limits.max_playing && !self.playing.contains(&stream_id) {
            return Err((ErrorCode::PlayLimit, None));
        }
        self.playing.insert(stream_id);
        Ok(vec![send(ok(id))])
    }

    fn stop_play(&mut self, id: u64, stream_id: &str) -> Result<Vec<Effect>, Refused> {
        if !self.playing.remove(&checked(stream_id)?) {
            return Err((ErrorCode::NotPlaying, None));
        }
        Ok(vec![send(ok(id))])
    }

    /// A refused renewal changes nothing.
    fn renew(
        &mut self,
        settings: &AppSettings,
        id: u64,
        opened: Result<SessionToken, Refusal>,
        now: UnixSeconds,
    ) -> Result<Vec<Effect>, Refused> {
        let Grant::Token(present) = &self.grant else {
            return Err((ErrorCode::AppSignSession, Some("app_sign_session")));
        };
        let public = |refusal: Refusal| (refusal.code, refusal.reason);
        let token = opened.map_err(public)?;
        token.covers_room(self.room_id.as_str()).map_err(public)?;
        if token.issued_at < present.issued_at {
            return Err((ErrorCode::TokenInvalid, None));
        }
        if token.token_id != present.token_id {
            self.grant = Grant::Token(token);
            self.told = Told::Nothing;
        }
        let rights = self.grant.rights();
        let is_covered = |stream_id: &StreamId| {
            login::permit_publish(settings, rights, self.room_id.as_str(), stream_id.as_str()).is_ok()
        };
        let notice = (!self.publishing.iter().all(is_covered)).then_some(ErrorCode::RenewedWithoutPublish);
        Ok(vec![send(ServerMessage::TokenRenewed(TokenRenewed {
            id,
            expire_at: self.grant.token().map_or(0, |token| token.expire_at.get()),
            server_time: now.get(),
            privileges: privilege_names(&self.grant),
            rights: SessionRights::default(),
            notice,
        }))])
    }

    /// The strict end: own streams, then played ones, then the user.
    fn end_expired(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for stream_id in std::mem::take(&mut self.publishing) {
            effects.push(send(ServerMessage::PublishStopped(stopped(&stream_id, ErrorCode::PublishTokenExpired))));
            effects.push(Effect::StopStream(stream_id));
        }
        for stream_id in std::mem::take(&mut self.playing) {
            effects.push(send(ServerMessage::PlayStopped(stopped(&stream_id, ErrorCode::PlayTokenExpired))));
        }
        effects.extend(self.end(ErrorCode::KickedTokenExpired));
        effects
    }

    fn leave(&mut self, last_word: Effect, departure: Departure) -> Vec<Effect> {
        self.ended = true;
        vec![last_word, Effect::Leave(departure)]
    }

    fn is_expired(&self, now: UnixSeconds) -> bool {
        self.grant.token().is_some_and(|token| now >= token.expire_at)
    }
}

/// The privileges of `grant`, as the wire names them.
pub(super) fn privilege_names(grant: &Grant) -> Vec<SessionPrivilege> {
    let name = |privilege| match privilege {
        Privilege::Login => SessionPrivilege::Login,
        Privilege::Publish => SessionPrivilege::Publish,
    };
    grant.rights().privileges().iter().map(name).collect()
}

fn warning_at(token: &SessionToken, settings: &AppSettings) -> UnixSeconds {
    let lead = i64::try_from(settings.will_expire_lead_secs).unwrap_or(i64::MAX);
    UnixSeconds::new(token.expire_at.get().saturating_sub(lead))
}

fn checked(stream_id: impl Into<String>) -> Result<StreamId, Refused> {
    StreamId::new(stream_id).map_err(|_| (ErrorCode::StreamIdInvalid, None))
}

fn stopped(stream_id: &StreamId, code: ErrorCode) -> StreamStopped {
    StreamStopped { stream_id: stream_id.as_str().to_owned(), code, number: code.row().number }
}

fn send(message: ServerMessage) -> Effect {
    Effect::Send(message)
}

fn ok(id: u64) -> ServerMessage {
    ServerMessage::Ok(OkReply { id })
}

fn error(id: u64, (code, reason): Refused) -> ServerMessage {
    let message = ErrorMessage::new(Some(id), code);
    ServerMessage::Error(ErrorMessage { reason: reason.map(str::to_owned), ..message })
}
