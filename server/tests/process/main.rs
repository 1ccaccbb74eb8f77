//! The `roompass` binary as its users meet it: processes, files, signals, raw HTTP.

mod config;
mod dev;
mod harness;
mod serve;
