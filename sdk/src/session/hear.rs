//! What the server says to a user who is in the room: answers, changes of the room, news about the token and the rights.

use std::time::Duration;

use roompass_wire::{
    ErrorCode,
    gateway::{ErrorMessage, ServerMessage, TokenRenewed, TokenWillExpire},
};
use token_gen::UnixSeconds;

use super::{
    End, Request, Session, Wish,
    stay::{Moving, Visit},
};
use crate::{error::Error, event::Event, publication::Publication, state::Kick};

/// The longest time for which a server that stops is believed to stay.
const LONGEST_NOTICE: Duration = Duration::from_secs(300);

impl Session {
    pub(super) fn hear(&mut self, visit: &mut Visit, message: ServerMessage) -> Result<Option<End>, Error> {
        let change = match message {
            ServerMessage::Ok(reply) => {
                return Ok(visit.take(reply.id).and_then(|request| self.succeeded(request)));
            }
            ServerMessage::Error(error) => return self.hear_error(visit, error),
            ServerMessage::Kicked(kicked) if kicked.may_reconnect => {
                return Err(ErrorMessage::new(None, kicked.code).into());
            }
            ServerMessage::Kicked(kicked) => return Ok(Some(End::Kicked(kicked.into()))),
            ServerMessage::RoomUsers(change) => self.picture().roster.change_users(change)?,
            ServerMessage::RoomStreams(change) => self.picture().roster.change_streams(change)?,
            ServerMessage::RoomExtra(change) => self.picture().roster.change_room_extra(change)?,
            ServerMessage::UserExtra(change) => self.picture().roster.change_user_extra(change)?,
            ServerMessage::RoomMessage(message) => self.picture().roster.hear(message)?,
            ServerMessage::Signal(signal) => self.picture().roster.hear_signal(signal),
            other => {
                self.hear_news(visit, other);
                None
            }
        };
        change.into_iter().for_each(|event| self.tell(event));
        Ok(None)
    }

    /// Takes what concerns this user alone.
    fn hear_news(&mut self, visit: &mut Visit, message: ServerMessage) {
        match message {
            ServerMessage::LoggedIn(logged_in) => {
                if let Some(request) = visit.take(logged_in.id) {
                    visit.asking = None;
                    self.switched(request, logged_in);
                }
            }
            ServerMessage::TokenRenewed(renewed) => self.renewed(visit, renewed),
            ServerMessage::TokenWillExpire(warning) => self.warned(&warning),
            ServerMessage::TokenExpired(expired) => {
                self.tell(Event::TokenExpired { expire_at: UnixSeconds::new(expired.expire_at) });
            }
            ServerMessage::ServerMessage(message) => self.tell(Event::ServerMessage(message)),
            ServerMessage::PrivilegesChanged(changed) => {
                {
                    let mut picture = self.picture();
                    picture.admission.privileges.clone_from(&changed.privileges);
                    picture.admission.rights = changed.rights.clone();
                }
                self.tell(Event::PrivilegesChanged { privileges: changed.privileges, rights: changed.rights });
            }
            ServerMessage::PublishStopped(stopped) => {
                self.publishing.retain(|published| published.stream_id.as_str() != stopped.stream_id);
                self.tell(Event::PublishStopped { stream_id: stopped.stream_id, code: stopped.code });
            }
            ServerMessage::PlayStopped(stopped) => {
                self.playing.retain(|played| played.as_str() != stopped.stream_id);
                self.tell(Event::PlayStopped { stream_id: stopped.stream_id, code: stopped.code });
            }
            ServerMessage::Reconnect(reconnect) => {
                let within = Duration::from_secs(reconnect.within_secs).min(LONGEST_NOTICE);
                let now = self.now();
                tracing::info!(?within, "the server stops; going elsewhere");
                visit.moving = Some(Moving { at: now + within.mul_f64(self.chance()), at_last: now + within });
            }
            // Nothing else concerns a user who is in the room.
            _ => {}
        }
    }

    fn hear_error(&mut self, visit: &mut Visit, error: ErrorMessage) -> Result<Option<End>, Error> {
        let Some(id) = error.id else {
            // The fault is the connection's; the server closes it.
            let kick = Kick::of(&error);
            let error = Error::from(error);
            return if error.is_retryable() { Err(error) } else { Ok(Some(End::Kicked(kick))) };
        };
        Ok(visit.take(id).and_then(|request| self.failed(request, error.into())))
    }

    fn succeeded(&mut self, request: Request) -> Option<End> {
        match &request.wish {
            Wish::Publish(publication) => {
                self.publishing.retain(|published| published.stream_id != publication.stream_id);
                self.publishing.push(publication.clone());
            }
            Wish::SetUserExtra(extra) => self.user_extra = Some(extra.clone()).filter(|extra| !extra.is_empty()),
            Wish::Play(stream_id) if !self.playing.contains(stream_id) => self.playing.push(stream_id.clone()),
            Wish::Logout => return Some(End::Left(request.reply)),
            _ => {}
        }
        request.answer(Ok(()));
        None
    }

    fn failed(&mut self, request: Request, error: Error) -> Option<End> {
        if let Wish::Switch(_) = request.wish {
            return self.not_switched(request, error);
        }
        if request.reply.is_some() {
            request.answer(Err(error));
            return None;
        }
        let code = error.code().unwrap_or(ErrorCode::Unknown);
        match request.wish {
            Wish::Publish(_) if code == ErrorCode::AlreadyPublishing => {}
            Wish::Publish(Publication { stream_id, .. }) => {
                self.publishing.retain(|published| published.stream_id != stream_id);
                self.tell(Event::PublishStopped { stream_id: stream_id.into_string(), code });
            }
            Wish::Play(stream_id) => {
                self.playing.retain(|played| *played != stream_id);
                self.tell(Event::PlayStopped { stream_id: stream_id.into_string(), code });
            }
            Wish::Renew(_) => self.renewal_failed(error),
            _ => tracing::debug!(%error, "could not be done again"),
        }
        None
    }

    fn renewed(&mut self, visit: &mut Visit, renewed: TokenRenewed) {
        let Some(Request { wish: Wish::Renew(token), reply }) = visit.take(renewed.id) else { return };
        // If the app renewed by hand, a call under way has become pointless, unless it is for another room.
        if visit.switching.is_none() {
            visit.asking = None;
        }
        self.token = Some(token);
        self.token_refused = false;
        self.renewal.succeeded();
        self.correct_time(renewed.server_time);
        let expire_at = UnixSeconds::new(renewed.expire_at);
        self.plan_renewal(Some(expire_at));
        let token_ends = self.local_end(Some(expire_at));
        {
            let mut picture = self.picture();
            picture.token_ends = token_ends;
            picture.admission.expire_at = Some(expire_at);
            picture.admission.privileges.clone_from(&renewed.privileges);
            picture.admission.rights = renewed.rights.clone();
        }
        tracing::info!(expire_at = expire_at.get(), "the token is renewed");
        let TokenRenewed { privileges, rights, notice, .. } = renewed;
        self.tell(Event::TokenRenewed { expire_at, privileges, rights, notice });
        if let Some(reply) = reply {
            let _ = reply.send(Ok(()));
        }
    }

    fn warned(&mut self, warning: &TokenWillExpire) {
        self.correct_time(warning.server_time);
        let left = Duration::from_secs(warning.remain_secs);
        let token_ends = self.local_end(Some(UnixSeconds::new(warning.expire_at)));
        self.picture().token_ends = token_ends;
        if self.renews_by_itself() {
            self.renewal.warned(self.now(), left, self.chance());
        } else {
            self.tell(Event::TokenWillExpire { left, expire_at: UnixSeconds::new(warning.expire_at) });
        }
    }
}
