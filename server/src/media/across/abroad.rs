//! Sessions of this node whose media other nodes forward. Pure: says what counts, and sends nothing.

use std::collections::HashMap;

use roompass_media::{Event, Reason};
use roompass_wire::{ErrorCode, gateway::MediaAnswer};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{SILENCE, words::Report};
use crate::bus::NodeId;

/// The nodes that forward media for sessions here.
#[derive(Debug, Default)]
pub(super) struct Abroad {
    homes: HashMap<NodeId, Home>,
    /// How often a node was begun to write to.
    epochs: u64,
}

#[derive(Debug)]
struct Home {
    epoch: u64,
    /// The number of the latest order.
    ordered: u64,
    /// The number of the latest report.
    reported: u64,
    heard_at: Instant,
    lines: HashMap<u64, Line>,
}

#[derive(Debug)]
struct Line {
    events: mpsc::Sender<Event>,
    /// Offers that are not answered yet. Whoever waits hears it when the line is gone.
    asked: HashMap<u64, oneshot::Sender<Result<MediaAnswer, ErrorCode>>>,
}

impl Abroad {
    /// A session's media goes through `home` from now on.
    pub(super) fn open(&mut self, home: &NodeId, line: u64, events: mpsc::Sender<Event>, now: Instant) {
        let epochs = &mut self.epochs;
        let home = self.homes.entry(home.clone()).or_insert_with(|| {
            *epochs += 1;
            Home { epoch: *epochs, ordered: 0, reported: 0, heard_at: now, lines: HashMap::new() }
        });
        home.lines.insert(line, Line { events, asked: HashMap::new() });
    }

    /// An offer waits to be answered. `false`: the line is gone.
    pub(super) fn asks(
        &mut self,
        home: &NodeId,
        (line, ask): (u64, u64),
        answer: oneshot::Sender<Result<MediaAnswer, ErrorCode>>,
    ) -> bool {
        let line = self.homes.get_mut(home).and_then(|home| home.lines.get_mut(&line));
        line.is_some_and(|line| line.asked.insert(ask, answer).is_none())
    }

    /// Whether a line is there.
    pub(super) fn has(&self, home: &NodeId, line: u64) -> bool {
        self.homes.get(home).is_some_and(|home| home.lines.contains_key(&line))
    }

    /// Epoch and number of the next order to a node; none, if nothing of ours is there.
    pub(super) fn next_order(&mut self, home: &NodeId) -> Option<(u64, u64)> {
        let home = self.homes.get_mut(home)?;
        home.ordered += 1;
        Some((home.epoch, home.ordered))
    }

    /// Takes a report in. `false`: something is missing before it, and nothing from there can be relied on.
    pub(super) fn hear(&mut self, from: &NodeId, (epoch, number): (u64, u64), report: Report, now: Instant) -> bool {
        let Some(home) = self.homes.get_mut(from).filter(|home| home.epoch == epoch) else { return true };
        if number <= home.reported {
            return true;
        }
        if number != home.reported + 1 || report == Report::Lost {
            return false;
        }
        (home.reported, home.heard_at) = (number, now);
        match report {
            Report::Beat | Report::Lost => {}
            Report::Answered { line, ask, answer } => {
                let asked = home.lines.get_mut(&line).and_then(|line| line.asked.remove(&ask));
                // Whoever asked may have given up.
                asked.map(|asked| asked.send(answer));
            }
            Report::Transport { line, is_up } => {
                let event = if is_up { Event::Connected } else { Event::Disconnected };
                // A stay that does not listen misses nothing that it needs.
                home.lines.get(&line).map(|line| line.events.try_send(event));
            }
            Report::Over { line } => self.close(from, line),
        }
        true
    }

    /// A line is over. Its session hears that from the end of its events.
    pub(super) fn close(&mut self, home: &NodeId, line: u64) {
        let Some(of) = self.homes.get_mut(home) else { return };
        if let Some(line) = of.lines.remove(&line) {
            let _ = line.events.try_send(Event::Ended { reason: Reason::Moved });
        }
        // Whatever comes next is another epoch.
        if of.lines.is_empty() {
            self.homes.remove(home);
        }
    }

    /// Nothing goes through a node any more. Says how many sessions have lost their media by it.
    pub(super) fn lose(&mut self, home: &NodeId) -> usize {
        self.homes.remove(home).map_or(0, |home| home.lines.len())
    }

    /// The nodes that forward for us, and whether they have been silent for too long.
    pub(super) fn homes(&self, now: Instant) -> Vec<(NodeId, bool)> {
        self.homes.iter().map(|(node, home)| (node.clone(), now - home.heard_at > SILENCE)).collect()
    }

    /// How many sessions.
    pub(super) fn len(&self) -> usize {
        self.homes.values().map(|home| home.lines.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_line() -> (Abroad, NodeId, mpsc::Receiver<Event>, Instant) {
        let (mut abroad, home, now) = (Abroad::default(), NodeId::from("home"), Instant::now());
        let (events, heard) = mpsc::channel(8);
        abroad.open(&home, 7, events, now);
        (abroad, home, heard, now)
    }

    #[test]
    fn reports_count_once_in_order_and_in_their_epoch() {
        let (mut abroad, home, mut heard, now) = one_line();
        let up = |is_up| Report::Transport { line: 7, is_up };
        for (at, report, is_good) in [
            ((1, 1), up(true), true),
            ((1, 1), up(false), true),
            ((2, 2), up(false), true),
            ((1, 2), Report::Beat, true),
            ((1, 4), up(false), false),
        ] {
            assert_eq!(abroad.hear(&home, at, report, now), is_good, "{at:?}");
        }
        assert!(abroad.hear(&NodeId::from("stranger"), (1, 3), Report::Lost, now));
        assert_eq!(heard.try_recv(), Ok(Event::Connected));
        assert_eq!(heard.try_recv(), Err(mpsc::error::TryRecvError::Empty));
        assert!(!abroad.hear(&home, (1, 3), Report::Lost, now));
        assert_eq!(abroad.lose(&home), 1);
        assert_eq!(heard.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn what_is_begun_again_is_another_epoch() {
        let (mut abroad, home, mut heard, now) = one_line();
        assert_eq!((abroad.next_order(&home), abroad.next_order(&home)), (Some((1, 1)), Some((1, 2))));
        assert!(abroad.hear(&home, (1, 1), Report::Over { line: 7 }, now));
        assert_eq!(heard.try_recv(), Ok(Event::Ended { reason: Reason::Moved }));
        assert_eq!((abroad.next_order(&home), abroad.len()), (None, 0));
        abroad.open(&home, 8, mpsc::channel(1).0, now);
        assert_eq!(abroad.next_order(&home), Some((2, 1)));
        assert_eq!(abroad.homes(now + SILENCE), [(home.clone(), false)]);
        assert_eq!(abroad.homes(now + SILENCE * 2), [(home, true)]);
    }
}
