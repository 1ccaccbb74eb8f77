//! What waits to be written to one connection: a bounded queue that never makes the sender wait.
//!
//! Knows neither rooms nor sockets. Whoever falls too far behind is cut off, nobody else is slowed down.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use roompass_wire::ErrorCode;
use tokio::sync::Notify;

/// How much may wait for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// In messages. Default 256.
    pub max_messages: usize,
    /// In bytes of message text. Default 256 KiB.
    pub max_bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { max_messages: 256, max_bytes: 256 * 1024 }
    }
}

/// How much of what is owed is beyond the limits.
const MAX_OWED: usize = 1024;

/// What a connection takes out of its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A message, ready to be sent; one text is shared by everybody in the room.
    Text(Arc<str>),
    /// The stay has been ended from outside.
    Ended(ErrorCode),
    /// More came than the queue holds: close the connection.
    Overflow,
    /// Another connection wants to go on with the session.
    Called,
    /// An operator has ordered something.
    Ordered,
}

/// The queue of one session. It outlives the session's connection.
#[derive(Debug, Default)]
pub struct Outbox {
    limits: OutboxLimits,
    state: Mutex<State>,
    /// Wakes the one connection that takes deliveries.
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    texts: VecDeque<Queued>,
    /// How many of them are owed: whoever comes back is not too slow for what came meanwhile, nor is anybody for what the
    /// server hears late.
    owed: usize,
    /// Of the others.
    bytes: usize,
    ended: Option<ErrorCode>,
    overflowed: bool,
    called: bool,
    ordered: bool,
    /// Nobody reads: the room's changes are not kept here, the room remembers them itself.
    away: bool,
}

/// A message in the queue.
#[derive(Debug)]
pub(super) struct Queued {
    text: Arc<str>,
    /// A change of the room, which can be had again from the room.
    is_change: bool,
    /// Of what was said, where rooms span nodes.
    mark: Option<u64>,
    /// Whether it is no fault of the reader that it waits.
    is_owed: bool,
}

impl Queued {
    /// What can be had again from the room.
    pub(super) fn change(text: Arc<str>, mark: Option<u64>) -> Self {
        Self { text, is_change: true, mark, is_owed: false }
    }

    /// What only this session hears.
    pub(super) fn direct(text: Arc<str>, mark: Option<u64>) -> Self {
        Self { text, is_change: false, mark, is_owed: false }
    }

    /// What comes late, if it does.
    pub(super) fn late(self, is_late: bool) -> Self {
        Self { is_owed: is_late, ..self }
    }
}

/// Puts `more` among what is `queued`: each with a mark before the first that has a higher one, or not at all if one has
/// the same; what has none comes after all that is there.
pub(super) fn merge(mut queued: Vec<Queued>, more: impl IntoIterator<Item = Queued>) -> Vec<Queued> {
    for one in more {
        if one.mark.is_none() {
            queued.push(one);
        } else if queued.iter().all(|known| known.mark != one.mark) {
            let at = queued.iter().position(|known| known.mark > one.mark).unwrap_or(queued.len());
            queued.insert(at, one);
        }
    }
    queued
}

impl State {
    fn take_text(&mut self) -> Option<Arc<str>> {
        let Queued { text, is_owed, .. } = self.texts.pop_front()?;
        if is_owed {
            self.owed -= 1;
        } else {
            self.bytes -= text.len();
        }
        if self.texts.is_empty() {
            // Most of the time nothing waits, and there may be very many sessions.
            self.texts = VecDeque::new();
        }
        Some(text)
    }
}

impl Outbox {
    /// An empty queue.
    pub fn new(limits: OutboxLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Appends a change of the room. Beyond the limits the queue is emptied and from then on delivers
    /// [`Delivery::Overflow`].
    pub fn push(&self, text: Arc<str>) {
        self.append(Queued::change(text, None));
    }

    /// Appends what only this session hears. It waits for a session whose connection is lost, as far as there is room.
    pub fn push_direct(&self, text: Arc<str>) {
        self.append(Queued::direct(text, None));
    }

    pub(super) fn append(&self, mut queued: Queued) {
        let mut state = self.lock();
        if state.overflowed || state.ended.is_some() || (state.away && queued.is_change) {
            return;
        }
        queued.is_owed &= !state.away && state.owed < MAX_OWED;
        let bytes = state.bytes + if queued.is_owed { 0 } else { queued.text.len() };
        let is_full = state.texts.len() - state.owed >= self.limits.max_messages || bytes > self.limits.max_bytes;
        if is_full && !queued.is_owed {
            if state.away {
                return;
            }
            let (called, ordered) = (state.called, state.ordered);
            *state = State { overflowed: true, called, ordered, ..State::default() };
        } else {
            state.bytes = bytes;
            state.owed += usize::from(queued.is_owed);
            state.texts.push_back(queued);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Ends the stay. Delivered before what was queued, which can still be taken, and instead of
    /// [`Delivery::Overflow`]; nothing is queued after it, and the first code counts.
    pub fn end(&self, code: ErrorCode) {
        self.lock().ended.get_or_insert(code);
        self.filled.notify_one();
    }

    /// Asks whoever holds the session to hand it over. Delivered before everything else.
    pub(crate) fn call(&self) {
        self.lock().called = true;
        self.filled.notify_one();
    }

    /// Says that an operator has ordered something. Delivered before any text.
    pub(crate) fn order(&self) {
        self.lock().ordered = true;
        self.filled.notify_one();
    }

    /// The connection is gone: changes are no longer kept, what is for this session alone is.
    pub(crate) fn go_away(&self) {
        let mut state = self.lock();
        state.away = true;
        state.overflowed = false;
        state.texts.retain(|queued| !queued.is_change);
        state.texts.shrink_to_fit();
        state.texts.iter_mut().for_each(|queued| queued.is_owed = false);
        state.owed = 0;
        state.bytes = state.texts.iter().map(|queued| queued.text.len()).sum();
    }

    /// There is a connection again: what was `missed` comes first, and what was kept, which may be some of the same. What
    /// was said keeps the order of its marks.
    pub(super) fn come_back(&self, missed: Vec<Queued>) {
        let mut state = self.lock();
        state.away = false;
        state.called = false;
        let kept = std::mem::take(&mut state.texts);
        state.texts = merge(missed, kept).into_iter().map(|queued| queued.late(true)).collect();
        (state.owed, state.bytes) = (state.texts.len(), 0);
        drop(state);
        self.filled.notify_one();
    }

    /// The next delivery, once there is one. Dropping the future loses nothing.
    pub async fn next(&self) -> Delivery {
        loop {
            if let Some(delivery) = self.take() {
                return delivery;
            }
            self.filled.notified().await;
        }
    }

    /// The next delivery that is no text, once there is one: for a session without a connection.
    pub(crate) async fn next_order(&self) -> Delivery {
        loop {
            {
                let mut state = self.lock();
                if state.called {
                    return Delivery::Called;
                }
                if std::mem::take(&mut state.ordered) {
                    return Delivery::Ordered;
                }
                if let Some(code) = state.ended {
                    return Delivery::Ended(code);
                }
            }
            self.filled.notified().await;
        }
    }

    /// Returns once a write under way shall not be waited for: the queue has overflowed, the stay has been ended, or
    /// another connection calls.
    pub async fn interrupted(&self) {
        loop {
            {
                let state = self.lock();
                if state.overflowed || state.called || state.ended.is_some() {
                    return;
                }
            }
            self.filled.notified().await;
        }
    }

    /// How the stay has been ended from outside; nothing while another connection calls, which is to hear of it.
    pub(crate) fn ended(&self) -> Option<ErrorCode> {
        let state = self.lock();
        state.ended.filter(|_| !state.called)
    }

    /// The next message, whatever else there is.
    pub(crate) fn take_text(&self) -> Option<Arc<str>> {
        self.lock().take_text()
    }

    fn take(&self) -> Option<Delivery> {
        let mut state = self.lock();
        if state.called {
            return Some(Delivery::Called);
        }
        // Whoever does not read what comes before it does not put it off. And "too slow" says to come back, which is not
        // for those who were put out.
        if let Some(code) = state.ended {
            return Some(Delivery::Ended(code));
        }
        if std::mem::take(&mut state.ordered) {
            return Some(Delivery::Ordered);
        }
        if state.overflowed {
            return Some(Delivery::Overflow);
        }
        state.take_text().map(Delivery::Text)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way, so a poisoned state is still a good one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn outbox(max_messages: usize, max_bytes: usize) -> Outbox {
        Outbox::new(OutboxLimits { max_messages, max_bytes })
    }

    fn next(outbox: &Outbox) -> Option<Delivery> {
        outbox.next().now_or_never()
    }

    #[test]
    fn who_comes_back_is_not_too_slow_for_what_was_missed() {
        let outbox = outbox(2, 100);
        outbox.go_away();
        outbox.come_back(["one", "two", "three"].map(|text| Queued::change(text.into(), None)).into());
        outbox.push("four".into());
        outbox.push("five".into());
        for expected in ["one", "two", "three", "four", "five"] {
            assert_eq!(next(&outbox), Some(Delivery::Text(expected.into())));
        }
        ["six", "seven", "eight"].into_iter().for_each(|text| outbox.push(text.into()));
        assert_eq!(next(&outbox), Some(Delivery::Overflow));
    }

    #[test]
    fn nobody_is_too_slow_for_what_comes_late_within_bounds() {
        let outbox = outbox(2, 100);
        outbox.push("on time".into());
        let late = |text: &str| outbox.append(Queued::change(text.into(), None).late(true));
        (0..MAX_OWED).for_each(|_| late("late"));
        outbox.push("on time".into());
        let heard: Vec<_> = std::iter::from_fn(|| next(&outbox)).collect();
        assert_eq!((heard.len(), heard.contains(&Delivery::Overflow)), (MAX_OWED + 2, false));
        (0..MAX_OWED + 2).for_each(|_| late("late"));
        late("too much");
        assert_eq!(next(&outbox), Some(Delivery::Overflow));
    }

    #[test]
    fn messages_come_out_in_order_and_do_not_put_off_the_end() {
        let outbox = outbox(4, 100);
        assert_eq!(next(&outbox), None);
        ["a", "b", "c"].into_iter().for_each(|text| outbox.push(text.into()));
        assert_eq!(next(&outbox), Some(Delivery::Text("a".into())));
        assert_eq!((outbox.ended(), outbox.interrupted().now_or_never()), (None, None));
        outbox.order();
        outbox.end(ErrorCode::Kicked);
        outbox.end(ErrorCode::KickedInternal);
        outbox.push("d".into());
        assert_eq!((outbox.ended(), outbox.interrupted().now_or_never()), (Some(ErrorCode::Kicked), Some(())));
        assert_eq!(next(&outbox), Some(Delivery::Ended(ErrorCode::Kicked)));
        let rest: Vec<_> = std::iter::from_fn(|| outbox.take_text()).collect();
        assert_eq!(rest, ["b", "c"].map(Arc::from), "they are heard before the last word");
        outbox.call();
        assert_eq!((outbox.ended(), next(&outbox)), (None, Some(Delivery::Called)));
    }

    #[test]
    fn too_many_messages_or_bytes_overflow_for_good() {
        for (limits, texts) in [((2, 100), ["a", "b", "c"]), ((9, 5), ["aa", "bb", "cc"])] {
            let outbox = outbox(limits.0, limits.1);
            texts.into_iter().for_each(|text| outbox.push(text.into()));
            assert_eq!(next(&outbox), Some(Delivery::Overflow));
            outbox.push("d".into());
            assert_eq!(next(&outbox), Some(Delivery::Overflow));
            assert!(outbox.interrupted().now_or_never().is_some());
        }
    }

    /// Who was put out must not hear "too slow" instead, which says: come back.
    #[test]
    fn the_end_counts_more_than_an_overflow() {
        let outbox = outbox(1, 100);
        outbox.push("a".into());
        outbox.push("b".into());
        outbox.end(ErrorCode::KickedByOtherLogin);
        assert_eq!(next(&outbox), Some(Delivery::Ended(ErrorCode::KickedByOtherLogin)));
    }

    #[test]
    fn taking_makes_room() {
        let outbox = outbox(1, 2);
        for _ in 0..3 {
            outbox.push("aa".into());
            assert_eq!(next(&outbox), Some(Delivery::Text("aa".into())));
        }
        assert!(outbox.interrupted().now_or_never().is_none());
    }

    #[test]
    fn a_session_without_a_connection_keeps_what_is_for_it_alone() {
        let outbox = outbox(3, 100);
        outbox.push("change 1".into());
        outbox.push_direct("signal 1".into());
        outbox.go_away();
        for text in ["signal 2", "signal 3", "signal 4"] {
            outbox.push("change 2".into());
            outbox.push_direct(text.into());
        }
        assert!(outbox.next_order().now_or_never().is_none());
        outbox.call();
        assert_eq!(outbox.next_order().now_or_never(), Some(Delivery::Called));
        outbox.come_back(["change 1", "change 2"].map(|text| Queued::change(text.into(), None)).into());
        let heard: Vec<_> = std::iter::from_fn(|| next(&outbox)).collect();
        let expected = ["change 1", "change 2", "signal 1", "signal 2", "signal 3"];
        assert_eq!(heard, expected.map(|text| Delivery::Text(text.into())));
    }

    #[test]
    fn what_was_kept_comes_in_the_order_of_the_marks_and_once() {
        let outbox = outbox(9, 100);
        outbox.go_away();
        for (text, mark) in [("signal 2", Some(2)), ("signal 4", Some(4)), ("without", None), ("signal 6", Some(6))] {
            outbox.append(Queued::direct(text.into(), mark));
        }
        let missed = [("change 1", Some(1)), ("joined", None), ("change 3", Some(3)), ("change 5", Some(5))];
        let missed: Vec<_> = missed.into_iter().map(|(text, mark)| Queued::change(text.into(), mark)).collect();
        outbox.come_back(merge(missed, [Queued::direct("signal 4".into(), Some(4))]));
        let heard: Vec<_> = std::iter::from_fn(|| next(&outbox)).collect();
        let expected = ["change 1", "joined", "signal 2", "change 3", "signal 4", "change 5", "without", "signal 6"];
        assert_eq!(heard, expected.map(|text| Delivery::Text(text.into())));
    }
}
