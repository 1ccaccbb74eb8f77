//! The part of a store that keeps revocations, bans, and the latest time seen.

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};

use super::StoreError;
use crate::{bans::Ban, entry_id::EntryId, revocations::Revocation};

/// Where a list goes on: after the entry with this name.
pub type After = Option<EntryId>;

/// Where a list over all apps goes on: after the entry of this app with this name.
pub type AfterInAll = Option<(AppId, EntryId)>;

/// Keeps what must outlive a restart so that nothing comes to life by one.
#[async_trait]
pub trait RevocationStore: Send + Sync + 'static {
    /// Keeps `revocation`, and returns what is kept now: with one of the same target there before, the later
    /// `issued_before` and `expire_at` of the two, and the rest as it was. [`StoreError::Missing`] without its app.
    async fn put_revocation(&self, revocation: Revocation) -> Result<Revocation, StoreError>;

    /// One revocation.
    async fn revocation(&self, app_id: AppId, id: EntryId) -> Result<Option<Revocation>, StoreError>;

    /// Up to `limit` revocations of an app, in the order of their names, with `search` in the id of their user, room or
    /// token; all, if that is empty.
    async fn revocations(
        &self,
        app_id: AppId,
        after: After,
        search: &str,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError>;

    /// Up to `limit` revocations of all apps, by app and name, from the one after `after`.
    async fn all_revocations(&self, after: AfterInAll, limit: u32) -> Result<Vec<Revocation>, StoreError>;

    /// Forgets up to `limit` revocations whose `expire_at` is not after `now`; says how many it forgot.
    async fn delete_ended_revocations(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError>;

    /// Keeps `ban` in place of an earlier one of the same target. [`StoreError::Missing`] without its app.
    async fn put_ban(&self, ban: Ban) -> Result<(), StoreError>;

    /// One ban.
    async fn ban(&self, app_id: AppId, id: EntryId) -> Result<Option<Ban>, StoreError>;

    /// Up to `limit` bans of an app, in the order of their names, with `search` in the id of their user or room or in
    /// their range of addresses; all, if that is empty.
    async fn bans(&self, app_id: AppId, after: After, search: &str, limit: u32) -> Result<Vec<Ban>, StoreError>;

    /// Up to `limit` bans of all apps, by app and name, from the one after `after`.
    async fn all_bans(&self, after: AfterInAll, limit: u32) -> Result<Vec<Ban>, StoreError>;

    /// Lifts a ban. `false` if there is none by that name.
    async fn delete_ban(&self, app_id: AppId, id: EntryId) -> Result<bool, StoreError>;

    /// Forgets up to `limit` bans whose `expire_at` is not after `now`; says how many it forgot.
    async fn delete_ended_bans(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError>;

    /// The latest time noted.
    async fn latest_time(&self) -> Result<Option<UnixSeconds>, StoreError>;

    /// Notes that it is `now`; an earlier time than the one noted changes nothing.
    async fn note_time(&self, now: UnixSeconds) -> Result<(), StoreError>;

    /// Puts `now` in place of whatever time is noted: an operator has looked at the clock.
    async fn reset_time(&self, now: UnixSeconds) -> Result<(), StoreError>;
}
