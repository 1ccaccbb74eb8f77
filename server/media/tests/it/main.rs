//! The media plane with real WebRTC peers over loopback: what goes through, and what never does.

mod call;
mod client;
mod harness;
mod hostile;
mod rights;
mod transport;
