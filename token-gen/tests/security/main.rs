//! What an attacker may try on a token, row by row of the security specification: each test names what it proves.
//!
//! Tokens to attack are made by `forge`, which seals with the cipher crates directly and shares no code with the
//! writer, so that it can also make what the writer would refuse.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod access;
mod claims;
mod forge;
mod limits;
mod noise;
mod properties;
mod published;
mod randomness;
mod tamper;
