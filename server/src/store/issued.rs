//! The part of a store that keeps which CBC tokens were minted here.

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};

use super::StoreError;
use crate::issued::Issued;

/// A token that was minted here, and its place in the order in which they were noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuedRecord {
    /// Counts them, with gaps.
    pub seq: i64,
    /// The app it is of.
    pub app_id: AppId,
    /// The token.
    pub issued: Issued,
}

/// Keeps a ledger.
#[async_trait]
pub trait IssuedStore: Send + Sync + 'static {
    /// Notes tokens of an app, all or none; [`StoreError::Missing`] without the app.
    async fn note_issued(&self, app_id: AppId, issued: Vec<Issued>) -> Result<(), StoreError>;

    /// Up to `limit` tokens noted after `seq`, in order. None appears with a number below one that was returned before.
    async fn issued_after(&self, seq: i64, limit: u32) -> Result<Vec<IssuedRecord>, StoreError>;

    /// Forgets up to `limit` tokens whose `expire_at` is not after `now`; says how many it forgot.
    async fn delete_expired_issued(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError>;
}
