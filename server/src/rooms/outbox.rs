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

/// What a connection takes out of its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A message, ready to be sent; one text is shared by everybody in the room.
    Text(Arc<str>),
    /// The stay has been ended from outside.
    Ended(ErrorCode),
    /// More came than the queue holds: close the connection.
    Overflow,
}

/// The queue of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    limits: OutboxLimits,
    state: Mutex<State>,
    /// Wakes the one connection that takes deliveries.
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    texts: VecDeque<Arc<str>>,
    bytes: usize,
    ended: Option<ErrorCode>,
    overflowed: bool,
}

impl Outbox {
    /// An empty queue.
    pub fn new(limits: OutboxLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Appends `text`. Beyond the limits the queue is emptied and from then on delivers [`Delivery::Overflow`].
    pub fn push(&self, text: Arc<str>) {
        let mut state = self.lock();
        if state.overflowed || state.ended.is_some() {
            return;
        }
        let bytes = state.bytes + text.len();
        if state.texts.len() >= self.limits.max_messages || bytes > self.limits.max_bytes {
            *state = State { overflowed: true, ..State::default() };
        } else {
            state.bytes = bytes;
            state.texts.push_back(text);
        }
        self.filled.notify_one();
    }

    /// Ends the stay. Delivered after what was queued before, or instead of [`Delivery::Overflow`]; nothing is taken
    /// after it, and the first code counts.
    pub fn end(&self, code: ErrorCode) {
        self.lock().ended.get_or_insert(code);
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

    /// Returns once the queue has overflowed: for giving up on a write under way.
    pub async fn overflowed(&self) {
        while !self.lock().overflowed {
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Delivery> {
        let mut state = self.lock();
        if state.overflowed {
            // "Too slow" says to come back, which is not for those who were put out.
            return Some(state.ended.map_or(Delivery::Overflow, Delivery::Ended));
        }
        if let Some(text) = state.texts.pop_front() {
            state.bytes -= text.len();
            return Some(Delivery::Text(text));
        }
        state.ended.map(Delivery::Ended)
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
    fn messages_come_out_in_order_and_the_end_comes_last() {
        let outbox = outbox(3, 100);
        assert_eq!(next(&outbox), None);
        outbox.push("a".into());
        outbox.push("b".into());
        outbox.end(ErrorCode::Kicked);
        outbox.end(ErrorCode::KickedInternal);
        outbox.push("c".into());
        assert_eq!(next(&outbox), Some(Delivery::Text("a".into())));
        assert_eq!(next(&outbox), Some(Delivery::Text("b".into())));
        assert_eq!(next(&outbox), Some(Delivery::Ended(ErrorCode::Kicked)));
    }

    #[test]
    fn too_many_messages_or_bytes_overflow_for_good() {
        for (limits, texts) in [((2, 100), ["a", "b", "c"]), ((9, 5), ["aa", "bb", "cc"])] {
            let outbox = outbox(limits.0, limits.1);
            texts.into_iter().for_each(|text| outbox.push(text.into()));
            assert_eq!(next(&outbox), Some(Delivery::Overflow));
            outbox.push("d".into());
            assert_eq!(next(&outbox), Some(Delivery::Overflow));
            assert!(outbox.overflowed().now_or_never().is_some());
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
        assert!(outbox.overflowed().now_or_never().is_none());
    }
}
