//! The `roompass` binary as its users meet it: processes, files, signals, raw HTTP.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod abuse;
mod api_fuzz;
mod app_sign;
mod audit;
mod bad_config;
mod bombs;
mod config;
mod core_dump;
mod crash;
mod deploy;
mod descriptors;
mod dev;
mod disk;
#[expect(dead_code, reason = "the tests of the gateway use all of it")]
#[path = "../support/frames.rs"]
mod frames;
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
mod socket;
mod tls;
mod watching;
mod webhooks;
