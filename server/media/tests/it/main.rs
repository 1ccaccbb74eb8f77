//! The media plane with real WebRTC peers over loopback: what goes through, and what never does.
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod aiortc;
mod call;
mod client;
mod coturn;
mod harness;
mod hostile;
mod json;
mod rights;
mod transport;
mod turn;
