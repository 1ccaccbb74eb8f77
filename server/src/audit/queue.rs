//! Where events wait to be written down. Putting one in takes a short lock and no more: nobody waits for the store.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use token_gen::{AppId, UnixSeconds};
use tokio::sync::{Notify, oneshot};

use super::{Action, Event, Origin};
use crate::{
    error::Error,
    limits::{Buckets, Quota, Source, Verdict},
};

/// How many events may wait: some ten seconds of a busy server, some megabytes.
const MAX_WAITING: usize = 50_000;
/// So many are written without waiting for more: often and little at a time keeps nobody from the processor for long.
const ENOUGH: usize = 125;
/// How many refusals of people we do not know are kept at once, and in each second after that: whoever floods us must
/// not flood the trail, too.
const STRANGERS: Rate = Rate { at_once: 1_000, per_second: 10 };
/// The same for refused sign-ins of admins, which a flood of other refusals must not hide.
const SIGN_INS: Rate = Rate { at_once: 200, per_second: 2 };
/// How many of those are of one source in one app, at once and in a minute: one who floods hides nobody else.
const OF_ONE_SOURCE: Quota = Quota::per_minute(60);
/// How many sources are told apart at a time: some megabytes.
const MAX_SOURCES: usize = 20_000;

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
    /// Whether there is surely a batch after this one, soon.
    pub(super) is_followed: bool,
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
    /// Somebody waits for it, or it is enough.
    urgent: Notify,
    state: AtomicU8,
    sources: Buckets<(Option<AppId>, Option<Source>)>,
}

#[derive(Debug)]
struct Waiting {
    batch: Batch,
    closed: bool,
    strangers: Share,
    sign_ins: Share,
    left_out: u64,
}

#[derive(Debug, Clone, Copy)]
struct Rate {
    at_once: u64,
    per_second: u64,
}

/// What is left of a rate.
#[derive(Debug)]
struct Share {
    rate: Rate,
    left: u64,
    counted_at: UnixSeconds,
}

impl Share {
    fn whole(rate: Rate, now: UnixSeconds) -> Self {
        Self { rate, left: rate.at_once, counted_at: now }
    }

    /// Takes one. `false` if there is none.
    fn take(&mut self, now: UnixSeconds) -> bool {
        let passed = now.duration_since(self.counted_at).as_secs();
        self.counted_at = self.counted_at.max(now);
        self.left = self.left.saturating_add(passed.saturating_mul(self.rate.per_second)).min(self.rate.at_once);
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        true
    }
}

impl Queue {
    pub(super) fn new(now: UnixSeconds) -> Self {
        let (strangers, sign_ins) = (Share::whole(STRANGERS, now), Share::whole(SIGN_INS, now));
        let waiting = Waiting { batch: Batch::default(), closed: false, strangers, sign_ins, left_out: 0 };
        Self {
            waiting: Mutex::new(waiting),
            some: Notify::new(),
            urgent: Notify::new(),
            state: AtomicU8::new(State::Up as u8),
            sources: Buckets::new(OF_ONE_SOURCE, MAX_SOURCES),
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
        let count = waiting.batch.entries.len();
        drop(waiting);
        if count == 1 {
            self.some.notify_one();
        } else if count == ENOUGH {
            self.urgent.notify_one();
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
        let of_source = (entry.event.app_id, entry.origin.source);
        let is_one_of_few = matches!(self.sources.take(&of_source, entry.at), Verdict::Allowed { .. });
        let mut waiting = self.lock();
        let share = match entry.event.action {
            Action::SignIn | Action::ReAuthenticate => &mut waiting.sign_ins,
            _ => &mut waiting.strangers,
        };
        if !is_one_of_few || !share.take(entry.at) {
            waiting.left_out += 1;
            return;
        }
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
        // One is left, so that something follows that makes all before it durable.
        if room >= ENOUGH && batch.waiters.is_empty() && !self.closed {
            self.batch.entries.extend(batch.entries.pop());
            batch.is_followed = true;
        }
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            let at =
                batch.entries.last().map_or(self.strangers.counted_at.max(self.sign_ins.counted_at), |entry| entry.at);
            let event = Event::new(Action::LeaveOut).saying(format!("{left_out} records"));
            batch.entries.push(Entry { at, origin: Origin::SERVER, event });
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn enough_is_written_without_waiting_for_more() {
        let queue = Queue::new(UnixSeconds::new(1));
        let entry = || Entry { at: 1.into(), origin: Origin::SERVER, event: Event::new(Action::Mint) };
        let mut next = std::pin::pin!(queue.next(pending));
        for count in 1..=ENOUGH {
            assert!(futures_util::poll!(&mut next).is_pending(), "{count}");
            assert!(queue.push(entry()));
        }
        let batch = next.await.unwrap();
        assert_eq!((batch.entries.len(), batch.is_followed), (ENOUGH - 1, true));
        let batch = queue.next(async || {}).await.unwrap();
        assert_eq!((batch.entries.len(), batch.is_followed), (1, false));
    }

    #[tokio::test]
    async fn whoever_waits_gets_all_of_it_and_so_does_the_end() {
        let queue = Queue::new(UnixSeconds::new(1));
        let entry = || Entry { at: 1.into(), origin: Origin::SERVER, event: Event::new(Action::Mint) };
        for is_end in [false, true] {
            (0..2 * ENOUGH).for_each(|_| assert!(queue.push(entry())));
            let _written = if is_end { None } else { queue.push_urgent(None) };
            if is_end {
                queue.close();
            }
            let batch = queue.next(pending).await.unwrap();
            assert_eq!((batch.entries.len(), batch.is_followed), (2 * ENOUGH, false));
        }
        assert!(queue.next(pending).await.is_none());
    }
}
