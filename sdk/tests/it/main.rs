//! The SDK against a scripted peer over real sockets. The real server is met in the workspace's own tests.
//!
//! No test sleeps: each waits for a message, an event or a state, and moves the SDK's time by hand where it matters.

mod http_calls;
mod login;
mod peer;
mod reconnect;
mod renewal;
mod room;
mod secrets;
