//! The part of a store that sees to it that what may happen once happens once.

use async_trait::async_trait;
use token_gen::UnixSeconds;

use super::StoreError;

/// A request that names itself, so that sending it again is not doing it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestName {
    /// The app it is about; 0 for requests about no app.
    pub app_id: u32,
    /// The name: of the caller and the key the caller chose, together.
    pub request_id: String,
}

/// A wish to be the one who does the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The request.
    pub name: RequestName,
    /// SHA-256 of all that the request asks for.
    pub fingerprint: [u8; 32],
    /// The current time.
    pub now: UnixSeconds,
    /// Claims made before this and never answered count as given up.
    pub given_up_before: UnixSeconds,
    /// When the request is forgotten.
    pub expire_at: UnixSeconds,
    /// How many requests an app may have remembered.
    pub max_requests: u32,
    /// How many bytes of answers an app may have remembered.
    pub max_bytes: u64,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// It is yours to do. The number goes with the answer.
    Mine(i64),
    /// Somebody is doing it.
    Busy,
    /// It has been done; this was the answer.
    Done(Vec<u8>),
    /// The name stands for another request.
    Differs,
    /// There is no room to remember another one.
    Full,
}

/// Remembers what was done.
#[async_trait]
pub trait OnceStore: Send + Sync + 'static {
    /// Claims a request; of many who try, one gets it.
    async fn claim_request(&self, claim: Claim) -> Result<Claimed, StoreError>;

    /// Keeps the answer to the request claimed as `attempt`. `false` if another has claimed it since.
    async fn answer_request(&self, name: RequestName, attempt: i64, answer: Vec<u8>) -> Result<bool, StoreError>;

    /// Gives the claim `attempt` back: the request was not done.
    async fn release_request(&self, name: RequestName, attempt: i64) -> Result<(), StoreError>;

    /// Forgets up to `limit` requests whose `expire_at` is not after `now`; says how many it forgot.
    async fn delete_ended_requests(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError>;
}
