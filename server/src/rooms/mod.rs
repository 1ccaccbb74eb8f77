//! Who is in which room and who publishes what, on this node.
//!
//! Apps are separate worlds: the app is the first key of everything. A change and its announcement happen under
//! one short lock a world, so everybody in a room hears the changes in the order of their numbers; announcing only
//! puts a text into each member's [`Outbox`] and never waits. Knows neither sockets nor tokens nor a store.
//!
//! A node answers for its own members. Each of their changes goes to the [`Sink`]; what other nodes say of theirs comes
//! in by `elsewhere.rs` and is numbered here like everything else.

mod elsewhere;
mod event;
mod look;
mod outbox;
mod room;
mod talk;
#[cfg(test)]
mod tests;
mod world;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, GoneReason, MediaKind},
};
use token_gen::{AppId, RoomId, StreamId, UnixSeconds, UserId, UserName};

use crate::apps::AppSettings;
pub use elsewhere::{Here, Presence};
pub(crate) use event::gone_by;
pub use event::{Happening, RoomEvent, Sink};
pub use look::{Found, Overview};
pub use outbox::{Delivery, Outbox, OutboxLimits};
pub use room::Snapshot;
pub use talk::{Recalled, Saying};
pub use world::Returned;
use world::World;

/// Names one stay: 16 random bytes, written as 22 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The id made of these random bytes.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// Reads what [`SessionId`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// Somebody who may come in: every check but the room's own has passed.
#[derive(Debug)]
pub struct Newcomer {
    /// Names the stay that begins.
    pub session_id: SessionId,
    /// The room to enter.
    pub room_id: RoomId,
    /// Names the life of the room, if it begins with this user.
    pub room_session_id: u64,
    /// Who enters.
    pub user_id: UserId,
    /// What the others see.
    pub user_name: UserName,
    /// What the token says of the user.
    pub metadata: Option<String>,
    /// How well the user id is proven.
    pub auth: AuthKind,
    /// What another node needs to go on with the stay. The rooms only keep it.
    pub kept: Arc<str>,
    /// Where announcements for this stay go.
    pub outbox: Arc<Outbox>,
}

/// Who has judged whether there is room, and whether the user id or the stream id is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// The rooms of this node do.
    Rooms,
    /// All nodes together have: it is the newcomer's.
    Bus,
}

/// A stream that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStream {
    /// Its id.
    pub stream_id: StreamId,
    /// What it carries, as far as its publisher said.
    pub media: Vec<MediaKind>,
    /// What its publisher says of it.
    pub extra: Option<String>,
}

/// Every room of every app on this node.
pub struct Rooms {
    worlds: RwLock<HashMap<AppId, Arc<Mutex<World>>>>,
    sink: Sink,
}

impl Rooms {
    /// No rooms yet; `sink` hears of every change that begins here.
    pub fn new(sink: Sink) -> Self {
        Self { worlds: RwLock::default(), sink }
    }

    /// Lets `newcomer` in, creating the room if need be, and tells the others.
    ///
    /// # Errors
    /// [`ErrorCode::RoomBusy`], [`ErrorCode::RoomFull`] and [`ErrorCode::LoggedInElsewhere`]; nobody hears of a refused
    /// newcomer.
    pub fn enter(
        &self,
        settings: &AppSettings,
        newcomer: Newcomer,
        judge: Judge,
        now: UnixSeconds,
    ) -> Result<(Place, Snapshot), ErrorCode> {
        let world = self.world(settings.app_id);
        let session_id = newcomer.session_id;
        let snapshot = lock(&world).enter(settings, newcomer, judge, now)?;
        Ok((Place::new(world, session_id, now), snapshot))
    }

    /// Ends the rooms that have been empty for as long as their app keeps them.
    pub fn sweep(&self, now: UnixSeconds) {
        self.worlds().into_iter().for_each(|world| lock(&world).sweep(now));
    }

    fn worlds(&self) -> Vec<Arc<Mutex<World>>> {
        self.worlds.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How many rooms there are, and how many streams in them.
    pub fn count(&self) -> (usize, usize) {
        let worlds = self.worlds.read().unwrap_or_else(PoisonError::into_inner);
        let counts = worlds.values().map(|world| {
            let world = lock(world);
            (world.rooms.len(), world.streams.len())
        });
        counts.fold((0, 0), |(rooms, streams), (more_rooms, more_streams)| (rooms + more_rooms, streams + more_streams))
    }

    /// The world of an app in which something has happened. Whoever only looks makes none.
    fn known(&self, app_id: AppId) -> Option<Arc<Mutex<World>>> {
        self.worlds.read().unwrap_or_else(PoisonError::into_inner).get(&app_id).cloned()
    }

    fn world(&self, app_id: AppId) -> Arc<Mutex<World>> {
        self.known(app_id).unwrap_or_else(|| {
            let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Mutex::new(World::new(app_id, Arc::clone(&self.sink))));
            Arc::clone(worlds.entry(app_id).or_insert_with(new))
        })
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").field("apps", &self.worlds().len()).finish_non_exhaustive()
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    // No step in here panics between two halves of a change, so a poisoned world is still a good one.
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One stay's place in its room. Dropping it leaves the room, so that nothing can leave a ghost behind.
pub struct Place {
    world: Arc<Mutex<World>>,
    session_id: SessionId,
    /// Why and when it is left, as far as is known.
    left: Option<(GoneReason, UnixSeconds)>,
}

impl Place {
    fn new(world: Arc<Mutex<World>>, session_id: SessionId, now: UnixSeconds) -> Self {
        Self { world, session_id, left: Some((GoneReason::Disconnected, now)) }
    }

    /// The app.
    pub fn app_id(&self) -> AppId {
        lock(&self.world).app_id()
    }

    /// Names the stay.
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// Notes what another node needs to go on with the stay. Says whether that is something else than before.
    pub fn keep(&self, kept: &str) -> bool {
        lock(&self.world).keep(self.session_id, kept)
    }

    /// Adds a stream and tells the room.
    ///
    /// # Errors
    /// [`ErrorCode::StreamIdTaken`] if anybody in the app has it; [`ErrorCode::NotInRoom`], here and below, if the stay
    /// was ended a moment ago and has not heard of it yet.
    pub fn start_stream(&self, new: NewStream, judge: Judge) -> Result<(), ErrorCode> {
        lock(&self.world).start_stream(self.session_id, new, judge)
    }

    /// Removes a stream of this stay and tells the room.
    pub fn stop_stream(&self, stream_id: &StreamId, reason: GoneReason) {
        lock(&self.world).stop_stream(self.session_id, stream_id, reason);
    }

    /// Sets a value of the room, or, if it is empty, removes it.
    ///
    /// # Errors
    /// [`ErrorCode::ExtraLimit`].
    pub fn set_room_extra(&self, key: String, value: String, now: UnixSeconds) -> Result<(), ErrorCode> {
        lock(&self.world).set_room_extra(self.session_id, key, value, now)
    }

    /// Sets the value beside the user, or, if it is empty, removes it.
    ///
    /// # Errors
    /// [`ErrorCode::NotInRoom`].
    pub fn set_user_extra(&self, extra: String) -> Result<(), ErrorCode> {
        lock(&self.world).set_user_extra(self.session_id, extra)
    }

    /// Notes that the stay has no connection.
    pub(crate) fn go_away(&self) {
        lock(&self.world).go_away(self.session_id);
    }

    /// Notes that it has one again, whose client has heard the changes up to `seq`: those it missed are in the outbox
    /// now, among what it missed of what was `recalled`. `None` if the stay was ended meanwhile.
    pub(crate) fn come_back(&self, seq: u64, recalled: Option<&Recalled>) -> Option<Returned> {
        lock(&self.world).come_back(self.session_id, seq, recalled)
    }

    /// Notes where the talk of the room stands as the stay enters.
    pub(crate) fn begin_talk(&self, mark: Option<u64>) {
        if let Some(stay) = lock(&self.world).stays.get_mut(&self.session_id) {
            stay.since_mark = mark;
        }
    }

    /// Where it stood then, if that is known.
    pub(crate) fn since_mark(&self) -> Option<u64> {
        lock(&self.world).stays.get(&self.session_id)?.since_mark
    }

    /// The room, unless the stay was ended a moment ago.
    pub(crate) fn room_id(&self) -> Option<RoomId> {
        lock(&self.world).stays.get(&self.session_id).map(|stay| stay.room_id.clone())
    }

    /// Leaves the room and says why.
    pub fn leave(mut self, reason: GoneReason, now: UnixSeconds) {
        self.left = Some((reason, now));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((reason, now)) = self.left.take() {
            let mut world = lock(&self.world);
            // It may have moved to another node, and be there still.
            if world.is_here(self.session_id) {
                world.leave(self.session_id, reason, now);
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}
