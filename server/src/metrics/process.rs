//! What the operating system says of this process, by the names that every exporter uses. Of systems without `/proc`,
//! nothing.

use std::fs;

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// A look at this process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: i64,
    pub(super) open_fds: i64,
    pub(super) max_fds: i64,
}

impl Look {
    /// Now.
    pub(super) fn take() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the process, in brackets, may hold anything.
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<i64>().ok();
        let ticks = number(11)? + number(12)?;
        // One of them is the folder that is being read.
        let open_fds = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        let max_fds = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Some(Self {
            cpu_seconds: ticks as f64 / clock_ticks_per_second() as f64,
            resident_bytes: number(21)? * i64::try_from(page_size()).ok()?,
            open_fds: i64::try_from(open_fds).ok()?,
            max_fds: i64::try_from(max_fds).unwrap_or(i64::MAX),
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_is_seen() {
        let before = Look::take().unwrap();
        let files: Vec<_> = (0..100).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let after = Look::take().unwrap();
        assert!(after.open_fds >= before.open_fds + 50, "{before:?} {after:?}");
        assert!(after.resident_bytes > 1_000_000 && after.max_fds >= after.open_fds);
        drop(files);
    }
}
