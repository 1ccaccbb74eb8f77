//! The AppSign of an app: showing it, resetting it, and ending the one before.

use std::time::Duration;

use rand::rngs::SysRng;
use roompass_wire::webhook;
use token_gen::{AppId, AppSign, UnixSeconds};

use super::{
    Admin,
    apps::randomness,
    seal::{app_sign_place, open_app_sign, previous_app_sign_place},
};
use crate::{
    apps::uses::UsedLately,
    audit::{Action, Event},
    error::Error,
    store::AppRecord,
    webhooks::millis,
};

/// Longer than any client build is in use: ten years of 365 days.
const MAX_APP_SIGN_OVERLAP: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What a reset made. The AppSign is shown once.
#[derive(Debug, Clone)]
pub struct ResetAppSign {
    /// The new AppSign.
    pub app_sign: AppSign,
    /// Until when the one before proves logins.
    pub previous_valid_until: UnixSeconds,
}

/// An AppSign as operators see it: how it is used, and not what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSignView {
    /// Until when it proves logins; `None` for the present one.
    pub valid_until: Option<UnixSeconds>,
    /// When a login last proved it.
    pub last_used_at: Option<UnixSeconds>,
    /// How many logins have proven it.
    pub used_count: u64,
    /// How many of them lately, by this process.
    pub used_lately: UsedLately,
}

impl Admin {
    /// The AppSign, and until when the one before proves logins. That it was shown is on record first.
    ///
    /// # Errors
    /// [`Error::AppUnknown`]; [`Error::Sealed`]; [`Error::AuditUnavailable`].
    pub async fn show_app_sign(&self, app_id: AppId) -> Result<(AppSign, Option<UnixSeconds>), Error> {
        let now = self.clock.now();
        let record = self.store().app(app_id).await?.ok_or(Error::AppUnknown)?;
        let app_sign = async { open_app_sign(&self.sealer, app_sign_place(app_id), &record.app_sign) };
        let app_sign = self.recorder.change(Event::of(Action::ShowAppSign, app_id), app_sign).await?;
        let until = record.previous_app_sign.map(|(_, until)| until).filter(|&until| now < until);
        Ok((app_sign, until))
    }

    /// Makes a new AppSign; the present one goes on proving logins for `overlap`. Zero ends it at once, and whatever
    /// was before it.
    ///
    /// # Errors
    /// As [`Admin::rotate`]. [`Error::Field`] as long as the AppSign before the present one proves logins: it was
    /// promised until its date, and there is room for one.
    pub async fn reset_app_sign(&self, app_id: AppId, overlap: Duration) -> Result<ResetAppSign, Error> {
        if overlap > MAX_APP_SIGN_OVERLAP {
            let reason = format!("must be at most {}", MAX_APP_SIGN_OVERLAP.as_secs());
            return Err(Error::field("overlap_secs", reason));
        }
        let now = self.clock.now();
        let mut record = self.store().app(app_id).await?.ok_or(Error::AppUnknown)?;
        self.require_our_key().await?;
        if let Some((_, until)) = record.previous_app_sign.as_ref().filter(|(_, until)| now < *until)
            && !overlap.is_zero()
        {
            let reason = format!("must be 0, or retire the one before first: it proves logins until {until}");
            return Err(Error::field("overlap_secs", reason));
        }
        let present = open_app_sign(&self.sealer, app_sign_place(app_id), &record.app_sign)?;
        let previous_valid_until = now.saturating_add(overlap);
        let app_sign = AppSign::generate(&mut SysRng).map_err(randomness)?;
        record.app_sign = self.seal_app_sign(app_sign_place(app_id), &app_sign)?;
        let previous = self.seal_app_sign(previous_app_sign_place(app_id), &present)?;
        record.app_sign_resets += 1;
        record.previous_app_sign = (!overlap.is_zero()).then_some((previous, previous_valid_until));
        let event = Event { expire_at: Some(previous_valid_until), ..Event::of(Action::ResetAppSign, app_id) };
        self.replace(event, record, now).await?;
        tracing::info!(%app_id, "AppSign reset");
        let reset = webhook::AppSignReset { previous_valid_until_ms: millis(previous_valid_until) };
        self.webhooks.announce(app_id, webhook::Event::AppSignReset(reset)).await;
        Ok(ResetAppSign { app_sign, previous_valid_until })
    }

    /// Ends the AppSign before the present one at once: nobody logs in with it any more. Who is in a room stays there.
    ///
    /// # Errors
    /// [`Error::AppUnknown`]; [`Error::Missing`] without one.
    pub async fn retire_app_sign(&self, app_id: AppId) -> Result<(), Error> {
        let now = self.clock.now();
        let mut record = self.store().app(app_id).await?.ok_or(Error::AppUnknown)?;
        record.previous_app_sign.take().ok_or(Error::Missing("AppSign before the present one"))?;
        self.replace(Event::of(Action::RetireAppSign, app_id), record, now).await?;
        tracing::info!(%app_id, "AppSign retired");
        Ok(())
    }

    /// The AppSigns of an app that prove logins, the present one first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(super) async fn app_signs_of(&self, record: &AppRecord) -> Result<Vec<AppSignView>, Error> {
        let (app_id, now) = (record.app_id, self.clock.now());
        let counts = self.store().secret_uses_of(app_id).await?;
        let previous = record.previous_app_sign.as_ref().map(|(_, until)| Some(*until));
        let ids = record.app_sign_ids().into_iter().zip([None].into_iter().chain(previous));
        let view = |(id, valid_until): (String, Option<UnixSeconds>)| {
            let counts = counts.iter().find(|count| count.secret_id == id);
            let here = self.uses.of(app_id, &id, None);
            // What is counted here and not written down yet belongs to the answer. In this order, nothing is in it twice.
            let (unwritten, latest) = here.unwritten();
            AppSignView {
                valid_until,
                last_used_at: counts.and_then(|counts| counts.last_used_at).max(latest),
                used_count: counts.map_or(0, |counts| counts.used_count) + unwritten,
                used_lately: here.used_lately(now),
            }
        };
        Ok(ids.filter(|(_, valid_until)| valid_until.is_none_or(|until| now < until)).map(view).collect())
    }
}
