//! What a node's one task writes to other nodes and reads of them, in the order in which it comes.

use std::sync::{Arc, atomic::Ordering};

use roompass_media::Event;
use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, MediaOffer},
};
use serde::Serialize;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Across, Want,
    abroad::Abroad,
    guests::{Admission, Guests},
    lock,
    words::{Envelope, Order, Report, address, place},
};
use crate::{
    bus::{Letter, NodeId},
    media::{
        MediaPlane,
        local::{Doing, Local, Unanswered, Who},
    },
};

/// What the task that writes and reads knows.
pub(super) struct Post<'a> {
    across: &'a Arc<Across>,
    plane: &'a MediaPlane,
    abroad: Abroad,
    guests: Guests,
    /// Whether sessions of others are taken in.
    is_open: bool,
    /// Whether a beat waits behind everything that is to be said before it.
    has_beat: bool,
}

impl<'a> Post<'a> {
    pub(super) fn new(across: &'a Arc<Across>, plane: &'a MediaPlane) -> Self {
        Self { across, plane, abroad: Abroad::default(), guests: Guests::default(), is_open: true, has_beat: false }
    }

    /// Shows how many there are.
    pub(super) fn count(&self) {
        self.across.counts.abroad.store(self.abroad.len(), Ordering::Relaxed);
        self.across.counts.guests.store(self.guests.len(), Ordering::Relaxed);
    }

    pub(super) async fn perform(&mut self, want: Want) {
        match want {
            Want::Open { home, line, events } => self.abroad.open(&home, line, events, Instant::now()),
            Want::Ask { home, order, at, answer } => {
                if self.abroad.asks(&home, at, answer) {
                    self.order(&home, order).await;
                }
            }
            Want::Tell { home, line, order } => {
                if self.abroad.has(&home, line) {
                    let is_end = matches!(order, Order::End { .. });
                    self.order(&home, order).await;
                    if is_end {
                        self.abroad.close(&home, line);
                    }
                }
            }
            Want::Follow { home, line, latest } => {
                let said = lock(&latest).take();
                if let Some((doing, reason)) = said.filter(|_| self.abroad.has(&home, line)) {
                    self.order(&home, Order::Follow { line, doing, reason }).await;
                }
            }
            Want::Beat => self.beat().await,
            Want::Report { owner, epoch, report } => {
                if let Report::Over { line } = report
                    && self.guests.epoch(&owner) == Some(epoch)
                {
                    self.guests.take(&owner, line);
                }
                self.report(&owner, epoch, report).await;
            }
            Want::Close { done } => {
                self.is_open = false;
                for owner in self.guests.owners() {
                    self.guests.lose(&owner);
                    self.report_lost(&owner).await;
                }
                // If nobody waits for it any more, nobody needs to know.
                let _ = done.send(());
            }
        }
    }

    /// Sees which nodes have gone, and has the others told that this one has not.
    pub(super) fn look_for_silence(&mut self) {
        let now = Instant::now();
        for (owner, guests) in self.guests.end_silent(now) {
            tracing::warn!(node = %owner, guests, "nothing is heard of a node: the media of its sessions is not forwarded");
        }
        for (home, _) in self.abroad.homes(now).into_iter().filter(|(_, is_silent)| *is_silent) {
            self.lose(&home, "silent");
        }
        if !self.has_beat {
            self.has_beat = true;
            self.across.want(Want::Beat);
        }
    }

    async fn beat(&mut self) {
        self.has_beat = false;
        for (home, _) in self.abroad.homes(Instant::now()) {
            self.order(&home, Order::Beat).await;
        }
    }

    pub(super) async fn read(&mut self, Letter { from, text }: Letter) {
        let (sealer, node) = (&self.across.sealer, self.across.bus.node());
        let now = Instant::now();
        if let Some(order) = sealer.open_words::<Envelope<Order>>(place(&address("orders", &from, node)), &text) {
            let age_secs = self.across.clock.now().get().abs_diff(order.sent_at);
            match self.guests.admit(&from, (order.epoch, order.number), age_secs, now) {
                Admission::Stale => tracing::warn!(
                    node = %from, age_secs,
                    "a node's orders for media are too old to follow: the clocks of the two are not the same"
                ),
                Admission::Obey if self.is_open => self.obey(from, order.epoch, order.words).await,
                Admission::Obey | Admission::Lost => self.report_lost(&from).await,
                Admission::Ignore => {}
            }
        } else if let Some(report) =
            sealer.open_words::<Envelope<Report>>(place(&address("reports", &from, node)), &text)
        {
            if !self.abroad.hear(&from, (report.epoch, report.number), report.words, now) {
                self.lose(&from, "out of step");
            }
        } else {
            tracing::warn!(node = %from, "what a node says of media makes no sense");
        }
    }

    async fn obey(&mut self, from: NodeId, epoch: u64, order: Order) {
        match order {
            Order::Beat => {
                self.guests.assured(&from, Instant::now());
                self.report(&from, epoch, Report::Beat).await;
            }
            Order::Offer { line, ask, who, doing, offer } => {
                let report = match self.take_offer(&from, epoch, (line, ask), (&who, doing), offer) {
                    Ok(()) => return,
                    // Another node will forward the room.
                    Err(ErrorCode::Unavailable) => Report::Over { line },
                    Err(code) => Report::Answered { line, ask, answer: Err(code) },
                };
                self.report(&from, epoch, report).await;
            }
            Order::Candidate { line, candidate } => {
                // Its node has seen that it can be read.
                self.guests.guest(&from, line).map(|guest| guest.candidate(&candidate));
            }
            Order::Follow { line, doing, reason } => {
                if let Some(guest) = self.guests.guest(&from, line) {
                    guest.follow(doing, reason);
                }
            }
            Order::End { line, reason } => {
                if let Some(guest) = self.guests.take(&from, line) {
                    guest.end(reason);
                }
            }
        }
    }

    /// Hands an offer on. It is answered when it is answered: what comes behind it does not wait.
    fn take_offer(
        &mut self,
        from: &NodeId,
        epoch: u64,
        (line, ask): (u64, u64),
        (who, doing): (&Who, Doing),
        offer: MediaOffer,
    ) -> Result<(), ErrorCode> {
        let wants = self.across.wants.clone();
        let owner = from.clone();
        let say = move |report| {
            // Received for as long as the node runs.
            let _ = wants.send(Want::Report { owner: owner.clone(), epoch, report });
        };
        match self.guests.guest(from, line) {
            Some(guest) => guest.follow(doing, GoneReason::Stopped),
            None => {
                let (guest, events) = Local::open(self.plane, who, doing)?;
                self.guests.put(from, line, guest);
                tokio::spawn(listen(line, events, say.clone()));
            }
        }
        let guest = self.guests.guest(from, line).ok_or(ErrorCode::Unavailable)?;
        let answered = guest.offer(offer);
        tokio::spawn(async move {
            match answered.await {
                Ok(answer) => say(Report::Answered { line, ask, answer: Ok(answer) }),
                Err(Unanswered::Refused(code)) => say(Report::Answered { line, ask, answer: Err(code) }),
                Err(Unanswered::Gone) => say(Report::Over { line }),
            }
        });
        Ok(())
    }

    async fn order(&mut self, home: &NodeId, order: Order) {
        let Some(at) = self.abroad.next_order(home) else { return };
        if !self.send("orders", home, at, order).await {
            self.lose(home, "not there");
        }
    }

    async fn report(&mut self, owner: &NodeId, epoch: u64, report: Report) {
        let Some(number) = self.guests.next_report(owner, epoch) else { return };
        if !self.send("reports", owner, (epoch, number), report).await {
            self.guests.lose(owner);
        }
    }

    async fn report_lost(&mut self, owner: &NodeId) {
        if let Some(epoch) = self.guests.epoch(owner) {
            self.report(owner, epoch, Report::Lost).await;
        }
    }

    /// Whether somebody was there.
    async fn send(&self, what: &str, to: &NodeId, (epoch, number): (u64, u64), words: impl Serialize) -> bool {
        let sent_at = self.across.clock.now().get();
        let place_of = address(what, self.across.bus.node(), to);
        let text = self.across.sealer.seal_words(place(&place_of), &Envelope { epoch, number, sent_at, words });
        self.across.bus.send(to, &text).await.unwrap_or(false)
    }

    /// A node forwards nothing for us any more, as far as we can know: its clients are told to connect anew.
    fn lose(&mut self, home: &NodeId, why: &str) {
        let lost = self.abroad.lose(home);
        self.across.counts.lost.fetch_add(lost as u64, Ordering::Relaxed);
        tracing::warn!(node = %home, sessions = lost, why, "a node that forwarded media has gone");
    }
}

/// Reports what happens to a guest, up to its end.
async fn listen(line: u64, mut events: mpsc::Receiver<Event>, say: impl Fn(Report)) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected => say(Report::Transport { line, is_up: true }),
            Event::Disconnected => say(Report::Transport { line, is_up: false }),
            Event::Ended { .. } => break,
            _ => {}
        }
    }
    say(Report::Over { line });
}
