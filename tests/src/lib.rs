//! The harness of the end-to-end tests: a real server in this process on a free port, real SDK clients, and one
//! clock for all of them that the test moves. Knows no private item of any crate.

mod dev;
mod listener;
pub mod logs;
mod program;
mod relay;
mod world;

use std::time::Duration;

pub use dev::{run_script, run_script_with, start_dev};
pub use listener::Listener;
pub use program::program;
pub use relay::Relay;
pub use world::{TestApp, World, next_event};

/// Far more than anything here takes; a test that waits this long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
