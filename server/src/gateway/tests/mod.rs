//! The rules as scripts, and the gateway over real sockets.

mod abuse;
mod harness;
mod journey;
mod log;
mod pages;
mod session;
mod shut_out;
