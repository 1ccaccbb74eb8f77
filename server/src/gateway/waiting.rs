//! Connections that have not logged in yet, counted by where they come from, so that nobody can hold many for free.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::limits::Source;

/// The count of connections without a login.
#[derive(Debug)]
pub(super) struct WaitingRoom(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    max: usize,
    max_per_source: usize,
    total: usize,
    by_source: HashMap<Source, usize>,
}

/// One connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    room: Arc<WaitingRoom>,
    source: Source,
}

/// Why nobody more may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// Too many come from one source.
    Source,
    /// Too many come.
    Everybody,
}

impl WaitingRoom {
    pub(super) fn new(max: usize, max_per_source: usize) -> Self {
        Self(Mutex::new(Counts { max, max_per_source, ..Counts::default() }))
    }

    /// Lets so many wait from now on. Whoever waits already goes on.
    pub(super) fn resize(&self, max: usize, max_per_source: usize) {
        let mut counts = self.lock();
        (counts.max, counts.max_per_source) = (max, max_per_source);
    }

    /// Counts one more from `address`.
    ///
    /// # Errors
    /// What is full.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Waiting, Full> {
        let source = Source::of(address);
        let mut counts = self.lock();
        let from_source = counts.by_source.get(&source).copied().unwrap_or_default();
        if from_source >= counts.max_per_source {
            return Err(Full::Source);
        }
        if counts.total >= counts.max {
            return Err(Full::Everybody);
        }
        counts.total += 1;
        counts.by_source.insert(source, from_source + 1);
        Ok(Waiting { room: Arc::clone(self), source })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut counts = self.room.lock();
        counts.total -= 1;
        if let Some(from_source) = counts.by_source.get_mut(&self.source) {
            *from_source -= 1;
            if *from_source == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_and_all_together_are_limited_and_leaving_makes_room() {
        let room = Arc::new(WaitingRoom::new(3, 2));
        let [a, b, c]: [IpAddr; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|text| text.parse().unwrap());
        let first = room.enter(a).unwrap();
        let _second = room.enter(a).unwrap();
        assert_eq!(room.enter(a).err(), Some(Full::Source));
        let _third = room.enter(b).unwrap();
        assert_eq!(room.enter(c).err(), Some(Full::Everybody));
        drop(first);
        assert!(room.enter(c).is_ok());
        assert!(room.enter(a).is_ok());
    }

    #[test]
    fn another_limit_counts_for_the_next() {
        let room = Arc::new(WaitingRoom::new(2, 1));
        let [a, b]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let _first = room.enter(a).unwrap();
        let _second = room.enter(b).unwrap();
        room.resize(1, 2);
        assert_eq!((room.enter(a).err(), room.len()), (Some(Full::Everybody), 2));
        room.resize(3, 2);
        assert!(room.enter(a).is_ok());
    }

    #[test]
    fn an_ipv6_customer_is_one_source() {
        let room = Arc::new(WaitingRoom::new(9, 1));
        let _one = room.enter("2001:db8:1:2:3::4".parse().unwrap()).unwrap();
        assert!(room.enter("2001:db8:1:2:ffff::1".parse().unwrap()).is_err());
        assert!(room.enter("2001:db8:1:3::1".parse().unwrap()).is_ok());
        let _mapped = room.enter("::ffff:10.0.0.1".parse().unwrap()).unwrap();
        assert!(room.enter("10.0.0.1".parse().unwrap()).is_err());
    }
}
