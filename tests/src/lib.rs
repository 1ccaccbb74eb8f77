//! The harness of the end-to-end tests: a real server in this process on a free port, real SDK clients, and one
//! clock for all of them that the test moves. Knows no private item of any crate.

pub mod logs;
mod world;

pub use world::{TestApp, World, next_event};
