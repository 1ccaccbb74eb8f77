//! Rooms across nodes: a login and a stream are claimed where all nodes can see it, what happens here is told to the
//! others, and what they tell is taken into the rooms.
//!
//! Every node answers for its own members and numbers changes for them. While the bus is away, each goes on with what it
//! knows; when it is back, all is told again, and of two claims to one user id the later login stays. A single node
//! does none of this. Knows neither sockets nor tokens.

mod ask;
mod listen;
mod outlet;
mod resume;
mod speak;
mod talk;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, GoneReason, User},
};
use token_gen::{AppId, RoomId, StreamId, UnixSeconds};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc};

use crate::{
    apps::{AppSettings, DuplicateLogin},
    bus::{Bus, BusError, Entered, Terms, Topic},
    clock::Clock,
    rooms::{Here, Judge, Newcomer, Place, Presence, Rooms, SessionId, Sink, Snapshot},
    sealing::Sealer,
};

pub use ask::Unreached;
use outlet::{Departed, Outgoing, Outlet};
pub use resume::Lost;
use talk::Letters;

/// How much may wait to be told. Beyond it, everything is told again.
const MAX_OUTGOING: usize = 64 * 1024;

/// This node's rooms, and its part in those of all nodes.
pub struct Nodes {
    rooms: Arc<Rooms>,
    bus: Arc<dyn Bus>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    outlet: Outlet,
    letters: Letters,
    /// Taken by the task that speaks.
    outgoing: Mutex<Option<mpsc::Receiver<Outgoing>>>,
    topics: Mutex<HashMap<Topic, Arc<Following>>>,
    /// Whether other nodes may not have told everything again yet since the bus came back.
    is_healing: AtomicBool,
    /// Something may not have been heard or told.
    missed: Notify,
}

/// A room that somebody here is in, or enters.
#[derive(Debug, Default)]
struct Following {
    heard: AsyncMutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    follows: bool,
    /// The number of the latest change taken in.
    rev: u64,
    /// That of the latest saying; 0 if the board has never been read.
    said: u64,
    /// How many are on their way in.
    entering: usize,
}

impl Nodes {
    /// The rooms of a node on `bus`; `sink` hears of every change that begins here. What other nodes need to go on with
    /// a stay is sealed with `sealer`.
    pub fn new(bus: Arc<dyn Bus>, sealer: Sealer, clock: Arc<dyn Clock>, sink: Sink) -> Self {
        let (outlet, outgoing) = Outlet::new(MAX_OUTGOING);
        let sink = if bus.is_alone() { sink } else { outlet.clone().sink(sink) };
        Self {
            rooms: Arc::new(Rooms::new(sink)),
            bus,
            sealer,
            clock,
            outlet,
            letters: Letters::default(),
            outgoing: Mutex::new(Some(outgoing)),
            topics: Mutex::default(),
            is_healing: AtomicBool::new(false),
            missed: Notify::new(),
        }
    }

    /// The bus.
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// The rooms as this node knows them.
    pub fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    /// Lets `newcomer` in, if all nodes together have room for it and it may have its user id.
    ///
    /// # Errors
    /// As [`Rooms::enter`].
    pub async fn enter(
        &self,
        settings: &AppSettings,
        newcomer: Newcomer,
        now: UnixSeconds,
    ) -> Result<(Place, Snapshot), ErrorCode> {
        if self.bus.is_alone() {
            return self.rooms.enter(settings, newcomer, Judge::Rooms, now);
        }
        let (app_id, session_id, room_id) = (settings.app_id, newcomer.session_id, newcomer.room_id.clone());
        let topic = topic(app_id, &room_id);
        let user = User {
            user_id: newcomer.user_id.as_str().to_owned(),
            user_name: newcomer.user_name.as_str().to_owned(),
            metadata: newcomer.metadata.clone(),
            extra: None,
        };
        let departed =
            Departed { app_id, room_id, session_id, user_id: user.user_id.clone(), reason: GoneReason::Removed };
        let said = self.follow(&topic).await;
        let presence = Presence {
            user,
            auth: newcomer.auth,
            since: now.get(),
            room_session_id: newcomer.room_session_id,
            streams: Vec::new(),
        };
        let here = Here {
            room_id: departed.room_id.clone(),
            presence,
            kept: Arc::clone(&newcomer.kept),
            since_mark: (said > 0).then_some(said),
        };
        let entered = self.claim_place(settings, &topic, session_id, &here).await;
        let following = self.following(&topic);
        // Nothing is said in between: what is said from here on, the newcomer hears.
        let mut heard = following.heard.lock().await;
        let outcome = match entered {
            Ok(Entered::Full) => Err(ErrorCode::RoomFull),
            Ok(Entered::Held | Entered::Moved) => Err(ErrorCode::LoggedInElsewhere),
            Ok(Entered::In) => self.rooms.enter(settings, newcomer, Judge::Bus, now),
            // Told when the bus is back, if it has not happened after all.
            Err(_) => self.rooms.enter(settings, newcomer, Judge::Rooms, now).inspect(|_| {
                self.outlet.say(Outgoing::Changed(app_id, session_id));
            }),
        };
        let mark = (heard.said > 0).then_some(heard.said);
        let outcome = outcome.map(|(place, snapshot)| {
            place.begin_talk(mark);
            (place, Snapshot { mark, ..snapshot })
        });
        heard.entering -= 1;
        drop(heard);
        if outcome.is_err() {
            let room_id = departed.room_id.clone();
            self.outlet.say(Outgoing::Left(departed));
            self.outlet.say(Outgoing::Emptied(app_id, room_id));
        }
        outcome
    }

    /// Claims a stream id for a stay here, which is given back if the stream then does not start. Says who has judged.
    ///
    /// # Errors
    /// [`ErrorCode::StreamIdTaken`] if anybody on any node has it.
    pub async fn claim_stream(&self, place: &Place, stream_id: &StreamId) -> Result<Judge, ErrorCode> {
        if self.bus.is_alone() {
            return Ok(Judge::Rooms);
        }
        let name = stream_name(stream_id.as_str());
        match self.bus.claim(place.app_id(), &name, &place.session_id().to_string()).await {
            Ok(true) => Ok(Judge::Bus),
            Ok(false) => Err(ErrorCode::StreamIdTaken),
            Err(_) => Ok(Judge::Rooms),
        }
    }

    /// Gives back a stream id that was claimed for a stream that did not start.
    pub fn release_stream(&self, place: &Place, stream_id: &StreamId) {
        let (app_id, session_id) = (place.app_id(), place.session_id());
        self.outlet.say(Outgoing::Stopped(app_id, session_id, stream_id.as_str().to_owned()));
    }

    /// Keeps what another node needs to go on with a stay here.
    pub fn keep(&self, place: &Place, kept: &str) {
        if place.keep(kept) {
            self.outlet.say(Outgoing::Changed(place.app_id(), place.session_id()));
        }
    }

    async fn claim_place(
        &self,
        settings: &AppSettings,
        topic: &Topic,
        session_id: SessionId,
        here: &Here,
    ) -> Result<Entered, BusError> {
        let terms = Terms {
            newest_wins: settings.duplicate_login == DuplicateLogin::NewestWins,
            limit: settings.max_room_users,
            again: false,
            ..terms(&here.presence)
        };
        self.bus.enter(&self.entry(topic, session_id, here), terms).await
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<Topic, Arc<Following>>> {
        // No change in here can stop half-way.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn following(&self, topic: &Topic) -> Arc<Following> {
        Arc::clone(self.topics().entry(topic.clone()).or_default())
    }

    /// Sees to it that the room here is what it is everywhere, before somebody enters it. Says where the talk stands; 0
    /// if that is not known.
    async fn follow(&self, topic: &Topic) -> u64 {
        loop {
            let following = self.following(topic);
            let mut heard = following.heard.lock().await;
            // Forgotten while we waited for it.
            if !self.topics().get(topic).is_some_and(|known| Arc::ptr_eq(known, &following)) {
                continue;
            }
            heard.entering += 1;
            if !heard.follows {
                self.read_board(topic, &mut heard).await;
            }
            return heard.said;
        }
    }

    /// Makes the room what the board says. Without a bus it stays as it is.
    async fn read_board(&self, topic: &Topic, heard: &mut Heard) {
        let Some(room_id) = room_id(topic) else { return };
        let Ok(board) = self.bus.follow(topic).await else {
            heard.follows = false;
            return;
        };
        (heard.follows, heard.rev) = (true, board.rev);
        self.take_in_board(topic.app_id, &room_id, &board);
        self.catch_up(topic, heard, board.rev).await;
    }
}

/// The terms of a stay that has been let in before. A proven user id beats an unproven one.
fn terms(presence: &Presence) -> Terms {
    let rank = match presence.auth {
        AuthKind::Token => 1,
        AuthKind::AppSign | AuthKind::Unknown => 0,
    };
    Terms { since: presence.since, rank, newest_wins: true, limit: 0, again: true }
}

fn topic(app_id: AppId, room_id: &RoomId) -> Topic {
    Topic { app_id, name: room_id.as_str().into() }
}

/// The room that a topic is about. Topics are made of rooms only.
fn room_id(topic: &Topic) -> Option<RoomId> {
    RoomId::new(&*topic.name).ok()
}

fn user_name(user_id: &str) -> String {
    format!("user:{user_id}")
}

fn stream_name(stream_id: &str) -> String {
    format!("stream:{stream_id}")
}
