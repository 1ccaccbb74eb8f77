//! Everybody at once: five thousand clients of one server. A program of its own, since it takes half of the files that
//! a process may open, and no logs are kept of it.

mod crowd;
mod renewal;
mod restart;

use tokio::sync::Mutex;

/// One crowd at a time.
static TURN: Mutex<()> = Mutex::const_new(());
