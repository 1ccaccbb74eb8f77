//! The part of a store that hands out everything sealed in it, wherever it is: to check it, or to seal it again.

use async_trait::async_trait;

use super::StoreError;
use crate::sealing::{Place, SealError};

/// Looks at one sealed value.
pub type Visit = Box<dyn FnMut(Place<'_>, &[u8]) + Send>;
/// Replaces one sealed value.
pub type Reseal = Box<dyn FnMut(Place<'_>, &[u8]) -> Result<Vec<u8>, SealError> + Send>;

/// Knows where sealed values are, and not how to open them.
#[async_trait]
pub trait SealedStore: Send + Sync + 'static {
    /// Shows every sealed value to `visit`.
    async fn visit_sealed(&self, visit: Visit) -> Result<(), StoreError>;

    /// Replaces every sealed value, all in one transaction or none; says how many. An app whose secrets are sealed
    /// anew counts its version up, so that nobody puts back what he read before.
    async fn reseal(&self, reseal: Reseal) -> Result<u64, StoreError>;

    /// What is wrong with the store itself: damage, records that refer to nothing. Empty when it is sound. Slow.
    async fn faults(&self) -> Result<Vec<String>, StoreError>;
}
