//! Callers and those who only pretend, over real sockets.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod abuse;
mod floods;
mod guessing;
mod harness;
#[path = "../support/kept.rs"]
mod kept;
mod signed;
#[path = "../support/trace.rs"]
mod trace;
