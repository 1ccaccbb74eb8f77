//! The part of a store that tells what changed, so that every process on it can follow.

use async_trait::async_trait;
use token_gen::AppId;

use super::StoreError;

/// What kind of record changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// An app: its settings, its AppSign or its ring; or its webhook endpoints.
    App,
    /// A backend key.
    Key,
    /// A revocation.
    Revocation,
    /// A ban.
    Ban,
    /// An admin, or what belongs to one.
    Admin,
    /// The key that the secrets are sealed with.
    MasterKey,
}

impl ChangeKind {
    /// The id, among changes of an app, of its webhook endpoints.
    pub const WEBHOOKS: &str = "webhooks";

    /// Every kind.
    pub const ALL: [Self; 6] = [Self::App, Self::Key, Self::Revocation, Self::Ban, Self::Admin, Self::MasterKey];

    /// The word it is stored as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Key => "key",
            Self::Revocation => "revocation",
            Self::Ban => "ban",
            Self::Admin => "admin",
            Self::MasterKey => "master_key",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A record that was added, changed or removed: which one, not how. Whoever follows reads it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Counts the changes of a store, with gaps.
    pub seq: i64,
    /// What changed.
    pub kind: ChangeKind,
    /// The app it is of.
    pub app_id: Option<AppId>,
    /// Its id within the app; empty for the app itself, [`ChangeKind::WEBHOOKS`] for its webhook endpoints.
    pub id: String,
}

/// Remembers changes. Each is written in the transaction that makes it.
#[async_trait]
pub trait ChangeStore: Send + Sync + 'static {
    /// The number of the latest change; 0 before any.
    async fn latest_change(&self) -> Result<i64, StoreError>;

    /// Up to `limit` changes after `seq`, in order. `None` if some of them have been forgotten: whoever asks must
    /// read everything again. A change never appears with a number below one that was returned before.
    async fn changes_since(&self, seq: i64, limit: u32) -> Result<Option<Vec<Change>>, StoreError>;

    /// Forgets all but the latest `keep` changes, at least one; says how many it forgot.
    async fn forget_changes(&self, keep: u32) -> Result<usize, StoreError>;

    /// Returns when the store hears that something may have changed since the last time. It may hear nothing, so
    /// whoever follows also asks from time to time.
    async fn change_announced(&self) {
        std::future::pending().await
    }
}
