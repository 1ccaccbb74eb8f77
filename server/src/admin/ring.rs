//! The ring of an app: rotating, retiring and listing its secrets.

use std::time::Duration;

use rand::rngs::SysRng;
use roompass_wire::{http::SecretPurpose, webhook};
use token_gen::{AppId, MAX_LIFETIME, ServerSecret, UnixSeconds};

use super::{
    Admin,
    apps::randomness,
    seal::{fingerprint, open_secret, settings_of},
};
use crate::{
    apps::uses::{ERROR_AT, NOTICE_AT, REFUSE_AT, UsedLately},
    audit::{Action, Event},
    error::Error,
    store::{AppRecord, Purpose, SecretRecord},
    webhooks::millis,
};

/// The most secrets that verify at the same time: each one more is tried on every forged token.
const MAX_LIVE: usize = 8;

/// A rotation to make.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// What the new secret is for.
    pub purpose: Purpose,
    /// How long the present one goes on verifying once the new one mints; the app's longest lifetime if `None`. Zero
    /// retires it at once, and ends the sessions of its tokens.
    pub overlap: Option<Duration>,
}

/// What a rotation made. The secret is shown once.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// Names the new secret.
    pub secret_id: String,
    /// The new secret.
    pub secret: ServerSecret,
    /// Until when the one before verifies; `None` if there was none.
    pub previous_valid_until: Option<UnixSeconds>,
}

/// What a secret still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretState {
    /// Seals and opens.
    Active,
    /// Opens, until its date.
    Previous,
    /// Does nothing: its date is past, or it was retired.
    Ended,
}

/// A secret of the ring as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView {
    /// Names it.
    pub secret_id: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What it still does.
    pub state: SecretState,
    /// Eight hexadecimal digits to recognise it by.
    pub fingerprint: String,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// Until when it verifies; `None` for the active one.
    pub valid_until: Option<UnixSeconds>,
    /// When an operator ended it before its time.
    pub retired_at: Option<UnixSeconds>,
    /// When it last opened a token.
    pub last_used_at: Option<UnixSeconds>,
    /// How many tokens it has opened.
    pub used_count: u64,
    /// How many of them lately, by this process.
    pub opened_lately: UsedLately,
    /// How many tokens it may have sealed here; runs ahead by up to a block for each process.
    pub mints_reserved: u64,
}

impl Admin {
    /// Makes a new active secret; the present one goes on verifying until its date.
    ///
    /// # Errors
    /// [`Error::AppUnknown`]; [`Error::Field`] for an overlap beyond the longest lifetime of any token; a conflict if
    /// the app was changed meanwhile, or has as many live secrets as it may.
    pub async fn rotate(&self, app_id: AppId, rotation: Rotation) -> Result<Rotated, Error> {
        let now = self.clock.now();
        let mut record = self.store().app(app_id).await?.ok_or(Error::AppUnknown)?;
        let max_ttl = settings_of(&record)?.max_ttl();
        let overlap = checked_overlap(rotation.overlap.unwrap_or(max_ttl))?;
        self.require_our_key().await?;

        forget_long_ended(&mut record, now);
        let is_live = |secret: &&SecretRecord| {
            secret.purpose == rotation.purpose && secret.valid_until.is_none_or(|until| now < until)
        };
        if !overlap.is_zero() && record.secrets.iter().filter(is_live).count() >= MAX_LIVE {
            let reason = format!("must be 0, or retire one first: {MAX_LIVE} secrets verify already");
            return Err(Error::field("overlap_secs", reason));
        }
        let previous_valid_until = end_active(&mut record, rotation.purpose, overlap, self.store().spread(), now);
        let secret = ServerSecret::generate(&mut SysRng).map_err(randomness)?;
        let entry = self.seal_secret(app_id, rotation.purpose, &secret, now)?;
        let secret_id = entry.secret_id.clone();
        record.secrets.push(entry);
        let event = Event::of(Action::RotateSecret, app_id).about(&*secret_id).saying(rotation.purpose.as_str());
        self.replace(Event { expire_at: previous_valid_until, ..event }, record, now).await?;
        tracing::info!(%app_id, secret_id, purpose = rotation.purpose.as_str(), "secret rotated");
        let rotated = webhook::SecretRotated {
            secret_id: secret_id.clone(),
            purpose: match rotation.purpose {
                Purpose::Gcm => SecretPurpose::Gcm,
                Purpose::Cbc => SecretPurpose::Cbc,
            },
            previous_valid_until_ms: previous_valid_until.map(millis),
        };
        self.webhooks.announce(app_id, webhook::Event::SecretRotated(rotated)).await;
        Ok(Rotated { secret_id, secret, previous_valid_until })
    }

    /// Ends a previous secret at once, and with it the sessions of its tokens. Doing it twice is fine.
    ///
    /// # Errors
    /// [`Error::AppUnknown`]; [`Error::Missing`] without such a secret; [`Error::Field`] for the active one.
    pub async fn retire(&self, app_id: AppId, secret_id: &str) -> Result<(), Error> {
        let now = self.clock.now();
        let mut record = self.store().app(app_id).await?.ok_or(Error::AppUnknown)?;
        let secret =
            record.secrets.iter_mut().find(|secret| secret.secret_id == secret_id).ok_or(Error::Missing("secret"))?;
        if secret.retired_at.is_some() {
            return Ok(());
        }
        let Some(valid_until) = secret.valid_until else {
            let reason = "is the active secret: rotate with overlap_secs 0, which retires it";
            return Err(Error::field("secret_id", reason));
        };
        secret.valid_until = Some(valid_until.min(now));
        secret.retired_at = Some(now);
        self.replace(Event::of(Action::RetireSecret, app_id).about(secret_id), record, now).await?;
        tracing::info!(%app_id, secret_id, "secret retired");
        let retired = webhook::SecretRetired { secret_id: secret_id.to_owned() };
        self.webhooks.announce(app_id, webhook::Event::SecretRetired(retired)).await;
        Ok(())
    }

    /// The ring: active secrets first, then the latest.
    ///
    /// # Errors
    /// [`Error::AppUnknown`]; [`Error::Sealed`].
    pub async fn ring(&self, app_id: AppId) -> Result<Vec<SecretView>, Error> {
        // What is counted here and not written down yet belongs to the answer.
        self.note_last_used().await?;
        let now = self.clock.now();
        let record = self.store().app(app_id).await?.ok_or(Error::AppUnknown)?;
        let counts = self.store().secret_uses_of(app_id).await?;
        let view = |secret: &SecretRecord| {
            let count = counts.iter().find(|count| count.secret_id == secret.secret_id);
            Ok(SecretView {
                secret_id: secret.secret_id.clone(),
                purpose: secret.purpose,
                state: match secret.valid_until {
                    None => SecretState::Active,
                    Some(until) if now < until => SecretState::Previous,
                    Some(_) => SecretState::Ended,
                },
                fingerprint: fingerprint(
                    open_secret(&self.sealer, app_id, &secret.secret_id, &secret.sealed)?.expose(),
                ),
                created_at: secret.created_at,
                valid_until: secret.valid_until,
                retired_at: secret.retired_at,
                last_used_at: count.and_then(|count| count.last_used_at),
                used_count: count.map_or(0, |count| count.used_count),
                opened_lately: self.uses.of(app_id, &secret.secret_id, None).used_lately(now),
                mints_reserved: count.map_or(0, |count| count.mints_reserved),
            })
        };
        let mut ring = record.secrets.iter().map(view).collect::<Result<Vec<_>, Error>>()?;
        ring.sort_by_key(|secret| std::cmp::Reverse((secret.valid_until.is_none(), secret.valid_until)));
        Ok(ring)
    }

    /// Puts a changed app in the place of the one that was read, with a record of the change.
    pub(super) async fn replace(&self, event: Event, mut record: AppRecord, now: UnixSeconds) -> Result<(), Error> {
        record.updated_at = now;
        let app_id = record.app_id;
        self.recorder.change(event, self.store().update_app(record)).await?;
        self.reload_app(app_id).await
    }
}

fn checked_overlap(overlap: Duration) -> Result<Duration, Error> {
    if overlap > MAX_LIFETIME {
        return Err(Error::field("overlap_secs", format!("must be at most {}", MAX_LIFETIME.as_secs())));
    }
    Ok(overlap)
}

/// Ends it at once, or `overlap` after the new one begins to mint.
fn end_active(
    record: &mut AppRecord,
    purpose: Purpose,
    overlap: Duration,
    spread: Duration,
    now: UnixSeconds,
) -> Option<UnixSeconds> {
    let mut secrets = record.secrets.iter_mut();
    let active = secrets.find(|secret| secret.purpose == purpose && secret.valid_until.is_none())?;
    let is_at_once = overlap.is_zero();
    active.valid_until = Some(if is_at_once { now } else { now.saturating_add(spread).saturating_add(overlap) });
    active.retired_at = is_at_once.then_some(now);
    active.valid_until
}

/// No token of theirs can be alive, so nobody will ask why it is refused.
fn forget_long_ended(record: &mut AppRecord, now: UnixSeconds) {
    record.secrets.retain(|secret| secret.valid_until.is_none_or(|until| now < until.saturating_add(MAX_LIFETIME)));
}

/// Says in the log when the number of seals has just passed a mark.
pub(super) fn warn_of_age(app_id: AppId, secret_id: &str, before: u64, reserved: u64) {
    let passed = |mark| before < mark && mark <= reserved;
    if passed(REFUSE_AT) {
        tracing::error!(%app_id, secret_id, reserved, "the secret seals no more tokens: rotate it now");
    } else if passed(ERROR_AT) {
        tracing::error!(%app_id, secret_id, reserved, "the secret has sealed 2^31 tokens: rotate it today");
    } else if passed(NOTICE_AT) {
        tracing::warn!(%app_id, secret_id, reserved, "the secret has sealed 2^28 tokens: rotate it soon");
    }
}
