//! What every list takes and every answer carries.

use serde::{Deserialize, Serialize};

/// Names a request, so that sending it again is not doing it again: 1 to 128 visible ASCII characters, remembered for
/// 24 h. The same request with the same key gets the same answer; another request with the same key is refused.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// On an answer that was given before: `true`.
pub const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";
/// On every answer: the server's clock, in Unix seconds.
pub const SERVER_TIME: &str = "roompass-server-time";

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// How many entries at most: 1 to 1,000, 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
    /// Where to go on: the `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl ListQuery {
    /// The most entries of a page.
    pub const MAX_LIMIT: u32 = 1000;
    /// The entries of a page, unless asked otherwise.
    pub const DEFAULT_LIMIT: u32 = 100;
}

/// Which page of a list, and of which of its entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SearchQuery {
    /// Those with this in an id that they name, or as the operation says; all, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub search: Option<String>,
    /// How many entries at most: 1 to 1,000, 100 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
    /// Where to go on: the `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl SearchQuery {
    /// The longest text that is searched for, in bytes.
    pub const MAX_SEARCH_BYTES: usize = 255;

    /// The page, and the text that is searched for; `""` if none is.
    pub fn split(self) -> (ListQuery, String) {
        (ListQuery { limit: self.limit, cursor: self.cursor }, self.search.unwrap_or_default())
    }
}
