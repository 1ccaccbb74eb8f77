//! Durable state: the [`Store`] trait, its records, its errors. A store keeps what it is given: it knows nothing of
//! HTTP, rooms, rules or keys to open what is sealed.

mod admins;
mod audit;
mod changes;
#[cfg(test)]
pub(crate) mod contract;
mod group_commit;
mod issued;
mod migrations;
mod nonces;
mod once;
mod postgres;
mod revocations;
mod ring;
mod sealed;
mod sqlite;
mod timings;
mod url;
mod used_tokens;
mod webhooks;

use std::{error::Error as StdError, sync::Arc, time::Duration};

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};

pub use admins::{AdminRecord, AdminStore, SessionRecord, SetupCodeRecord};
pub use audit::{
    AuditChain, AuditFilter, AuditRecord, AuditRetention, AuditStore, AuditWalk, ChainStart, RefusalCount,
    RefusalCounts, RefusalSpans,
};
pub use changes::{Change, ChangeKind, ChangeStore};
pub use issued::{IssuedRecord, IssuedStore};
pub use nonces::NonceStore;
pub use once::{Claim, Claimed, OnceStore, RequestName};
#[cfg(test)]
pub(crate) use postgres::server as postgres_server;
pub use postgres::{PostgresStore, PostgresUrl};
pub use revocations::{After, AfterInAll, RevocationStore};
pub use ring::{RingStore, SecretUseRecord};
pub use sealed::{Reseal, SealedStore, Visit};
pub use sqlite::{Location, SqliteStore};
pub use timings::Timings;
pub use url::StoreUrl;
pub use used_tokens::UsedTokenStore;
pub use webhooks::{
    ClaimedDelivery, DeliveryClaim, DeliveryFilter, DeliveryRecord, DeliveryState, EndpointRecord, FinishedAttempt,
    NewDelivery, WebhookStore,
};

/// Keeps records. A write that has returned survives the loss of the process and of power.
#[async_trait]
pub trait Store:
    RevocationStore
    + OnceStore
    + AdminStore
    + NonceStore
    + ChangeStore
    + RingStore
    + SealedStore
    + AuditStore
    + IssuedStore
    + WebhookStore
    + UsedTokenStore
{
    /// Brings the schema up to this binary's version.
    async fn migrate(&self) -> Result<(), StoreError>;

    /// How long it takes.
    fn timings(&self) -> &Timings;

    /// How long it takes at most until all who work on this store know of a change; zero if one does.
    fn spread(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// A small named value. `None`, too, while the schema does not exist yet.
    async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Adds a small named value; [`StoreError::Conflict`] if there is one by that name.
    async fn insert_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Every app, by number.
    async fn apps(&self) -> Result<Vec<AppRecord>, StoreError>;

    /// Up to `limit` apps by number, from the one after `after`.
    async fn apps_after(&self, after: Option<AppId>, limit: u32) -> Result<Vec<AppRecord>, StoreError>;

    /// The same, only of apps with `search` in their name, whatever the case of `a`–`z`, or with a number that begins so.
    async fn find_apps(&self, search: &str, after: Option<AppId>, limit: u32) -> Result<Vec<AppRecord>, StoreError>;

    /// One app.
    async fn app(&self, app_id: AppId) -> Result<Option<AppRecord>, StoreError>;

    /// Adds an app; [`StoreError::Conflict`] if the number is taken.
    async fn insert_app(&self, app: AppRecord) -> Result<(), StoreError>;

    /// Replaces an app and its ring if the stored version is still `app.version`, and counts the version up;
    /// [`StoreError::Conflict`] if it is not, or if there is no such app.
    async fn update_app(&self, app: AppRecord) -> Result<(), StoreError>;

    /// Up to `limit` backend keys of all apps and of none, by id, from the one after `after`.
    async fn all_keys(&self, after: &str, limit: u32) -> Result<Vec<KeyRecord>, StoreError>;

    /// One backend key.
    async fn key(&self, key_id: &str) -> Result<Option<KeyRecord>, StoreError>;

    /// Up to `limit` backend keys of `app_id` (`None`: of no app) by id, from the one after `after`.
    async fn keys_after(&self, app_id: Option<AppId>, after: &str, limit: u32) -> Result<Vec<KeyRecord>, StoreError>;

    /// The same, only of keys with `search` in their name, whatever the case of `a`–`z`, or with an id that begins so.
    async fn find_keys(
        &self,
        app_id: Option<AppId>,
        search: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeyRecord>, StoreError>;

    /// Adds a backend key; [`StoreError::Conflict`] if the id is taken, [`StoreError::Missing`] without its app.
    async fn insert_key(&self, key: KeyRecord) -> Result<(), StoreError>;

    /// Removes a backend key of `app_id` (`None`: of no app). `false` if there is none by that id.
    async fn delete_key(&self, app_id: Option<AppId>, key_id: &str) -> Result<bool, StoreError>;

    /// Notes when keys were last used; a key that is gone is passed over, and time never goes back.
    async fn touch_keys(&self, used: Vec<(String, UnixSeconds)>) -> Result<(), StoreError>;
}

/// An app as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRecord {
    /// The app's number.
    pub app_id: AppId,
    /// Counts its changes, from 1.
    pub version: i64,
    /// The settings, as JSON.
    pub settings: String,
    /// The AppSign, sealed.
    pub app_sign: Vec<u8>,
    /// The AppSign before it, sealed, and until when it proves logins.
    pub previous_app_sign: Option<(Vec<u8>, UnixSeconds)>,
    /// How often the AppSign was reset.
    pub app_sign_resets: i64,
    /// The ring of server secrets, by id.
    pub secrets: Vec<SecretRecord>,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// When it was last changed.
    pub updated_at: UnixSeconds,
}

impl AppRecord {
    /// Names the AppSign where uses are counted, and the one before it, if there is one. Each reset makes a new name, so
    /// nobody who has not heard of it counts for the wrong one.
    pub fn app_sign_ids(&self) -> Vec<String> {
        let previous = self.previous_app_sign.as_ref().map(|_| self.app_sign_resets - 1);
        [self.app_sign_resets].into_iter().chain(previous).map(|reset| format!("app_sign:{reset}")).collect()
    }
}

/// What a secret is for. A secret for one purpose never seals or opens for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Tokens with AES-GCM.
    Gcm,
    /// Tokens with AES-CBC, which are not authenticated.
    Cbc,
}

impl Purpose {
    /// The word it is stored as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gcm => "gcm",
            Self::Cbc => "cbc",
        }
    }

    /// The purpose of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Gcm, Self::Cbc].into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// A server secret as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Names it within its app.
    pub secret_id: String,
    /// What it seals and opens.
    pub purpose: Purpose,
    /// The secret, sealed.
    pub sealed: Vec<u8>,
    /// Until when it verifies; `None` for the active one, of which an app has at most one for each purpose.
    pub valid_until: Option<UnixSeconds>,
    /// When an operator ended it before its time.
    pub retired_at: Option<UnixSeconds>,
    /// When it was made.
    pub created_at: UnixSeconds,
}

/// A backend key as stored: enough to recognise the key, not to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Names it; part of the key's text.
    pub key_id: String,
    /// The app it is of; `None` for an operator's key.
    pub app_id: Option<AppId>,
    /// SHA-256 of the key's text.
    pub hash: [u8; 32],
    /// The key's text, sealed, if it is one that signs.
    pub sealed: Option<Vec<u8>>,
    /// What people call it.
    pub name: String,
    /// What it may do, as JSON.
    pub scope: String,
    /// When it ends.
    pub expire_at: Option<UnixSeconds>,
    /// When it was last used.
    pub last_used_at: Option<UnixSeconds>,
    /// When it was made.
    pub created_at: UnixSeconds,
}

/// Why a store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It exists already, or was changed meanwhile.
    #[error("it exists already, or was changed meanwhile")]
    Conflict,
    /// It refers to something that is not there.
    #[error("it refers to something that is not there")]
    Missing,
    /// The store could not be reached or failed. Whether a write has happened is unknown.
    #[error("the store does not answer")]
    Unavailable(#[source] Arc<dyn StdError + Send + Sync>),
    /// The disk is full, read-only or broken. Nothing was written.
    #[error("the store's disk is full or cannot be written")]
    CannotWrite(#[source] Arc<dyn StdError + Send + Sync>),
    /// What is stored makes no sense to this binary.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
    /// The store cannot be used from the start; the text says what to do.
    #[error("{0}")]
    Unusable(String),
}
