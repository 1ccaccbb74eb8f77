//! What passes over the bus, in numbers.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Counts that many hands add to.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: Count,
    pub(super) heard: Count,
    pub(super) dropped: Count,
    pub(super) failed: Count,
    pub(super) reconnects: Count,
    round_trip_micros: AtomicU64,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

/// What has passed over a node's end of the bus since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Commands sent.
    pub sent: u64,
    /// Commands that were not answered.
    pub failed: u64,
    /// News and questions of other nodes heard.
    pub heard: u64,
    /// Of those, how many were thrown away because nobody took them in fast enough. Boards are read again then.
    pub dropped: u64,
    /// Times that the connection was made again.
    pub reconnects: u64,
    /// How many wait to be taken in.
    pub waiting: usize,
    /// How long the last sign of life took to the bus and back.
    pub round_trip: Duration,
}

impl Count {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    pub(super) fn took(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.round_trip_micros.store(micros, Ordering::Relaxed);
    }

    pub(super) fn tally(&self, waiting: usize) -> Tally {
        Tally {
            sent: self.sent.get(),
            failed: self.failed.get(),
            heard: self.heard.get(),
            dropped: self.dropped.get(),
            reconnects: self.reconnects.get(),
            waiting,
            round_trip: Duration::from_micros(self.round_trip_micros.load(Ordering::Relaxed)),
        }
    }
}
