//! The rooms of one worker: packets and commands with the time they came at go in, packets and events come out.
//! Knows no clock, no thread and no socket but the one to send on.

mod drive;
mod forward;
mod negotiate;
mod peer;
mod played;
mod published;
mod tick;
mod wiring;

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use str0m::config::DtlsCert;

use self::peer::Peer;
use crate::{
    Event, Kinds, Limits, Reason, Rights,
    command::Command,
    meter::Cap,
    net::{Departures, Routes},
    stats::{Counters, WorkerSnapshot},
};

/// How often layers are chosen, keyframes asked for again, and publishers told their cap.
const TICK: Duration = Duration::from_millis(100);

/// SSRCs of one client that are remembered; a client that uses more is looked up anew for each packet.
const MOST_SSRCS: usize = 64;

/// What all workers have in common.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    /// The addresses told to clients.
    pub(crate) udp: Vec<SocketAddr>,
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) certificate: DtlsCert,
    pub(crate) routes: Arc<Routes>,
    pub(crate) departures: Departures,
    pub(crate) counters: Arc<Counters>,
}

/// The rooms of one worker.
pub(crate) struct Sfu {
    worker: usize,
    shared: Shared,
    peers: HashMap<u64, Peer>,
    rooms: HashMap<Arc<str>, BTreeSet<u64>>,
    /// When which session wants to be driven on. May hold times that no longer count.
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    /// What transports reported and was not acted on yet.
    reported: VecDeque<(u64, str0m::Event)>,
    next_tick: Instant,
    /// The session being worked for: what fails is its doing.
    working_for: Option<u64>,
}

impl Sfu {
    pub(crate) fn new(worker: usize, shared: Shared, now: Instant) -> Self {
        Self {
            worker,
            shared,
            peers: HashMap::new(),
            rooms: HashMap::new(),
            timers: BinaryHeap::new(),
            reported: VecDeque::new(),
            next_tick: now + TICK,
            working_for: None,
        }
    }

    /// When to call [`Self::advance`]; none, if there is nothing to wait for.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        let timer = self.next_timer();
        let tick = (!self.peers.is_empty()).then_some(self.next_tick);
        timer.into_iter().chain(tick).min()
    }

    /// Does what `command` says. All but [`Command::Shutdown`], which is for the worker.
    pub(crate) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Open { session, room, user_id, rights, events } => {
                let ingress = Cap::new(self.shared.limits.ingress_bps, now);
                self.rooms.entry(Arc::clone(&room)).or_default().insert(session);
                self.peers.insert(session, Peer::new(room, user_id, rights, events, ingress, now));
            }
            Command::Offer { session, offer, reply } => {
                self.working_for = Some(session);
                let answer = self.offer(session, offer, now);
                // If nobody waits for it any more, it is of no use.
                let _ = reply.send(answer);
            }
            Command::Candidate { session, candidate } => self.candidate(session, candidate, now),
            Command::SetRights { session, rights } => self.set_rights(session, rights, now),
            Command::Publish { session, stream_id, kinds } => self.publish(session, stream_id, kinds, now),
            Command::StopPublish { session, stream_id, reason } => {
                self.change(session, reason, now, |peer| peer.publishing.remove(&stream_id).is_some());
            }
            Command::Play { session, stream_id } => {
                self.change(session, Reason::Stopped, now, |peer| {
                    peer.rights.may_play(&stream_id) && peer.playing.insert(stream_id)
                });
            }
            Command::StopPlay { session, stream_id, reason } => {
                self.change(session, reason, now, |peer| peer.playing.remove(&stream_id));
            }
            Command::End { session, reason } => self.end(session, reason, now),
            Command::EndRoom { room, reason } => self.end_room(&room, reason, now),
            Command::Snapshot { reply } => {
                let _ = reply.send(WorkerSnapshot(self.snapshot(now)));
            }
            Command::Shutdown => {}
        }
        self.act_on_reports(now);
    }

    fn end_room(&mut self, room: &str, reason: Reason, now: Instant) {
        for session in self.rooms.get(room).into_iter().flatten().copied().collect::<Vec<_>>() {
            self.working_for = Some(session);
            self.end(session, reason, now);
        }
    }

    /// Ends every session.
    pub(crate) fn end_all(&mut self, reason: Reason, now: Instant) {
        for session in self.peers.keys().copied().collect::<Vec<_>>() {
            self.end(session, reason, now);
        }
    }

    /// Ends the session whose packet or command could not be handled, without touching its transport again.
    pub(crate) fn abandon(&mut self, now: Instant) {
        let Some(session) = self.working_for.take() else { return };
        self.shared.counters.failed_sessions.fetch_add(1, Ordering::Relaxed);
        self.reported.retain(|(of, _)| *of != session);
        if let Some(peer) = self.peers.get_mut(&session) {
            let transport = peer.transport.take();
            self.forget(session, transport);
        }
        self.end(session, Reason::Misbehaved, now);
    }

    fn set_rights(&mut self, session: u64, rights: Rights, now: Instant) {
        self.change(session, Reason::RightLost, now, |peer| {
            peer.set_rights(rights, now);
            true
        });
    }

    fn publish(&mut self, session: u64, stream_id: Arc<str>, kinds: Kinds, now: Instant) {
        let Some(room) = self.peers.get(&session).map(|peer| Arc::clone(&peer.room)) else { return };
        // An id is one session's at a time: the gateway has made sure that the other one is over.
        for other in self.rooms.get(&room).into_iter().flatten().copied().filter(|other| *other != session) {
            if let Some(peer) = self.peers.get_mut(&other) {
                peer.publishing.remove(&stream_id);
            }
        }
        self.change(session, Reason::Removed, now, |peer| {
            let allowed: Kinds = kinds.iter().filter(|kind| peer.rights.may_publish(&stream_id, *kind)).collect();
            peer.publishing.insert(stream_id, allowed);
            true
        });
    }

    /// Changes a session, and what is forwarded in its room by that.
    fn change(&mut self, session: u64, reason: Reason, now: Instant, change: impl FnOnce(&mut Peer) -> bool) {
        self.working_for = Some(session);
        let Some(peer) = self.peers.get_mut(&session) else { return };
        if change(peer) {
            let room = Arc::clone(&peer.room);
            self.rewire(&room, reason, now);
        }
    }

    fn end(&mut self, session: u64, reason: Reason, now: Instant) {
        let Some(peer) = self.peers.get_mut(&session) else { return };
        peer.publishing.clear();
        peer.playing.clear();
        let room = Arc::clone(&peer.room);
        self.rewire(&room, reason, now);
        self.hang_up(session, now);
        if let Some(peer) = self.peers.remove(&session) {
            peer.tell(Event::Ended { reason });
        }
        if let Some(members) = self.rooms.get_mut(&room) {
            members.remove(&session);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }
}
