//! Media of a session that another node forwards. The session stays where its socket is, and so do its rules; its packets
//! go straight to the node that forwards the room, which lets through what it is told and nothing else.
//!
//! One task a node writes and reads. A node that does not hear of another for [`SILENCE`] counts it as gone: whoever
//! has the session tells the client to connect anew, and whoever forwards it lets nothing more through.

mod abroad;
mod guests;
mod words;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use roompass_media::Event;
use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, MediaAnswer, MediaOffer},
};
use serde::Serialize;
use token_gen::AppId;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    MediaPlane,
    homes::home_of,
    local::{Doing, Local, Unanswered, Who},
};
use crate::{
    bus::{Bus, Letter, NodeId},
    clock::Clock,
    sealing::Sealer,
};
use abroad::Abroad;
use guests::{Admission, Guests};
use words::{Envelope, Order, Report, address, place};

/// How often nodes assure each other of what they forward.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How long a node may be silent.
const SILENCE: Duration = Duration::from_secs(4);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Events that may wait for a stay; what comes on top is lost, but for the end.
const WAITING_EVENTS: usize = 16;

/// The way to other nodes' media planes.
pub(super) struct Across {
    bus: Arc<dyn Bus>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    /// Without a bound, because an end must not be lost: each comes of a message that a client may send so often, or of
    /// the end of a session.
    wants: mpsc::UnboundedSender<Want>,
    /// Taken by the task that writes.
    wanted: Mutex<Option<mpsc::UnboundedReceiver<Want>>>,
    lines: AtomicU64,
    counts: Counts,
}

/// What is to be seen from outside.
#[derive(Debug, Default)]
struct Counts {
    abroad: AtomicUsize,
    guests: AtomicUsize,
    lost: AtomicU64,
}

/// Sessions and nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AcrossNodes {
    /// Sessions here whose media another node forwards.
    pub abroad: usize,
    /// Sessions of other nodes whose media is forwarded here.
    pub guests: usize,
    /// How often a session here has lost its media because the node that forwarded it had gone.
    pub lost: u64,
}

/// What is to be said, or noted.
enum Want {
    Open { home: NodeId, line: u64, events: mpsc::Sender<Event> },
    Ask { home: NodeId, order: Order, at: (u64, u64), answer: oneshot::Sender<Result<MediaAnswer, ErrorCode>> },
    Tell { home: NodeId, line: u64, order: Order },
    Report { owner: NodeId, epoch: u64, report: Report },
    Close { done: oneshot::Sender<()> },
}

/// A session here whose media another node forwards. Ends when dropped.
pub(super) struct Far {
    across: Arc<Across>,
    home: NodeId,
    who: Who,
    line: u64,
    asked: u64,
}

impl Across {
    pub(super) fn new(bus: Arc<dyn Bus>, sealer: Sealer, clock: Arc<dyn Clock>) -> Self {
        let (wants, wanted) = mpsc::unbounded_channel();
        let wanted = Mutex::new(Some(wanted));
        Self { bus, sealer, clock, wants, wanted, lines: AtomicU64::new(0), counts: Counts::default() }
    }

    pub(super) fn bus(&self) -> &dyn Bus {
        &*self.bus
    }

    /// The way to the node that forwards a room, and what happens there; none, if that is this one.
    pub(super) async fn far(self: &Arc<Self>, app_id: AppId, who: &Who) -> Option<(Far, mpsc::Receiver<Event>)> {
        let home = home_of(&*self.bus, app_id, &who.room_id).await;
        if home == *self.bus.node() {
            return None;
        }
        let line = self.lines.fetch_add(1, Ordering::Relaxed) + 1;
        let (events, heard) = mpsc::channel(WAITING_EVENTS);
        self.want(Want::Open { home: home.clone(), line, events });
        Some((Far { across: Arc::clone(self), home, who: who.clone(), line, asked: 0 }, heard))
    }

    pub(super) fn counted(&self) -> AcrossNodes {
        let Counts { abroad, guests, lost } = &self.counts;
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        AcrossNodes { abroad: read(abroad), guests: read(guests), lost: lost.load(Ordering::Relaxed) }
    }

    /// Writes and reads, for ever.
    pub(super) async fn run(self: &Arc<Self>, plane: &MediaPlane) {
        let taken = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut wanted) = taken else { return };
        let mut post =
            Post { across: self, plane, abroad: Abroad::default(), guests: Guests::default(), is_open: true };
        let mut beats = interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                letter = self.bus.letter() => post.read(letter).await,
                want = wanted.recv() => match want {
                    Some(want) => post.perform(want).await,
                    None => return,
                },
                _ = beats.tick() => post.beat().await,
            }
            self.counts.abroad.store(post.abroad.len(), Ordering::Relaxed);
            self.counts.guests.store(post.guests.len(), Ordering::Relaxed);
        }
    }

    /// Tells all nodes that nothing is forwarded for them any more.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        self.want(Want::Close { done });
        // Whoever writes may have stopped already.
        let _ = timeout(PATIENCE, closed).await;
    }

    fn want(&self, want: Want) {
        // Received for as long as this is there.
        let _ = self.wants.send(want);
    }
}

impl std::fmt::Debug for Across {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Across").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Far {
    /// Has an offer answered, for a session that does just this.
    pub(super) async fn offer(&mut self, offer: MediaOffer, doing: Doing) -> Result<MediaAnswer, Unanswered> {
        self.asked += 1;
        let (line, ask, who) = (self.line, self.asked, self.who.clone());
        let (answer, answered) = oneshot::channel();
        let order = Order::Offer { line, ask, who, doing, offer };
        self.across.want(Want::Ask { home: self.home.clone(), order, at: (line, ask), answer });
        match timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => answer.map_err(Unanswered::Refused),
            // The line is gone, or as good as gone.
            Ok(Err(_)) | Err(_) => Err(Unanswered::Gone),
        }
    }

    pub(super) fn follow(&self, doing: Doing, reason: GoneReason) {
        self.tell(Order::Follow { line: self.line, doing, reason });
    }

    pub(super) fn candidate(&self, candidate: &str) {
        self.tell(Order::Candidate { line: self.line, candidate: candidate.to_owned() });
    }

    pub(super) fn end(self, reason: GoneReason) {
        self.tell(Order::End { line: self.line, reason });
    }

    fn tell(&self, order: Order) {
        self.across.want(Want::Tell { home: self.home.clone(), line: self.line, order });
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        // One that was ended before is not there any more.
        self.tell(Order::End { line: self.line, reason: GoneReason::Disconnected });
    }
}

impl std::fmt::Debug for Far {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Far").field("home", &self.home).field("line", &self.line).finish_non_exhaustive()
    }
}

/// What the task that writes and reads knows.
struct Post<'a> {
    across: &'a Arc<Across>,
    plane: &'a MediaPlane,
    abroad: Abroad,
    guests: Guests,
    /// Whether sessions of others are taken in.
    is_open: bool,
}

impl Post<'_> {
    async fn perform(&mut self, want: Want) {
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

    async fn beat(&mut self) {
        let now = Instant::now();
        // First, because what is sent may have to wait for a bus that hangs.
        for (owner, guests) in self.guests.end_silent(now) {
            tracing::warn!(node = %owner, guests, "nothing is heard of a node: the media of its sessions is not forwarded");
        }
        for (home, is_silent) in self.abroad.homes(now) {
            if is_silent {
                self.lose(&home, "silent");
            } else {
                self.order(&home, Order::Beat).await;
            }
        }
    }

    async fn read(&mut self, Letter { from, text }: Letter) {
        let (sealer, node) = (&self.across.sealer, self.across.bus.node());
        let now = Instant::now();
        if let Some(order) = sealer.open_words::<Envelope<Order>>(place(&address("orders", &from, node)), &text) {
            let age_secs = self.across.clock.now().get().abs_diff(order.sent_at);
            match self.guests.admit(&from, (order.epoch, order.number), age_secs, now) {
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
            Order::Beat => self.report(&from, epoch, Report::Beat).await,
            Order::Offer { line, ask, who, doing, offer } => {
                if let Err(code) = self.take_offer(&from, epoch, (line, ask), (&who, doing), offer) {
                    self.report(&from, epoch, Report::Answered { line, ask, answer: Err(code) }).await;
                }
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
