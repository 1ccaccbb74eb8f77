//! The rules as scripts, and the gateway over real sockets.

mod abuse;
mod harness;
mod journey;
mod log;
mod resume;
mod rooms;
mod session;
mod shut_out;
