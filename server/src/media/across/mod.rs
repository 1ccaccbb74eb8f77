//! Media of a session that another node forwards. The session stays where its socket is, and so do its rules; its packets
//! go straight to the node that forwards the room, which lets through what it is told and nothing else.
//!
//! One task a node writes and reads. A node that does not hear of another for [`SILENCE`] counts it as gone: whoever
//! has the session tells the client to connect anew, and whoever forwards it lets nothing more through.

mod abroad;
mod guests;
mod post;
#[cfg(test)]
mod tests;
mod words;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use roompass_media::Event;
use roompass_wire::{
    ErrorCode,
    gateway::{GoneReason, MediaAnswer, MediaOffer},
};
use token_gen::AppId;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    MediaPlane,
    homes::Homes,
    local::{Doing, Unanswered, Who},
};
use crate::{
    bus::{Bus, NodeId},
    clock::Clock,
    sealing::Sealer,
};
use post::Post;
use words::{Order, Report};

/// How often nodes assure each other of what they forward.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How long a node may be silent.
const SILENCE: Duration = Duration::from_secs(4);
/// How many addresses of a client are passed on; who forwards takes in no more of them.
const MOST_CANDIDATES: usize = 64;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Events that may wait for a stay; what comes on top is lost, but for the end.
const WAITING_EVENTS: usize = 16;

/// The way to other nodes' media planes.
pub(super) struct Across {
    bus: Arc<dyn Bus>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    /// Without a bound, because an end must not be lost. Of one session few wait at a time: an offer, the latest of what
    /// it does, so many addresses.
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

/// What a session does now and why it changed, until it is said.
type Latest = Arc<Mutex<Option<(Doing, GoneReason)>>>;

/// What is to be said, or noted.
enum Want {
    Open {
        home: NodeId,
        line: u64,
        events: mpsc::Sender<Event>,
    },
    Ask {
        home: NodeId,
        order: Order,
        at: (u64, u64),
        answer: oneshot::Sender<Result<MediaAnswer, ErrorCode>>,
    },
    Tell {
        home: NodeId,
        line: u64,
        order: Order,
    },
    Follow {
        home: NodeId,
        line: u64,
        latest: Latest,
    },
    /// Assure every node: after all that was to be said to it before, so that none is sure of what is out of date.
    Beat,
    Report {
        owner: NodeId,
        epoch: u64,
        report: Report,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// A session here whose media another node forwards. Ends when dropped.
pub(super) struct Far {
    across: Arc<Across>,
    home: NodeId,
    who: Who,
    line: u64,
    asked: u64,
    /// Of what waits to be said behind the latest offer.
    latest: Latest,
    candidates: usize,
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
    ///
    /// # Errors
    /// [`ErrorCode::Unavailable`] if this node stops.
    pub(super) async fn far(
        self: &Arc<Self>,
        homes: &Homes,
        app_id: AppId,
        who: &Who,
    ) -> Result<Option<(Far, mpsc::Receiver<Event>)>, ErrorCode> {
        let home = homes.of(&*self.bus, app_id, &who.room_id).await.ok_or(ErrorCode::Unavailable)?;
        if home == *self.bus.node() {
            return Ok(None);
        }
        let line = self.lines.fetch_add(1, Ordering::Relaxed) + 1;
        let (events, heard) = mpsc::channel(WAITING_EVENTS);
        self.want(Want::Open { home: home.clone(), line, events });
        let (across, who) = (Arc::clone(self), who.clone());
        Ok(Some((Far { across, home, who, line, asked: 0, latest: Latest::default(), candidates: 0 }, heard)))
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
        let mut post = Post::new(self, plane);
        let mut beats = interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                letter = self.bus.letter() => post.read(letter).await,
                want = wanted.recv() => match want {
                    Some(want) => post.perform(want).await,
                    None => return,
                },
                _ = beats.tick() => post.look_for_silence(),
            }
            post.count();
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

fn lock(latest: &Latest) -> MutexGuard<'_, Option<(Doing, GoneReason)>> {
    // No change in here can stop half-way.
    latest.lock().unwrap_or_else(PoisonError::into_inner)
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
        // It says what is done now: what is done later must not be said before it.
        self.latest = Latest::default();
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
        let is_said = lock(&self.latest).replace((doing, reason)).is_none();
        if is_said {
            let (home, latest) = (self.home.clone(), Arc::clone(&self.latest));
            self.across.want(Want::Follow { home, line: self.line, latest });
        }
    }

    pub(super) fn candidate(&mut self, candidate: &str) {
        if self.candidates == MOST_CANDIDATES {
            return;
        }
        self.candidates += 1;
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
