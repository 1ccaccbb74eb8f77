//! The messages of the room gateway: JSON text frames over one WebSocket, one user's stay in one room.
//!
//! The server speaks first ([`ServerMessage::Hello`]), the client's first message is [`ClientMessage::Login`] or
//! [`ClientMessage::Resume`]. Every client message carries an `id` of the client's choosing and gets exactly one reply
//! that repeats it.

mod client;
mod close;
mod media;
mod rights;
mod server;

pub use client::*;
pub use close::CloseCode;
pub use media::*;
pub use rights::{AuthKind, GoneReason, MediaKind, OnExpiry, SessionPrivilege, SessionRights};
pub use server::*;

/// Where the gateway is: a WebSocket upgrade.
pub const GATEWAY_PATH: &str = "/v1/gateway";
/// The WebSocket subprotocol, with its version; the client must offer it.
pub const SUBPROTOCOL: &str = "roompass.v1";
