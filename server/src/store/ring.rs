//! The part of a store that counts how the secrets of a ring are used, and the AppSigns.

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};

use super::StoreError;

/// How a secret or an AppSign has been used, by every process together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUseRecord {
    /// The app.
    pub app_id: AppId,
    /// The secret in its ring, or an AppSign, as [`AppRecord::app_sign_ids`](super::AppRecord::app_sign_ids) names it.
    pub secret_id: String,
    /// How many tokens it has opened, or logins it has proven.
    pub used_count: u64,
    /// When it last did.
    pub last_used_at: Option<UnixSeconds>,
    /// How many mints it has been reserved for: never less than it was used for.
    pub mints_reserved: u64,
}

/// Keeps counts. They are not part of an app: counting changes no version and is no change to follow.
#[async_trait]
pub trait RingStore: Send + Sync + 'static {
    /// Every count, by app and secret.
    async fn secret_uses(&self) -> Result<Vec<SecretUseRecord>, StoreError>;

    /// The counts of one app, by secret.
    async fn secret_uses_of(&self, app_id: AppId) -> Result<Vec<SecretUseRecord>, StoreError>;

    /// Adds each `used_count` to what is there and moves each `last_used_at` forward, never back. Reserves nothing.
    /// What is of no app any more is passed over.
    async fn add_secret_uses(&self, uses: Vec<SecretUseRecord>) -> Result<(), StoreError>;

    /// Reserves `count` more mints; returns how many are reserved now. [`StoreError::Missing`] without the app.
    async fn reserve_mints(&self, app_id: AppId, secret_id: &str, count: u64) -> Result<u64, StoreError>;
}
