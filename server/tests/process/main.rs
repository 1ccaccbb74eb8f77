//! The `roompass` binary as its users meet it: processes, files, signals, raw HTTP.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod config;
mod crash;
mod dev;
mod harness;
mod operate;
mod serve;
