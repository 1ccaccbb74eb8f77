//! Which rooms are forwarded here. All media of a room is on one node: the first that needed it, until it leaves or dies.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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
    /// Whether no room is taken any more. Set while the rooms are locked.
    is_closed: AtomicBool,
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
    /// One more session; none, once all rooms are given up.
    pub(super) fn enter(self: &Arc<Self>, app_id: AppId, room_id: &str) -> Option<Homed> {
        let room: Room = (app_id, room_id.into());
        let mut rooms = self.lock();
        if self.is_closed() {
            return None;
        }
        let uses = rooms.entry(room.clone()).or_default();
        uses.sessions += 1;
        if !uses.is_sure {
            self.came.notify_one();
        }
        Some(Homed { homes: Arc::clone(self), room })
    }

    /// The node that forwards a room: this one, if none does yet, or if that cannot be known. None, once all rooms are
    /// given up.
    pub(super) async fn of(&self, bus: &dyn Bus, app_id: AppId, room_id: &str) -> Option<NodeId> {
        self.ask(bus, &(app_id, room_id.into())).await.map(|home| home.unwrap_or_else(|| bus.node().clone()))
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

    /// Gives up every room, for others to take, and takes none any more.
    pub(super) async fn leave_all(&self, bus: &dyn Bus) {
        let rooms: Vec<Room> = {
            let mut rooms = self.lock();
            self.is_closed.store(true, Ordering::SeqCst);
            rooms.drain().map(|(room, _)| room).collect()
        };
        stream::iter(rooms).for_each_concurrent(AT_ONCE, |room| leave(bus, room)).await;
    }

    async fn make_sure(&self, bus: &dyn Bus, media: &Media, room: Room) {
        let (app_id, room_id) = &room;
        // Without a bus each node goes on with what it has.
        let Some(Some(home)) = self.ask(bus, &room).await else { return };
        if home != *bus.node() {
            tracing::info!(%app_id, %room_id, %home, "another node forwards the room");
            media.end_room(room_name(*app_id, room_id), Reason::Moved);
        } else if let Some(uses) = self.lock().get_mut(&room) {
            uses.is_sure = true;
        }
    }

    /// Whose home a room is, which may take it; the inner one is not there without a bus, the outer one once all rooms are
    /// given up.
    async fn ask(&self, bus: &dyn Bus, room: &Room) -> Option<Option<NodeId>> {
        if self.is_closed() {
            return None;
        }
        let home = bus.home(room.0, &name(&room.1)).await.ok();
        if self.is_closed() {
            // It was given up meanwhile, and this may have taken it back.
            leave(bus, room.clone()).await;
            return None;
        }
        Some(home)
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
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

async fn leave(bus: &dyn Bus, (app_id, room_id): Room) {
    // If it cannot be told, it is forgotten in time.
    let _ = bus.leave_home(app_id, &name(&room_id)).await;
}

fn name(room_id: &str) -> String {
    format!("media:{room_id}")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use roompass_media::MediaConfig;

    use super::*;
    use crate::bus::LocalHub;

    #[tokio::test]
    async fn who_has_given_up_all_rooms_takes_none_back() {
        let hub = LocalHub::default();
        let [stops, stays] = ["stops", "stays"].map(|node| hub.join(NodeId::from(node)));
        let media = Media::start(MediaConfig {
            udp: SocketAddr::from(([127, 0, 0, 1], 0)),
            tcp: None,
            public: vec![],
            allow_loopback: true,
            workers: 1,
            limits: roompass_media::Limits::default(),
        });
        let (media, homes, app_id) = (media.await.unwrap(), Arc::new(Homes::default()), AppId::new(1).unwrap());
        let homed = homes.enter(app_id, "r").expect("it is open");
        homes.make_sure(&stops, &media, (app_id, "r".into())).await;
        assert_eq!(Homes::default().of(&stays, app_id, "r").await.as_ref(), Some(stops.node()));

        homes.leave_all(&stops).await;
        // A round that had begun before.
        homes.make_sure(&stops, &media, (app_id, "r".into())).await;
        assert_eq!(homes.of(&stops, app_id, "r").await, None);
        assert!(homes.enter(app_id, "r").is_none());
        assert_eq!(Homes::default().of(&stays, app_id, "r").await.as_ref(), Some(stays.node()));
        drop(homed);
    }
}
