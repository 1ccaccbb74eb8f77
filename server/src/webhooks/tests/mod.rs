//! Webhooks with a real receiver over sockets, and a clock that is moved by hand.

mod deliveries;
mod events;
mod harness;
mod nodes;
mod targets;
