//! News that waits for its reader. Bounded: whoever falls behind is told so, and reads the boards instead.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::News;

/// A reader this far behind is quicker when it reads the boards again.
const MAX_NEWS: usize = 16 * 1024;

/// What one node has not heard yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    news: VecDeque<News>,
    missed: bool,
}

impl Inbox {
    /// Appends a piece of news. Never waits. Says how many were thrown away for it.
    pub(super) fn push(&self, news: News) -> usize {
        let mut state = self.lock();
        let mut dropped = 0;
        if state.news.len() >= MAX_NEWS {
            dropped = state.news.len();
            state.news.clear();
            state.missed = true;
        }
        state.news.push_back(news);
        drop(state);
        self.filled.notify_one();
        dropped
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().news.len()
    }

    /// Says that anything may have happened unheard.
    pub(super) fn miss(&self) {
        self.lock().missed = true;
        self.filled.notify_one();
    }

    /// The next piece, once there is one.
    pub(super) async fn next(&self) -> News {
        loop {
            if let Some(news) = self.take() {
                return news;
            }
            self.filled.notified().await;
        }
    }

    fn take(&self) -> Option<News> {
        let mut state = self.lock();
        if std::mem::take(&mut state.missed) {
            return Some(News::Missed);
        }
        state.news.pop_front()
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
    use crate::bus::NodeId;

    #[test]
    fn news_come_in_order_and_too_many_are_told_as_missed() {
        let inbox = Inbox::default();
        let text = |number: usize| News::NodeGone(NodeId::from(&*number.to_string()));
        inbox.push(text(1));
        inbox.push(text(2));
        assert_eq!(inbox.next().now_or_never(), Some(text(1)));
        assert_eq!(inbox.next().now_or_never(), Some(text(2)));
        assert_eq!(inbox.next().now_or_never(), None);
        let dropped: usize = (0..=MAX_NEWS).map(|number| inbox.push(text(number))).sum();
        assert_eq!((dropped, inbox.len()), (MAX_NEWS, 1));
        assert_eq!(inbox.next().now_or_never(), Some(News::Missed));
        assert_eq!(inbox.next().now_or_never(), Some(text(MAX_NEWS)));
        assert_eq!(inbox.next().now_or_never(), None);
    }
}
