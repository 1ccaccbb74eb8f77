//! Which rooms are forwarded here. All media of a room is on one node: the first that needed it, until it leaves or dies.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use roompass_media::{Media, Reason};
use token_gen::AppId;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};

use super::room_name;
use crate::bus::{Bus, NodeId};

/// How often a node makes sure that the rooms it forwards are its own still: after an outage of the bus two may forward
/// the same.
const SURE_EVERY: Duration = Duration::from_secs(5);
/// How many answers of the bus are waited for at a time.
const AT_ONCE: usize = 64;

type Room = (AppId, Arc<str>);

/// The rooms that are forwarded here.
#[derive(Debug, Default)]
pub(super) struct Homes {
    rooms: Mutex<HashMap<Room, Use>>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Use {
    sessions: usize,
    /// Whether nobody was in it when this was last looked at.
    was_empty: bool,
    /// Whether the room has been made sure of.
    is_sure: bool,
}

/// A session in such a room, until it is dropped.
#[derive(Debug)]
pub(super) struct Homed {
    homes: Arc<Homes>,
    room: Room,
}

impl Homes {
    /// One more session.
    pub(super) fn enter(self: &Arc<Self>, app_id: AppId, room_id: &str) -> Homed {
        let room: Room = (app_id, room_id.into());
        let mut rooms = self.lock();
        let uses = rooms.entry(room.clone()).or_default();
        uses.sessions += 1;
        if !uses.is_sure {
            self.came.notify_one();
        }
        Homed { homes: Arc::clone(self), room }
    }

    /// Keeps the rooms, and gives up those that are another node's, for ever.
    pub(super) async fn keep(&self, bus: &dyn Bus, media: &Media) {
        let mut ticks = interval(SURE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let rooms = tokio::select! {
                _ = ticks.tick() => {
                    self.leave_empty(bus).await;
                    self.lock().keys().cloned().collect()
                }
                () = self.came.notified() => self.unsure(),
            };
            stream::iter(rooms).for_each_concurrent(AT_ONCE, |room| self.make_sure(bus, media, room)).await;
        }
    }

    /// Gives up every room, for others to take.
    pub(super) async fn leave_all(&self, bus: &dyn Bus) {
        let rooms: Vec<Room> = self.lock().drain().map(|(room, _)| room).collect();
        stream::iter(rooms).for_each_concurrent(AT_ONCE, |room| leave(bus, room)).await;
    }

    async fn make_sure(&self, bus: &dyn Bus, media: &Media, room: Room) {
        let (app_id, room_id) = &room;
        // Without a bus each node goes on with what it has.
        let Ok(home) = bus.home(*app_id, &name(room_id)).await else { return };
        if home != *bus.node() {
            tracing::info!(%app_id, %room_id, %home, "another node forwards the room");
            media.end_room(room_name(*app_id, room_id), Reason::Moved);
        } else if let Some(uses) = self.lock().get_mut(&room) {
            uses.is_sure = true;
        }
    }

    fn unsure(&self) -> Vec<Room> {
        self.lock().iter().filter(|(_, uses)| !uses.is_sure).map(|(room, _)| room.clone()).collect()
    }

    /// Leaves the rooms that were empty the last time too.
    async fn leave_empty(&self, bus: &dyn Bus) {
        let mut left = vec![];
        self.lock().retain(|room, uses| {
            let stays = uses.sessions > 0 || !std::mem::replace(&mut uses.was_empty, true);
            uses.was_empty = uses.sessions == 0;
            if !stays {
                left.push(room.clone());
            }
            stays
        });
        stream::iter(left).for_each_concurrent(AT_ONCE, |room| leave(bus, room)).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Room, Use>> {
        // Nothing in here panics half-way, so a poisoned state is still a good one.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Homed {
    fn drop(&mut self) {
        if let Some(uses) = self.homes.lock().get_mut(&self.room) {
            uses.sessions = uses.sessions.saturating_sub(1);
        }
    }
}

/// The node that forwards a room: this one, if none does yet, or if that cannot be known.
pub(super) async fn home_of(bus: &dyn Bus, app_id: AppId, room_id: &str) -> NodeId {
    bus.home(app_id, &name(room_id)).await.unwrap_or_else(|_| bus.node().clone())
}

async fn leave(bus: &dyn Bus, (app_id, room_id): Room) {
    // If it cannot be told, it is forgotten in time.
    let _ = bus.leave_home(app_id, &name(&room_id)).await;
}

fn name(room_id: &str) -> String {
    format!("media:{room_id}")
}
