//! What happens in rooms just now, for whoever watches: the last events of this node, numbered.
//!
//! While nobody watches, nothing is kept, so that it costs nothing. Knows no HTTP; what it keeps is as it is shown.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use roompass_wire::http::{FeedEvent, FeedKind};
use token_gen::{AppId, UnixSeconds};
use tokio::{sync::watch, time::timeout};

use crate::rooms::{Happening, RoomEvent};

/// How many events are kept, of all apps together: some seconds of a busy node.
const KEPT: usize = 5_000;
/// How many are told at once.
const TOLD: usize = 500;
/// How long events are kept for somebody who has asked once.
const WATCHED: Duration = Duration::from_secs(60);
/// How many may wait at a time for something to happen. Others are answered at once.
const MAX_WAITING: usize = 200;
/// How many refusals are told in a second, of all apps together.
const REFUSED_PER_SECOND: u32 = 50;

/// The latest events of this node.
#[derive(Debug)]
pub struct Feed {
    kept: Mutex<Kept>,
    /// The number of the latest event; closed once the server stops.
    latest: watch::Sender<Option<u64>>,
    /// In Unix seconds.
    watched_until: AtomicI64,
}

#[derive(Debug)]
struct Kept {
    events: VecDeque<(AppId, FeedEvent)>,
    /// The number of the latest event there was.
    last: u64,
    /// Whoever has heard less than this has missed something.
    complete_after: u64,
    /// How many refusals were told in which second.
    refused: (UnixSeconds, u32),
}

impl Kept {
    fn may_refuse(&mut self, now: UnixSeconds) -> bool {
        if self.refused.0 != now {
            self.refused = (now, 0);
        }
        self.refused.1 += 1;
        self.refused.1 <= REFUSED_PER_SECOND
    }
}

/// What came after a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The oldest first.
    pub events: Vec<FeedEvent>,
    /// Whether something may be missing before them.
    pub missed: bool,
    /// The number to go on from.
    pub last: u64,
}

impl Feed {
    /// Nothing yet. Numbers begin at `start`, so that nobody goes on from those of an earlier process.
    pub fn new(start: UnixSeconds) -> Self {
        let last = start.get().unsigned_abs() << 20;
        Self {
            kept: Mutex::new(Kept { events: VecDeque::new(), last, complete_after: last, refused: (start, 0) }),
            latest: watch::Sender::new(Some(last)),
            watched_until: AtomicI64::new(i64::MIN),
        }
    }

    /// Something happened in a room.
    pub fn note_in_room(&self, app_id: AppId, event: &RoomEvent, now: UnixSeconds) {
        if self.is_watched(now) {
            self.push(app_id, events_of(event, now));
        }
    }

    /// Something else happened, if somebody wants to know.
    pub fn note(&self, app_id: AppId, now: UnixSeconds, event: impl FnOnce() -> FeedEvent) {
        if self.is_watched(now) {
            self.push(app_id, vec![event()]);
        }
    }

    /// The same of what anybody can make happen as often as they like: some of it a second is told, the rest is counted
    /// elsewhere.
    pub fn note_refused(&self, app_id: AppId, now: UnixSeconds, event: impl FnOnce() -> FeedEvent) {
        if self.is_watched(now) && self.kept().may_refuse(now) {
            self.push(app_id, vec![event()]);
        }
    }

    /// What came in `app_id` after the event `after`, in rooms that begin with `prefix`; waits up to `wait` if that is
    /// nothing. Without `after`, the number to begin with.
    pub async fn after(
        &self,
        app_id: AppId,
        prefix: &str,
        after: Option<u64>,
        wait: Duration,
        now: UnixSeconds,
    ) -> Told {
        self.watch(now);
        // From before the look, so that what comes meanwhile is seen.
        let mut latest = self.latest.subscribe();
        let is_over = latest.borrow_and_update().is_none() || self.latest.receiver_count() > MAX_WAITING;
        let told = self.look(app_id, prefix, after);
        if is_over || !told.events.is_empty() || told.missed || after.is_none() {
            return told;
        }
        // Nothing up to there was of interest: it is not looked at again with every event of other apps.
        let mut seen = told.last;
        let wanted = async {
            // Ends with the server.
            while latest.changed().await.is_ok() && latest.borrow_and_update().is_some() {
                let told = self.look(app_id, prefix, Some(seen));
                if !told.events.is_empty() || told.missed {
                    return told;
                }
                seen = told.last;
            }
            self.look(app_id, prefix, Some(seen))
        };
        let heard = timeout(wait, wanted).await;
        heard.unwrap_or_else(|_| self.look(app_id, prefix, Some(seen)))
    }

    /// Nobody waits any more.
    pub fn close(&self) {
        self.latest.send_replace(None);
    }

    fn is_watched(&self, now: UnixSeconds) -> bool {
        now.get() < self.watched_until.load(Ordering::Relaxed)
    }

    /// Keeps what happens from now on.
    fn watch(&self, now: UnixSeconds) {
        if !self.is_watched(now) {
            let mut kept = self.kept();
            kept.events.clear();
            // What happened meanwhile has no number: this one stands for all of it.
            kept.last += 1;
            kept.complete_after = kept.last;
        }
        self.watched_until.fetch_max(now.saturating_add(WATCHED).get(), Ordering::Relaxed);
    }

    fn push(&self, app_id: AppId, events: Vec<FeedEvent>) {
        if events.is_empty() {
            return;
        }
        let mut kept = self.kept();
        for event in events {
            kept.last += 1;
            let number = kept.last;
            kept.events.push_back((app_id, FeedEvent { number, ..event }));
            if kept.events.len() > KEPT
                && let Some((_, gone)) = kept.events.pop_front()
            {
                kept.complete_after = gone.number;
            }
        }
        let last = kept.last;
        drop(kept);
        self.latest.send_if_modified(|latest| {
            // Closed stays closed.
            let is_open = latest.is_some();
            if is_open {
                *latest = Some(last);
            }
            is_open
        });
    }

    fn look(&self, app_id: AppId, prefix: &str, after: Option<u64>) -> Told {
        let kept = self.kept();
        let Some(after) = after else { return Told { events: Vec::new(), missed: false, last: kept.last } };
        if after > kept.last || after < kept.complete_after {
            return Told { events: Vec::new(), missed: true, last: kept.last };
        }
        let begin = kept.events.partition_point(|(_, event)| event.number <= after);
        let is_wanted = |of: AppId, event: &FeedEvent| {
            of == app_id && event.room_id.as_deref().unwrap_or_default().starts_with(prefix)
        };
        let wanted = kept.events.range(begin..).filter(|(of, event)| is_wanted(*of, event));
        let events: Vec<FeedEvent> = wanted.take(TOLD).map(|(_, event)| event.clone()).collect();
        let last = if events.len() == TOLD { events.last().map_or(after, |event| event.number) } else { kept.last };
        Told { events, missed: false, last }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No change in here can stop half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event of this kind, about nothing yet.
pub fn event(kind: FeedKind, now: UnixSeconds) -> FeedEvent {
    FeedEvent {
        number: 0,
        at: now.get(),
        kind,
        room_id: None,
        user_id: None,
        session_id: None,
        stream_id: None,
        reason: None,
        code: None,
    }
}

fn events_of(happened: &RoomEvent, now: UnixSeconds) -> Vec<FeedEvent> {
    let of = |kind| FeedEvent { room_id: Some(happened.room_id.as_str().to_owned()), ..event(kind, now) };
    let word = |reason| serde_json::to_value(reason).ok().and_then(|word| word.as_str().map(str::to_owned));
    match &happened.what {
        Happening::Opened => vec![of(FeedKind::RoomOpened)],
        Happening::Closed { reason } => vec![FeedEvent { reason: word(reason), ..of(FeedKind::RoomClosed) }],
        Happening::UserEntered { session_id, user, .. } => vec![FeedEvent {
            user_id: Some(user.user_id.clone()),
            session_id: Some(session_id.to_string()),
            ..of(FeedKind::UserEntered)
        }],
        Happening::UserLeft { session_id, user, reason } => vec![FeedEvent {
            user_id: Some(user.user_id.clone()),
            session_id: Some(session_id.to_string()),
            reason: word(reason),
            ..of(FeedKind::UserLeft)
        }],
        Happening::StreamStarted { session_id, stream } => vec![FeedEvent {
            user_id: Some(stream.user_id.clone()),
            session_id: Some(session_id.to_string()),
            stream_id: Some(stream.stream_id.clone()),
            ..of(FeedKind::StreamStarted)
        }],
        Happening::StreamsStopped { session_id, streams, reason } => {
            let stopped = |stream: &roompass_wire::gateway::Stream| FeedEvent {
                user_id: Some(stream.user_id.clone()),
                session_id: Some(session_id.to_string()),
                stream_id: Some(stream.stream_id.clone()),
                reason: word(reason),
                ..of(FeedKind::StreamStopped)
            };
            streams.iter().map(stopped).collect()
        }
        // What is said and set in rooms is their users' own.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_000);

    fn app(number: u32) -> AppId {
        AppId::new(number).unwrap()
    }

    fn enter(feed: &Feed, app_id: u32, room_id: &str, now: UnixSeconds) {
        let room_id = Some(room_id.to_owned());
        feed.note(app(app_id), now, || FeedEvent { room_id, ..event(FeedKind::UserEntered, now) });
    }

    async fn ask(feed: &Feed, app_id: u32, after: Option<u64>, now: UnixSeconds) -> Told {
        feed.after(app(app_id), "", after, Duration::ZERO, now).await
    }

    #[tokio::test]
    async fn who_asks_hears_what_came_after_in_their_app() {
        let feed = Feed::new(NOW);
        let first = ask(&feed, 7, None, NOW).await;
        assert_eq!((first.events.len(), first.missed), (0, false));
        for (app_id, room_id) in [(7, "a1"), (8, "a1"), (7, "b1")] {
            enter(&feed, app_id, room_id, NOW);
        }
        let told = ask(&feed, 7, Some(first.last), NOW).await;
        let rooms: Vec<_> = told.events.iter().map(|event| event.room_id.as_deref().unwrap()).collect();
        assert_eq!((rooms, told.last), (vec!["a1", "b1"], first.last + 3));
        let bound = feed.after(app(7), "b", Some(first.last), Duration::ZERO, NOW).await;
        assert_eq!(bound.events, told.events[1..]);
        assert_eq!(ask(&feed, 7, Some(told.last), NOW).await, Told { events: vec![], missed: false, last: told.last });
    }

    #[tokio::test]
    async fn who_may_have_missed_something_is_told_so() {
        let feed = Feed::new(NOW);
        let first = ask(&feed, 7, None, NOW).await;
        // Nobody asks for a while, so nothing is kept.
        let later = NOW.saturating_add(WATCHED);
        enter(&feed, 7, "a", later);
        let told = ask(&feed, 7, Some(first.last), later).await;
        assert_eq!((told.missed, told.events.len()), (true, 0));
        for _ in 0..=KEPT {
            enter(&feed, 7, "a", later);
        }
        assert!(ask(&feed, 7, Some(told.last), later).await.missed, "more than are kept");
        let ahead = Feed::new(later);
        assert!(ask(&ahead, 7, Some(told.last), later).await.missed, "the number of another process");
        assert!(ask(&ahead, 7, Some(u64::MAX), later).await.missed);
    }

    #[tokio::test]
    async fn a_long_list_comes_in_parts() {
        let feed = Feed::new(NOW);
        let mut last = ask(&feed, 7, None, NOW).await.last;
        for _ in 0..TOLD + 7 {
            enter(&feed, 7, "a", NOW);
        }
        let mut lengths = Vec::new();
        for _ in 0..3 {
            let told = ask(&feed, 7, Some(last), NOW).await;
            lengths.push(told.events.len());
            last = told.last;
        }
        assert_eq!(lengths, [TOLD, 7, 0]);
    }

    #[tokio::test]
    async fn who_waits_hears_at_once_and_nobody_outlasts_the_server() {
        let feed = Arc::new(Feed::new(NOW));
        let first = ask(&feed, 7, None, NOW).await;
        let waiting = {
            let feed = Arc::clone(&feed);
            tokio::spawn(async move { feed.after(app(7), "", Some(first.last), Duration::from_secs(3600), NOW).await })
        };
        while feed.latest.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        enter(&feed, 8, "a", NOW);
        enter(&feed, 7, "a", NOW);
        let told = waiting.await.unwrap();
        assert_eq!(told.events.len(), 1);
        feed.close();
        let over = feed.after(app(7), "", Some(told.last), Duration::from_secs(3600), NOW).await;
        assert_eq!(over.events, []);
    }
}
