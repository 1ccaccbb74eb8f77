//! What comes due in a stay: the warning, the expiry, rights that end early, the longest stay.

use std::time::Duration;

use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, PrivilegesChanged, ServerMessage, StreamStopped, TokenExpired, TokenWillExpire},
};
use token_gen::{OnExpiry, Rights, StreamId, UnixSeconds};

use super::{Effect, Session, send};
use crate::{
    apps::{AppSettings, ExpiryPolicy},
    login::SessionToken,
};

/// What the user has heard of the present token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    expiry: Expiry,
    /// Which rights have ended: to log in, to publish, to play.
    ended: [bool; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Expiry {
    #[default]
    Nothing,
    WillExpire,
    Expired,
}

/// What happens at the token's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtExpiry {
    Keep,
    StopPublish,
    Kick { after: Duration },
}

impl AtExpiry {
    /// What the token says, or else the app.
    pub(super) fn of(rights: &Rights, settings: &AppSettings) -> Self {
        match rights.terms().on_expiry {
            Some(OnExpiry::Keep) => Self::Keep,
            Some(OnExpiry::StopPublish) => Self::StopPublish,
            Some(OnExpiry::Kick) => Self::Kick { after: Duration::ZERO },
            Some(OnExpiry::Grace(after)) => Self::Kick { after },
            None => match settings.on_expiry {
                ExpiryPolicy::Soft => Self::Keep,
                ExpiryPolicy::StopPublish => Self::StopPublish,
                ExpiryPolicy::Strict => Self::Kick { after: Duration::from_secs(settings.expiry_grace_secs) },
            },
        }
    }
}

impl Session {
    /// When [`Session::pass_time`] has something to do, unless something else happens first.
    pub(in crate::gateway) fn deadline(&self, settings: &AppSettings) -> Option<UnixSeconds> {
        if self.ended {
            return None;
        }
        let of_token = self.grant.token().and_then(|token| {
            let expiry = match (self.told.expiry, AtExpiry::of(&token.rights, settings)) {
                (Expiry::Nothing, _) => Some(warning_at(token, settings)),
                (Expiry::WillExpire, _) => Some(token.expire_at),
                (Expiry::Expired, AtExpiry::Kick { after }) => Some(token.expire_at.saturating_add(after)),
                (Expiry::Expired, _) => None,
            };
            let ends = untils(token).into_iter().zip(self.told.ended);
            ends.filter_map(|(until, is_told)| until.filter(|_| !is_told)).chain(expiry).min()
        });
        self.stay_until.into_iter().chain(of_token).min()
    }

    /// What has come due by `now`.
    pub(in crate::gateway) fn pass_time(&mut self, settings: &AppSettings, now: UnixSeconds) -> Vec<Effect> {
        if self.ended {
            return Vec::new();
        }
        if self.stay_until.is_some_and(|until| now >= until) {
            return self.put_out(ErrorCode::KickedStayOver, [ErrorCode::KickedStayOver; 2]);
        }
        let Some(token) = self.grant.token() else { return Vec::new() };
        let (expire_at, at_expiry) = (token.expire_at, AtExpiry::of(&token.rights, settings));
        if let AtExpiry::Kick { after } = at_expiry
            && now >= expire_at.saturating_add(after)
        {
            let codes = [ErrorCode::PublishTokenExpired, ErrorCode::PlayTokenExpired];
            return self.put_out(ErrorCode::KickedTokenExpired, codes);
        }
        let room_id = self.room_id.as_str().to_owned();
        let mut effects = Vec::new();
        if now >= expire_at {
            if at_expiry == AtExpiry::StopPublish {
                effects.extend(self.stop_own(ErrorCode::PublishTokenExpired, GoneReason::Removed));
            }
            if self.told.expiry != Expiry::Expired {
                self.told.expiry = Expiry::Expired;
                let expired = TokenExpired { room_id, expire_at: expire_at.get() };
                effects.push(send(ServerMessage::TokenExpired(expired)));
            }
        } else if now >= warning_at(token, settings) && self.told.expiry == Expiry::Nothing {
            self.told.expiry = Expiry::WillExpire;
            effects.push(send(ServerMessage::TokenWillExpire(TokenWillExpire {
                room_id,
                remain_secs: expire_at.duration_since(now).as_secs(),
                expire_at: expire_at.get(),
                server_time: now.get(),
            })));
        }
        effects.extend(self.end_rights(settings, at_expiry, now));
        effects
    }

    /// The present token has been replaced: everything about it is still to be told.
    pub(super) fn forget_told(&mut self) {
        self.told = Told::default();
    }

    /// The client may have missed the warning, or the end: what still holds of it comes again.
    pub(in crate::gateway) fn resumed(&mut self) {
        self.told.expiry = Expiry::Nothing;
    }

    /// Rights that end before their token.
    fn end_rights(&mut self, settings: &AppSettings, at_expiry: AtExpiry, now: UnixSeconds) -> Vec<Effect> {
        let Some(token) = self.grant.token() else { return Vec::new() };
        let ended = untils(token).map(|until| until.is_some_and(|until| now >= until));
        let was = std::mem::replace(&mut self.told.ended, ended);
        if ended == was {
            return Vec::new();
        }
        let mut effects = vec![send(ServerMessage::PrivilegesChanged(PrivilegesChanged {
            room_id: self.room_id.as_str().to_owned(),
            privileges: self.privileges(now),
            rights: self.session_rights(settings),
            server_time: now.get(),
        }))];
        if ended[1] && at_expiry != AtExpiry::Keep {
            effects.extend(self.stop_own(ErrorCode::PublishTokenExpired, GoneReason::Removed));
        }
        if ended[2] && matches!(at_expiry, AtExpiry::Kick { .. }) {
            effects.extend(self.stop_playing(ErrorCode::PlayTokenExpired));
        }
        effects
    }

    /// Stops this session's own streams.
    fn stop_own(&mut self, code: ErrorCode, reason: GoneReason) -> Vec<Effect> {
        let mut effects = Vec::new();
        for stream_id in std::mem::take(&mut self.publishing).into_keys() {
            effects.push(send(ServerMessage::PublishStopped(stopped(&stream_id, code))));
            effects.push(Effect::StopStream(stream_id, reason));
        }
        effects
    }

    /// Stops what this session plays.
    pub(super) fn stop_playing(&mut self, code: ErrorCode) -> impl Iterator<Item = Effect> + use<> {
        let playing = std::mem::take(&mut self.playing).into_iter();
        playing.map(move |stream_id| send(ServerMessage::PlayStopped(stopped(&stream_id, code))))
    }

    /// The strict end: own streams, then played ones, then the user.
    fn put_out(&mut self, code: ErrorCode, [publish, play]: [ErrorCode; 2]) -> Vec<Effect> {
        let mut effects = self.stop_own(publish, GoneReason::Kicked);
        effects.extend(self.stop_playing(play));
        effects.extend(self.end(code));
        effects
    }
}

/// A token with little time is warned of in the middle of its life, not before.
fn warning_at(token: &SessionToken, settings: &AppSettings) -> UnixSeconds {
    let life = token.expire_at.duration_since(token.issued_at);
    let lead = settings.will_expire_lead().min(life / 2);
    UnixSeconds::new(token.expire_at.get().saturating_sub_unsigned(lead.as_secs()))
}

fn untils(token: &SessionToken) -> [Option<UnixSeconds>; 3] {
    let terms = token.rights.terms();
    [terms.login_until, terms.publish_until, terms.play_until]
}

pub(super) fn stopped(stream_id: &StreamId, code: ErrorCode) -> StreamStopped {
    StreamStopped { stream_id: stream_id.as_str().to_owned(), code, number: code.row().number }
}
