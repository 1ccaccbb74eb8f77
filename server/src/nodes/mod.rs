//! Rooms across nodes: a login and a stream are claimed where all nodes can see it, what happens here is told to the
//! others, and what they tell is taken into the rooms.
//!
//! Every node answers for its own members and numbers changes for them. While the bus is away, each goes on with what it
//! knows; when it is back, all is told again, and of two claims to one user id the later login stays. A single node
//! does none of this. Knows neither sockets nor tokens.

mod listen;
mod resume;
mod speak;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, User},
};
use serde::{Deserialize, Serialize};
use token_gen::{AppId, RoomId, StreamId};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc};

use crate::{
    apps::{AppSettings, DuplicateLogin},
    bus::{Bus, BusError, Entered, Terms, Topic},
    clock::Clock,
    rooms::{Departed, Here, Judge, Newcomer, Outgoing, Outlet, Place, Presence, Rooms, SessionId, Snapshot},
    sealing::Sealer,
};

/// How much may wait to be told. Beyond it, everything is told again.
const MAX_OUTGOING: usize = 64 * 1024;

/// This node's rooms, and its part in those of all nodes.
pub struct Nodes {
    rooms: Arc<Rooms>,
    bus: Arc<dyn Bus>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    outlet: Outlet,
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
    /// How many are on their way in.
    entering: usize,
}

/// What one node tells another alone.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Notice {
    /// A stay there is over.
    End { app_id: u32, session_id: String, code: ErrorCode },
}

impl Notice {
    fn end(app_id: AppId, session_id: SessionId, code: ErrorCode) -> Self {
        Self::End { app_id: app_id.get(), session_id: session_id.to_string(), code }
    }

    fn text(&self) -> String {
        // Strings and numbers into memory: serde_json has no way to fail here.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Nodes {
    /// The rooms of a node on `bus`. What other nodes need to go on with a stay is sealed with `sealer`.
    pub fn new(bus: Arc<dyn Bus>, sealer: Sealer, clock: Arc<dyn Clock>) -> Self {
        let (outlet, outgoing) = Outlet::new(MAX_OUTGOING);
        let rooms = if bus.is_alone() { Rooms::default() } else { Rooms::telling(outlet.clone()) };
        Self {
            rooms: Arc::new(rooms),
            bus,
            sealer,
            clock,
            outlet,
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
    pub async fn enter(&self, settings: &AppSettings, newcomer: Newcomer) -> Result<(Place, Snapshot), ErrorCode> {
        if self.bus.is_alone() {
            return self.rooms.enter(settings, newcomer, Judge::Rooms);
        }
        let (app_id, session_id) = (settings.app_id, newcomer.session_id);
        let topic = topic(app_id, &newcomer.room_id);
        let departed = Departed {
            app_id,
            room_id: newcomer.room_id.clone(),
            session_id,
            user_id: newcomer.user_id.clone(),
            streams: Vec::new(),
        };
        self.follow(&topic).await;
        let user = User {
            user_id: newcomer.user_id.as_str().to_owned(),
            user_name: newcomer.user_name.as_str().to_owned(),
            ..User::default()
        };
        let presence = Presence { user, auth: newcomer.auth, since: newcomer.since, streams: Vec::new() };
        let here = Here { room_id: newcomer.room_id.clone(), presence, kept: Arc::clone(&newcomer.kept) };
        let entered = self.claim_place(settings, &topic, session_id, &here).await;
        let outcome = match entered {
            Ok(Entered::Full) => Err(ErrorCode::RoomFull),
            Ok(Entered::Held | Entered::Moved) => Err(ErrorCode::LoggedInElsewhere),
            Ok(Entered::In) => self.rooms.enter(settings, newcomer, Judge::Bus),
            // Told when the bus is back, if it has not happened after all.
            Err(_) => self.rooms.enter(settings, newcomer, Judge::Rooms).inspect(|_| {
                self.outlet.say(Outgoing::Changed(app_id, session_id));
            }),
        };
        self.following(&topic).heard.lock().await.entering -= 1;
        if outcome.is_err() {
            let room_id = departed.room_id.clone();
            self.outlet.say(Outgoing::Left(departed));
            self.outlet.say(Outgoing::Emptied(app_id, room_id));
        }
        outcome
    }

    /// Starts a stream of a stay here, if nobody on any node has its id.
    ///
    /// # Errors
    /// As [`Place::start_stream`].
    pub async fn start_stream(&self, place: &Place, stream_id: &StreamId) -> Result<(), ErrorCode> {
        if self.bus.is_alone() {
            return place.start_stream(stream_id, Judge::Rooms);
        }
        let (app_id, session_id) = (place.app_id(), place.session_id());
        let name = stream_name(stream_id.as_str());
        let judge = match self.bus.claim(app_id, &name, &session_id.to_string()).await {
            Ok(true) => Judge::Bus,
            Ok(false) => return Err(ErrorCode::StreamIdTaken),
            Err(_) => Judge::Rooms,
        };
        place.start_stream(stream_id, judge).inspect_err(|_| {
            self.outlet.say(Outgoing::Stopped(app_id, session_id, stream_id.as_str().to_owned()));
        })
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

    /// Sees to it that the room here is what it is everywhere, before somebody enters it.
    async fn follow(&self, topic: &Topic) {
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
            return;
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
