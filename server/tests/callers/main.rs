//! Callers and those who only pretend, over real sockets.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod abuse;
mod guessing;
mod harness;
mod signed;
