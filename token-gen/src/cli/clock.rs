//! The one place where the command line reads the time.

use std::time::SystemTime;

use token_gen::UnixSeconds;

/// The second it is now.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the command line; everything else takes `now`")]
pub(super) fn now() -> UnixSeconds {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixSeconds::new(0).saturating_add(since_1970)
}
