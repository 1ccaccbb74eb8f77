//! The SDK against a scripted peer over real sockets. The real server is met in the workspace's own tests.
//!
//! No test sleeps: each waits for a message, an event or a state, and moves the SDK's time by hand where it matters.

#[cfg(test)]
mod docs;
#[cfg(test)]
mod http_calls;
#[cfg(test)]
mod login;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod renewal;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod room;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod states;
#[cfg(test)]
mod switch;
#[cfg(test)]
mod talk;
