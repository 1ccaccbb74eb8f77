//! Sessions of other nodes whose media is forwarded here. Pure but for the media plane: says what counts, and sends
//! nothing.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use super::SILENCE;
use crate::{bus::NodeId, media::local::Local};

/// How old the first order of an epoch may be, also by a clock that is wrong: somebody may have kept it.
const FRESH_SECS: u64 = 60;
/// How long it is known which epochs of a node were there: longer than their first orders are fresh.
const REMEMBERED: Duration = Duration::from_secs(180);

/// The nodes for whose sessions media is forwarded here.
#[derive(Debug, Default)]
pub(super) struct Guests {
    owners: HashMap<NodeId, Owner>,
    /// The nodes whose first orders are too old, as far as that has been said.
    stale: HashSet<NodeId>,
}

#[derive(Debug)]
struct Owner {
    epoch: u64,
    /// The number of the latest order.
    ordered: u64,
    /// The number of the latest report.
    reported: u64,
    /// When it last gave assurance, or began.
    heard_at: Instant,
    /// Nothing of this epoch counts any more.
    is_over: bool,
    guests: HashMap<u64, Local>,
}

/// What is to be done with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is the next one.
    Obey,
    /// It is old, or was heard before.
    Ignore,
    /// As with [`Admission::Ignore`]. It is the first of its node's that is older than it may be, since one was not.
    Stale,
    /// Something is missing before it: its epoch is over, and its node must hear so.
    Lost,
}

impl Guests {
    /// Judges an order by its epoch and number.
    pub(super) fn admit(&mut self, from: &NodeId, at: (u64, u64), age_secs: u64, now: Instant) -> Admission {
        let (epoch, number) = at;
        if self.owners.get(from).is_none_or(|owner| owner.epoch < epoch) {
            if age_secs > FRESH_SECS {
                let is_first = self.stale.insert(from.clone());
                return if is_first { Admission::Stale } else { Admission::Ignore };
            }
            self.stale.remove(from);
            // With the epoch before go its guests.
            let (is_over, guests) = (number != 1, HashMap::new());
            let owner = Owner { epoch, ordered: 1, reported: 0, heard_at: now, is_over, guests };
            self.owners.insert(from.clone(), owner);
            return if is_over { Admission::Lost } else { Admission::Obey };
        }
        let Some(owner) = self.owners.get_mut(from).filter(|owner| owner.epoch == epoch) else {
            return Admission::Ignore;
        };
        if owner.is_over {
            return Admission::Lost;
        }
        if number <= owner.ordered {
            return Admission::Ignore;
        }
        if number != owner.ordered + 1 {
            owner.end();
            return Admission::Lost;
        }
        owner.ordered = number;
        Admission::Obey
    }

    /// A node has said everything that it had to say a moment ago. Orders alone do not show that: more may wait behind
    /// them, of users who may do less by now.
    pub(super) fn assured(&mut self, by: &NodeId, now: Instant) {
        if let Some(owner) = self.owners.get_mut(by) {
            owner.heard_at = now;
        }
    }

    /// The guest that `from` calls `line`.
    pub(super) fn guest(&mut self, from: &NodeId, line: u64) -> Option<&mut Local> {
        self.owners.get_mut(from)?.guests.get_mut(&line)
    }

    pub(super) fn put(&mut self, from: &NodeId, line: u64, guest: Local) {
        if let Some(owner) = self.owners.get_mut(from).filter(|owner| !owner.is_over) {
            owner.guests.insert(line, guest);
        }
    }

    pub(super) fn take(&mut self, from: &NodeId, line: u64) -> Option<Local> {
        self.owners.get_mut(from)?.guests.remove(&line)
    }

    /// The epoch in which a node gives orders.
    pub(super) fn epoch(&self, of: &NodeId) -> Option<u64> {
        self.owners.get(of).map(|owner| owner.epoch)
    }

    /// The number of the next report to a node in `epoch`; none, if that is over.
    pub(super) fn next_report(&mut self, to: &NodeId, epoch: u64) -> Option<u64> {
        let owner = self.owners.get_mut(to).filter(|owner| owner.epoch == epoch)?;
        owner.reported += 1;
        Some(owner.reported)
    }

    /// Ends all sessions of a node.
    pub(super) fn lose(&mut self, owner: &NodeId) -> usize {
        self.owners.get_mut(owner).map_or(0, Owner::end)
    }

    /// The nodes of which there are guests.
    pub(super) fn owners(&self) -> Vec<NodeId> {
        self.owners.iter().filter(|(_, owner)| !owner.is_over).map(|(node, _)| node.clone()).collect()
    }

    /// Ends the sessions of nodes that have been silent for too long, and says of which there were any.
    pub(super) fn end_silent(&mut self, now: Instant) -> Vec<(NodeId, usize)> {
        self.owners.retain(|_, owner| now - owner.heard_at <= REMEMBERED);
        let silent = self.owners.iter_mut().filter(|(_, owner)| !owner.is_over && now - owner.heard_at > SILENCE);
        let ended = silent.map(|(node, owner)| (node.clone(), owner.end()));
        ended.filter(|(_, guests)| *guests > 0).collect()
    }

    /// How many sessions.
    pub(super) fn len(&self) -> usize {
        self.owners.values().map(|owner| owner.guests.len()).sum()
    }
}

impl Owner {
    fn end(&mut self) -> usize {
        self.is_over = true;
        self.guests.drain().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_count_once_in_order_and_in_the_latest_epoch() {
        let (mut guests, now) = (Guests::default(), Instant::now());
        let [a, b] = ["a", "b"].map(NodeId::from);
        for (from, at, age_secs, expected) in [
            (&a, (3, 1), 61, Admission::Stale),
            (&a, (3, 2), 61, Admission::Ignore),
            (&b, (1, 1), 61, Admission::Stale),
            (&a, (3, 1), 60, Admission::Obey),
            (&a, (3, 1), 0, Admission::Ignore),
            (&a, (3, 2), 0, Admission::Obey),
            (&b, (3, 3), 0, Admission::Lost),
            (&a, (2, 1), 0, Admission::Ignore),
            (&a, (3, 4), 0, Admission::Lost),
            (&a, (3, 3), 0, Admission::Lost),
            (&a, (4, 1), 0, Admission::Obey),
            (&a, (3, 5), 0, Admission::Ignore),
            (&a, (5, 1), 61, Admission::Stale),
        ] {
            assert_eq!(guests.admit(from, at, age_secs, now), expected, "{from} {at:?}");
        }
    }

    #[test]
    fn orders_that_never_end_are_no_assurance() {
        let (mut guests, now) = (Guests::default(), Instant::now());
        let [busy, sure] = ["busy", "sure"].map(NodeId::from);
        for number in 1..=10 {
            let now = now + SILENCE / 2 * (number - 1);
            for node in [&busy, &sure] {
                let admitted = guests.admit(node, (1, number.into()), 0, now);
                let counts = *node == sure || number <= 3;
                assert_eq!(admitted, if counts { Admission::Obey } else { Admission::Lost }, "{node} {number}");
            }
            guests.assured(&sure, now);
            guests.end_silent(now + Duration::from_millis(1));
        }
        assert_eq!(guests.owners(), [sure]);
    }

    #[test]
    fn an_epoch_is_remembered_for_longer_than_its_first_order_is_fresh() {
        let (mut guests, now, node) = (Guests::default(), Instant::now(), NodeId::from("a"));
        guests.admit(&node, (1, 1), 0, now);
        assert_eq!(guests.end_silent(now + SILENCE * 2), [], "it had no guests");
        assert_eq!(guests.owners(), [], "and may have none");
        assert_eq!(guests.admit(&node, (1, 1), 0, now + SILENCE * 2), Admission::Lost);
        guests.end_silent(now + REMEMBERED * 2);
        let later = FRESH_SECS.max(REMEMBERED.as_secs());
        assert_eq!(guests.admit(&node, (1, 1), later, now + REMEMBERED * 2), Admission::Stale);
    }
}
