//! The timer of a connection for hyper, which wants one for the head of every request and drops nearly all of them
//! unused. Making each anew costs every request a place in the runtime's list of timers, for which all threads wait in
//! turn: so a connection keeps one, and sets it on only when it fires before it is due.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

type Kept = Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>;

/// Makes the timers of one connection, one at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct HeadTimer(Kept);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, due: Instant) -> Pin<Box<dyn Sleep>> {
        let kept = lock(&self.0).take();
        Box::pin(HeadSleep { due, timer: kept, kept: Arc::clone(&self.0) })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, due: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HeadSleep>() {
            Some(mut sleep) => sleep.due = due,
            None => *sleep = self.sleep_until(due),
        }
    }
}

/// Ends when it is due. Its timer is kept for the next.
struct HeadSleep {
    due: Instant,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
    kept: Kept,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let due = self.due.into();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

impl Sleep for HeadSleep {}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        *lock(&self.kept) = self.timer.take();
    }
}

fn lock(kept: &Kept) -> std::sync::MutexGuard<'_, Option<Pin<Box<tokio::time::Sleep>>>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::poll;
    use tokio::time::{Instant as Now, advance};

    use super::*;

    fn due(secs: u64) -> Instant {
        (Now::now() + Duration::from_secs(secs)).into_std()
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_kept_fires_when_the_next_head_is_due_and_not_before() {
        let timer = HeadTimer::default();
        let mut first = timer.sleep_until(due(5));
        assert!(poll!(&mut first).is_pending());
        drop(first);
        advance(Duration::from_secs(3)).await;
        let mut second = timer.sleep_until(due(5));
        assert!(poll!(&mut second).is_pending());
        // The kept one is due now, which is nothing to the second.
        advance(Duration::from_millis(2_100)).await;
        assert!(poll!(&mut second).is_pending());
        advance(Duration::from_secs(2)).await;
        assert!(poll!(&mut second).is_pending());
        let began = Now::now();
        second.await;
        assert!((850..=1_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_long_due_and_one_due_earlier_are_both_kept_to_time() {
        let timer = HeadTimer::default();
        drop_polled(timer.sleep_until(due(5)));
        advance(Duration::from_secs(60)).await;
        let began = Now::now();
        timer.sleep_until(due(5)).await;
        assert_eq!(began.elapsed().as_secs(), 5);

        drop_polled(timer.sleep_until(due(30)));
        let began = Now::now();
        let mut moved = timer.sleep_until(due(20));
        timer.reset(&mut moved, due(2));
        moved.await;
        assert_eq!(began.elapsed().as_secs(), 2);
    }

    fn drop_polled(mut sleep: Pin<Box<dyn Sleep>>) {
        assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}
