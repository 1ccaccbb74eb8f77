//! The rules as scripts, and the gateway over real sockets.

mod abuse;
mod app_sign;
mod crowd;
mod forged;
#[path = "../../../tests/support/frames.rs"]
mod frames;
mod harness;
mod journey;
mod log;
mod media;
mod media_rights;
mod modes;
mod pages;
mod present_token;
mod privileges;
mod renewal;
mod replayed;
mod resume;
mod rooms;
mod session;
mod session_terms;
mod shut_out;
mod slow;
mod whip;
mod withheld;
