//! How many may be there at a time, a number that can be changed while they are.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Places that are taken and given back. Clones are the same places.
#[derive(Debug, Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    size: Arc<AtomicUsize>,
}

impl Places {
    /// So many places.
    pub fn new(size: usize) -> Self {
        let size = size.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(size)), size: Arc::new(AtomicUsize::new(size)) }
    }

    /// Waits for a place. It is free again when the permit is dropped.
    ///
    /// # Errors
    /// Never: places are not closed.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.free).acquire_owned().await
    }

    /// Takes a place, if there is one.
    ///
    /// # Errors
    /// There is none.
    pub fn try_take(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        Arc::clone(&self.free).try_acquire_owned()
    }

    /// Makes it so many places from now on. Whoever has one keeps it: if there are too many, the next to leave are not
    /// followed by others.
    pub fn resize(&self, size: usize) {
        let size = size.min(Semaphore::MAX_PERMITS);
        let before = self.size.swap(size, Ordering::Relaxed);
        if size > before {
            self.free.add_permits(size - before);
            return;
        }
        let taken = before - size - self.free.forget_permits(before - size);
        if taken > 0 {
            let free = Arc::clone(&self.free);
            // First in the queue of those who wait for a place, so that it gets what becomes free.
            tokio::spawn(async move {
                if let Ok(taken) = free.acquire_many_owned(u32::try_from(taken).unwrap_or(u32::MAX)).await {
                    taken.forget();
                }
            });
        }
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.size().saturating_sub(self.free.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_added_at_once_and_taken_away_as_they_become_free() {
        let places = Places::new(2);
        let mut held = vec![places.try_take().unwrap(), places.try_take().unwrap()];
        assert!(places.try_take().is_err());
        places.resize(3);
        held.push(places.try_take().unwrap());
        assert_eq!((places.size(), places.taken()), (3, 3));

        places.resize(1);
        // Lets the task that waits for the places begin.
        tokio::task::yield_now().await;
        for _ in 0..2 {
            held.pop();
            assert!(places.try_take().is_err());
        }
        held.pop();
        tokio::task::yield_now().await;
        let only = places.take().await.unwrap();
        assert!(places.try_take().is_err());
        assert_eq!((places.size(), places.taken()), (1, 1));
        drop(only);
        assert_eq!(places.taken(), 0);
    }
}
