//! The `roompass` binary as its users meet it: processes, files, signals, raw HTTP.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod api_fuzz;
mod config;
mod crash;
mod deploy;
mod dev;
mod harness;
mod operate;
mod postgres;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod rooms;
mod serve;
mod tls;
mod webhooks;
