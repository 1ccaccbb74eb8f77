//! What waits for a worker: commands, which are few and never lost, before packets, of which only so many may wait.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{command::Command, net::Datagram};

/// Packets that may wait for a worker; what comes while as many wait is dropped, as a full socket would.
const WAITING: usize = 4096;
/// Packets taken at once, so that a command never waits for more.
const BATCH: usize = 32;

#[derive(Debug, Default)]
struct Waiting {
    commands: VecDeque<Command>,
    datagrams: VecDeque<Datagram>,
    /// Whether the worker is gone.
    is_closed: bool,
}

/// The queue before a worker.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Inbox {
    /// Hands it over; if the worker is gone, drops it, which whoever waits for an answer notices.
    pub(crate) fn command(&self, command: Command) {
        let mut waiting = self.lock();
        if !waiting.is_closed {
            waiting.commands.push_back(command);
            self.arrived.notify_one();
        }
    }

    /// The worker goes: whatever waits is dropped, and whatever comes.
    pub(crate) fn close(&self) {
        *self.lock() = Waiting { is_closed: true, ..Waiting::default() };
    }

    /// Whether there was room for it.
    pub(crate) fn datagram(&self, datagram: Datagram) -> bool {
        let mut waiting = self.lock();
        if waiting.is_closed || waiting.datagrams.len() >= WAITING {
            return false;
        }
        waiting.datagrams.push_back(datagram);
        // The worker sees for itself what came while it was busy.
        if waiting.datagrams.len() == 1 {
            self.arrived.notify_one();
        }
        true
    }

    /// Everything commanded and some packets; waits until `deadline` if there is neither.
    pub(crate) fn take(&self, deadline: Option<Instant>, datagrams: &mut Vec<Datagram>) -> VecDeque<Command> {
        let mut waiting = self.lock();
        if waiting.commands.is_empty() && waiting.datagrams.is_empty() {
            let until = deadline.map_or(Duration::from_secs(1), |at| at.saturating_duration_since(Instant::now()));
            waiting = self.arrived.wait_timeout(waiting, until).unwrap_or_else(PoisonError::into_inner).0;
        }
        let batch = waiting.datagrams.len().min(BATCH);
        datagrams.extend(waiting.datagrams.drain(..batch));
        std::mem::take(&mut waiting.commands)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
