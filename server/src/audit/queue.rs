//! Where events wait to be written down. Putting one in takes a short lock and no more: nobody waits for the store.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use token_gen::UnixSeconds;
use tokio::sync::{Notify, oneshot};

use super::{Action, Event, Origin};
use crate::error::Error;

/// How many events may wait: some ten seconds of a busy server, some megabytes.
const MAX_WAITING: usize = 50_000;
/// How many refusals of people we do not know are kept at once, and in each second after that: whoever floods us must
/// not flood the trail, too.
const STRANGERS_AT_ONCE: u64 = 1_000;
const STRANGERS_PER_SECOND: u64 = 10;

/// An event with when it was and who did it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) at: UnixSeconds,
    pub(super) origin: Origin,
    pub(super) event: Event,
}

/// Says whether what was queued before is durable.
pub(super) type Waiter = oneshot::Sender<Result<(), Error>>;

/// What is written next, in one go.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    pub(super) waiters: Vec<Waiter>,
}

/// Whether the trail can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Up,
    /// The store does not answer, or too slowly to keep what is promised.
    Away,
    /// The disk is full or cannot be written.
    CannotWrite,
}

#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    some: Notify,
    /// Somebody waits for it.
    urgent: Notify,
    state: AtomicU8,
}

#[derive(Debug)]
struct Waiting {
    batch: Batch,
    closed: bool,
    strangers: u64,
    counted_at: UnixSeconds,
    left_out: u64,
}

impl Queue {
    pub(super) fn new(now: UnixSeconds) -> Self {
        let batch = Batch::default();
        let waiting = Waiting { batch, closed: false, strangers: STRANGERS_AT_ONCE, counted_at: now, left_out: 0 };
        Self {
            waiting: Mutex::new(waiting),
            some: Notify::new(),
            urgent: Notify::new(),
            state: AtomicU8::new(State::Up as u8),
        }
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Up,
            1 => State::Away,
            _ => State::CannotWrite,
        }
    }

    /// Says what the state was.
    pub(super) fn set_state(&self, state: State) -> State {
        let before = self.state();
        self.state.store(state as u8, Ordering::Relaxed);
        before
    }

    /// `false` if there is no room.
    pub(super) fn push(&self, entry: Entry) -> bool {
        let mut waiting = self.lock();
        if waiting.is_full() {
            return false;
        }
        waiting.batch.entries.push(entry);
        let first = waiting.batch.entries.len() == 1;
        drop(waiting);
        if first {
            self.some.notify_one();
        }
        true
    }

    /// The same for what must not be refused: counted if there is no room.
    pub(super) fn push_or_count(&self, entry: Entry) {
        if !self.push(entry) {
            self.lock().left_out += 1;
        }
    }

    /// The same for what anybody can make happen as often as they like.
    pub(super) fn push_of_stranger(&self, entry: Entry) {
        let mut waiting = self.lock();
        let passed = entry.at.duration_since(waiting.counted_at).as_secs();
        waiting.counted_at = waiting.counted_at.max(entry.at);
        let allowed = waiting.strangers.saturating_add(passed.saturating_mul(STRANGERS_PER_SECOND));
        waiting.strangers = allowed.min(STRANGERS_AT_ONCE);
        if waiting.strangers == 0 {
            waiting.left_out += 1;
            return;
        }
        waiting.strangers -= 1;
        drop(waiting);
        self.push_or_count(entry);
    }

    /// Queues `entry`, if any, and has everything written at once.
    pub(super) fn push_urgent(&self, entry: Option<Entry>) -> Option<oneshot::Receiver<Result<(), Error>>> {
        let (waiter, written) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.is_full() {
            return None;
        }
        waiting.batch.entries.extend(entry);
        waiting.batch.waiters.push(waiter);
        drop(waiting);
        self.urgent.notify_one();
        self.some.notify_one();
        Some(written)
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.urgent.notify_one();
        self.some.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// What to write next. `gathering` ends when there is enough waiting for more. `None` at the end.
    pub(super) async fn next(&self, gathering: impl AsyncFn()) -> Option<Batch> {
        loop {
            if !self.lock().is_empty() {
                tokio::select! {
                    () = self.urgent.notified() => {}
                    () = gathering() => {}
                }
                return Some(self.lock().take());
            }
            if self.is_closed() {
                return None;
            }
            self.some.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.closed || self.batch.entries.len() >= MAX_WAITING
    }

    fn is_empty(&self) -> bool {
        self.batch.entries.is_empty() && self.batch.waiters.is_empty() && self.left_out == 0
    }

    fn take(&mut self) -> Batch {
        let room = self.batch.entries.len();
        let mut batch = std::mem::take(&mut self.batch);
        // As much again will come: then nobody waits while the list grows.
        self.batch.entries.reserve(room.min(MAX_WAITING / 4));
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            let at = batch.entries.last().map_or(self.counted_at, |entry| entry.at);
            let event = Event::new(Action::LeaveOut).saying(format!("{left_out} records"));
            batch.entries.push(Entry { at, origin: Origin::SERVER, event });
        }
        batch
    }
}
