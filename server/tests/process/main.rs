//! The `roompass` binary as its users meet it: processes, files, signals, raw HTTP.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod api_fuzz;
mod audit;
mod config;
mod core_dump;
mod crash;
mod deploy;
mod descriptors;
mod dev;
mod harness;
mod idle;
#[path = "../support/kept.rs"]
mod kept;
mod nonces;
mod operate;
mod postgres;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod replay;
mod restart;
mod restore;
mod rooms;
mod rotation;
mod serve;
mod setup;
mod tls;
mod watching;
mod webhooks;
