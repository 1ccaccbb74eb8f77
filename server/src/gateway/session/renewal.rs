//! Replacing the token of a stay.

use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, ServerMessage, TokenRenewed},
};
use token_gen::{MediaKinds, StreamId, UnixSeconds};

use super::{Effect, Refused, Session, send, time::stopped};
use crate::{
    apps::{AppSettings, RenewalPolicy},
    login::{Grant, Refusal, SessionToken},
};

impl Session {
    /// Whether `token`, which is good, may replace the present one.
    pub(in crate::gateway) fn may_renew(&self, token: &SessionToken) -> Result<(), Refused> {
        let Grant::Token(present) = &self.grant else {
            return Err((ErrorCode::AppSignSession, Some("app_sign_session")));
        };
        token.covers_room(self.room_id.as_str()).map_err(public)?;
        if token.issued_at < present.issued_at {
            return Err((ErrorCode::TokenInvalid, None));
        }
        Ok(())
    }

    /// A refused renewal changes nothing.
    pub(super) fn renew(
        &mut self,
        settings: &AppSettings,
        id: u64,
        opened: Result<SessionToken, Refusal>,
        now: UnixSeconds,
    ) -> Result<Vec<Effect>, Refused> {
        if self.grant.token().is_none() {
            return Err((ErrorCode::AppSignSession, Some("app_sign_session")));
        }
        let token = opened.map_err(public)?;
        self.may_renew(&token)?;
        if self.grant.token().is_none_or(|present| present.token_id != token.token_id) {
            // A stay may become shorter, never longer.
            let max_stay = token.rights.terms().max_stay;
            let until = max_stay.map(|max_stay| self.entered_at.saturating_add(max_stay));
            self.stay_until = self.stay_until.into_iter().chain(until).min();
            self.grant = Grant::Token(token);
            self.forget_told();
        }
        let uncovered: Vec<StreamId> = self
            .publishing
            .iter()
            .filter(|&(stream_id, &media)| !self.covers(settings, stream_id, media, now))
            .map(|(stream_id, _)| stream_id.clone())
            .collect();
        let mut effects = vec![send(ServerMessage::TokenRenewed(TokenRenewed {
            id,
            expire_at: self.grant.token().map_or(0, |token| token.expire_at.get()),
            server_time: now.get(),
            privileges: self.privileges(now),
            rights: self.session_rights(settings),
            notice: (!uncovered.is_empty()).then_some(ErrorCode::RenewedWithoutPublish),
        }))];
        if settings.on_renew == RenewalPolicy::Enforce {
            effects.extend(self.enforce(uncovered, now));
        }
        Ok(effects)
    }

    fn covers(&self, settings: &AppSettings, stream_id: &StreamId, media: MediaKinds, now: UnixSeconds) -> bool {
        self.permit_publish(settings, stream_id, media).is_ok() && self.grant.rights().publish_in_time(now).is_ok()
    }

    /// Stops what the present token does not allow.
    fn enforce(&mut self, uncovered: Vec<StreamId>, now: UnixSeconds) -> Vec<Effect> {
        let mut effects = Vec::new();
        for stream_id in uncovered {
            self.publishing.remove(&stream_id);
            effects.push(send(ServerMessage::PublishStopped(stopped(&stream_id, ErrorCode::PublishDenied))));
            effects.push(Effect::StopStream(stream_id, GoneReason::Removed));
        }
        let in_time = self.grant.rights().play_in_time(now).is_ok();
        let (kept, denied): (Vec<_>, Vec<_>) = std::mem::take(&mut self.playing)
            .into_iter()
            .partition(|stream_id| in_time && self.permit_play(stream_id).is_ok());
        self.playing.extend(kept);
        for stream_id in denied {
            effects.push(send(ServerMessage::PlayStopped(stopped(&stream_id, ErrorCode::PlayDenied))));
        }
        effects
    }
}

fn public(refusal: Refusal) -> Refused {
    (refusal.code, refusal.reason)
}
