//! File descriptors. Each connection needs one, and so do the store, the log and those who ask how we are.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept for everything that is no connection of a client: files of the store or connections to it, the
/// listeners, the connections of whoever watches this process.
const RESERVED: usize = 48;

/// Asks for as many descriptors as this process may have at all, and returns how many it has.
fn raise() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where it is refused, things stay as they are.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        limit = getrlimit(Resource::Nofile);
    }
    limit.current.map_or(usize::MAX, |current| current.try_into().unwrap_or(usize::MAX))
}

/// How many connections may be open, if `wanted` are: no more than there are descriptors for. A server that has none
/// left could accept nobody, and could not tell anybody either.
pub(crate) fn connections(wanted: usize) -> usize {
    wanted.min(within(raise()))
}

fn within(limit: usize) -> usize {
    // In a very small process half of them.
    limit.saturating_sub(RESERVED).max(limit / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        assert_eq!([within(65_536), within(100), within(64), within(1)], [65_488, 52, 32, 1]);
    }
}
