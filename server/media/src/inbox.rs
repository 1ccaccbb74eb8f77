//! What waits for a worker: commands, which are few and never lost, before packets, of which only so many may wait.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{read, write},
};

use crate::{command::Command, net::Datagram};

/// Packets that may wait for a worker; what comes while as many wait is dropped, as a full socket would.
const WAITING: usize = 4096;
/// The least that is slept if nothing comes: what is due a moment later is done in the same go.
const GATHER: Duration = Duration::from_millis(1);
/// Packets taken at once, so that a command never waits for more.
pub(crate) const BATCH: usize = 32;

#[derive(Debug, Default)]
struct Waiting {
    commands: VecDeque<Command>,
    datagrams: VecDeque<Datagram<Box<[u8]>>>,
    /// Whether the worker is gone.
    is_closed: bool,
}

/// The queue before a worker.
#[derive(Debug)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    /// Readable while something may wait.
    bell: OwnedFd,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { waiting: Mutex::default(), bell })
    }

    /// Hands it over; if the worker is gone, drops it, which whoever waits for an answer notices.
    pub(crate) fn command(&self, command: Command) {
        let mut waiting = self.lock();
        if !waiting.is_closed {
            waiting.commands.push_back(command);
            self.ring();
        }
    }

    /// Whether there was room for it.
    pub(crate) fn datagram(&self, datagram: Datagram<Box<[u8]>>) -> bool {
        let mut waiting = self.lock();
        if waiting.is_closed || waiting.datagrams.len() >= WAITING {
            return false;
        }
        waiting.datagrams.push_back(datagram);
        if waiting.datagrams.len() == 1 {
            self.ring();
        }
        true
    }

    /// Waits until something has come, `socket` is readable, or it is `deadline`. Whether the socket is readable.
    pub(crate) fn wait(&self, deadline: Option<Instant>, socket: Option<BorrowedFd<'_>>) -> bool {
        let until = deadline.map_or(Duration::from_secs(1), |at| at.saturating_duration_since(Instant::now()));
        let until = if until.is_zero() { until } else { until.max(GATHER) };
        let until = Timespec { tv_sec: until.as_secs() as i64, tv_nsec: i64::from(until.subsec_nanos()) };
        let own = PollFd::from_borrowed_fd(self.bell.as_fd(), PollFlags::IN);
        let mut watched = [own.clone(), socket.map_or(own, |socket| PollFd::from_borrowed_fd(socket, PollFlags::IN))];
        let count = if socket.is_some() { 2 } else { 1 };
        // A signal may end the wait early, which does no harm.
        let came = poll(&mut watched[..count], Some(&until)).unwrap_or(0);
        if came > 0 && !watched[0].revents().is_empty() {
            // It is only ever empty or not.
            let _ = read(&self.bell, &mut [0; 8]);
        }
        count == 2 && came > 0 && !watched[1].revents().is_empty()
    }

    /// Everything commanded and some packets. Rings again for the rest.
    pub(crate) fn take(&self, datagrams: &mut Vec<Datagram<Box<[u8]>>>) -> VecDeque<Command> {
        let mut waiting = self.lock();
        let batch = waiting.datagrams.len().min(BATCH);
        datagrams.extend(waiting.datagrams.drain(..batch));
        if !waiting.datagrams.is_empty() {
            self.ring();
        }
        std::mem::take(&mut waiting.commands)
    }

    /// The worker goes: whatever waits is dropped, and whatever comes.
    pub(crate) fn close(&self) {
        *self.lock() = Waiting { is_closed: true, ..Waiting::default() };
    }

    fn ring(&self) {
        // It fails only when it has been rung more often than can be counted, which is often enough.
        let _ = write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
