//! Minting many tokens at once.

use serde::{Deserialize, Serialize};

use super::{MintRequest, MintResponse};
use crate::Problem;

/// `POST`: mints up to [`MintBatchRequest::MAX_ITEMS`] tokens.
pub const TOKENS_BATCH_PATH: &str = "/v1/apps/{app_id}/tokens/batch";

/// Asks for many tokens. Each is minted or refused on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MintBatchRequest {
    /// What to mint: 1 to 1,000.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 1000))]
    pub items: Vec<MintRequest>,
}

impl MintBatchRequest {
    /// The most items in one request.
    pub const MAX_ITEMS: usize = 1000;
}

/// The answer to a [`MintBatchRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MintBatchResponse {
    /// What became of each item, in the order of the request.
    pub items: Vec<MintBatchItem>,
    /// The server's clock when it answered, in Unix seconds.
    pub server_time: i64,
}

/// What became of one item: a token, or the problem that a request of its own would have been answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum MintBatchItem {
    /// Refused.
    Refused {
        /// Why.
        problem: Problem,
    },
    /// Minted.
    Minted(MintResponse),
}
