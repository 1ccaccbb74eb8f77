//! What the gateway announces to webhooks and to whoever watches. Nobody waits for it.

use roompass_wire::{
    http::{FeedEvent, FeedKind},
    webhook::{Refused, RefusedOperation},
};
use token_gen::{AppId, TokenId, UnixSeconds};

use super::Gateway;
use crate::{feed, login::Refusal, webhooks::millis};

/// Whom a refusal is about, as far as that is known and may be written down.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a> {
    pub(super) user_id: Option<&'a str>,
    pub(super) room_id: Option<&'a str>,
    pub(super) token: Option<&'a str>,
}

impl Gateway {
    /// Tells whoever watches that somebody in a room has shown a good token.
    pub(super) fn announce_renewed(&self, app_id: AppId, about: About<'_>, now: UnixSeconds) {
        if let Some(feed) = &self.feed {
            feed.note(app_id, now, || said_of(FeedKind::TokenRenewed, about, now));
        }
    }

    /// Announces that a login or a renewal was refused.
    pub(super) fn announce_refused(
        &self,
        app_id: u32,
        operation: RefusedOperation,
        refusal: &Refusal,
        about: About<'_>,
        now: UnixSeconds,
    ) {
        let Ok(app_id) = AppId::new(app_id) else { return };
        // Of an app that is not there nobody watches anything.
        if let Some(feed) = self.feed.as_ref().filter(|_| self.directory.holds(app_id)) {
            feed.note_refused(app_id, now, || refused(operation, refusal, about, now));
        }
        let Some(webhooks) = &self.webhooks else { return };
        webhooks.announce_refused(
            app_id,
            Refused {
                operation,
                code: refusal.code,
                reason: refusal.exact.to_owned(),
                user_id: about.user_id.map(str::to_owned),
                room_id: about.room_id.map(str::to_owned),
                token_id: about.token.map(|token| TokenId::of(token).into()),
                count: 1,
                first_at_ms: millis(now),
            },
        );
    }
}

fn refused(operation: RefusedOperation, refusal: &Refusal, about: About<'_>, now: UnixSeconds) -> FeedEvent {
    let kind = if operation == RefusedOperation::Renew { FeedKind::RenewalRefused } else { FeedKind::LoginRefused };
    FeedEvent { reason: Some(refusal.exact.to_owned()), code: Some(refusal.code), ..said_of(kind, about, now) }
}

fn said_of(kind: FeedKind, about: About<'_>, now: UnixSeconds) -> FeedEvent {
    FeedEvent {
        room_id: about.room_id.map(str::to_owned),
        user_id: about.user_id.map(str::to_owned),
        ..feed::event(kind, now)
    }
}
