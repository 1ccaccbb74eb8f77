//! Guides, each a page: one for each way to log in, the way from AppSign to tokens, and what to do about errors.

#[doc = include_str!("../docs/app-sign.md")]
pub mod app_sign {}

#[doc = include_str!("../docs/token-preferred.md")]
pub mod token_preferred {}

#[doc = include_str!("../docs/token-only.md")]
pub mod token_only {}

#[doc = include_str!("../docs/migration.md")]
pub mod migration {}

#[doc = include_str!("../docs/troubleshooting.md")]
pub mod troubleshooting {}
