//! The contract between Roompass clients and servers: HTTP bodies, gateway messages, error codes.
//!
//! Serde types and nothing else: no I/O, no clock, no cryptography, no rules. Ids are plain strings here; whoever
//! receives one checks it. `README.md` beside this crate describes the same contract for readers of any language.

pub mod gateway;
pub mod http;
mod problem;
#[cfg(feature = "openapi")]
pub mod schema;
pub mod signed;
pub mod webhook;

pub use problem::{CodeRow, ErrorCode, Problem};
