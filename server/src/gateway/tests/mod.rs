//! The rules as scripts, and the gateway over real sockets.

mod abuse;
mod app_sign;
mod crowd;
mod forged;
mod harness;
mod journey;
mod log;
mod media;
mod modes;
mod pages;
mod renewal;
mod resume;
mod rooms;
mod session;
mod session_terms;
mod shut_out;
mod whip;
