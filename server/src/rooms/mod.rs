//! Who is in which room and who publishes what, on this node.
//!
//! Apps are separate worlds: the app is the first key of everything. A change and its announcement happen under
//! one short lock a world, so everybody in a room hears the changes in the order of their numbers; announcing only
//! puts a text into each member's [`Outbox`] and never waits. Knows neither sockets nor tokens nor a store.

mod event;
mod look;
mod outbox;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, Change, GoneReason, RoomStreams, RoomUsers, ServerMessage, Stream, User},
};
use token_gen::{AppId, RoomId, StreamId, UserId, UserName};

use crate::apps::{AppSettings, DuplicateLogin};
pub(crate) use event::gone_by;
pub use event::{Happening, RoomEvent, Sink};
pub use look::{Found, Overview};
pub use outbox::{Delivery, Outbox, OutboxLimits};

/// Names one stay: 16 random bytes, written as 22 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The id made of these random bytes.
    pub const fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// Half of its bytes, as a number: as random as the whole.
    fn number(self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
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
    /// Who enters.
    pub user_id: UserId,
    /// What the others see.
    pub user_name: UserName,
    /// How well the user id is proven.
    pub auth: AuthKind,
    /// Where announcements for this stay go.
    pub outbox: Arc<Outbox>,
}

/// The room as the newcomer finds it, itself included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of the latest change, which is this arrival.
    pub seq: u64,
    /// Everybody, in joining order.
    pub users: Vec<User>,
    /// Every stream, in starting order.
    pub streams: Vec<Stream>,
}

/// Every room of every app on this node.
pub struct Rooms {
    worlds: RwLock<HashMap<AppId, Arc<Mutex<World>>>>,
    sink: Sink,
}

impl Default for Rooms {
    fn default() -> Self {
        Self::new(Arc::new(|_, _| {}))
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").finish_non_exhaustive()
    }
}

impl Rooms {
    /// No rooms yet; `sink` hears of every change that begins here.
    pub fn new(sink: Sink) -> Self {
        Self { worlds: RwLock::default(), sink }
    }

    /// Lets `newcomer` in, creating the room if need be, and tells the others.
    ///
    /// # Errors
    /// [`ErrorCode::RoomFull`] and [`ErrorCode::LoggedInElsewhere`]; nobody hears of a refused newcomer.
    pub fn enter(&self, settings: &AppSettings, newcomer: Newcomer) -> Result<(Place, Snapshot), ErrorCode> {
        let world = self.world(settings.app_id);
        let session_id = newcomer.session_id;
        let snapshot = lock(&world).enter(settings, newcomer)?;
        Ok((Place { world, session_id, reason: GoneReason::Disconnected }, snapshot))
    }

    fn world(&self, app_id: AppId) -> Arc<Mutex<World>> {
        let found = self.worlds.read().unwrap_or_else(PoisonError::into_inner).get(&app_id).cloned();
        found.unwrap_or_else(|| {
            let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Mutex::new(World::new(app_id, Arc::clone(&self.sink))));
            Arc::clone(worlds.entry(app_id).or_insert_with(new))
        })
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
    /// Why it is left, as far as is known.
    reason: GoneReason,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

impl Place {
    /// Adds a stream and tells the room.
    ///
    /// # Errors
    /// [`ErrorCode::StreamIdTaken`] if anybody in the app has it; [`ErrorCode::NotInRoom`] if the stay was ended
    /// a moment ago and has not heard of it yet.
    pub fn start_stream(&self, stream_id: &StreamId) -> Result<(), ErrorCode> {
        lock(&self.world).start_stream(self.session_id, stream_id)
    }

    /// Removes a stream of this stay and tells the room.
    pub fn stop_stream(&self, stream_id: &StreamId) {
        lock(&self.world).stop_stream(self.session_id, stream_id);
    }

    /// Leaves the room and says why.
    pub fn leave(mut self, reason: GoneReason) {
        self.reason = reason;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.world).leave(self.session_id, self.reason);
    }
}

/// The rooms of one app.
struct World {
    app_id: AppId,
    sink: Sink,
    rooms: HashMap<RoomId, Room>,
    stays: HashMap<SessionId, Stay>,
    /// One stay a user.
    users: HashMap<UserId, SessionId>,
    /// One publisher a stream; by the text of the stream id.
    streams: HashMap<String, SessionId>,
}

/// Where to find somebody.
#[derive(Debug)]
struct Stay {
    room_id: RoomId,
    user_id: UserId,
    auth: AuthKind,
    /// The key among the members of the room.
    joined: u64,
}

#[derive(Debug, Default)]
struct Room {
    /// Names this life of the room.
    session_id: u64,
    /// The number of the latest change, from 1.
    seq: u64,
    /// By the number of the change with which they came.
    members: BTreeMap<u64, Member>,
    /// Likewise.
    streams: BTreeMap<u64, Stream>,
}

#[derive(Debug)]
struct Member {
    user: User,
    outbox: Arc<Outbox>,
}

impl World {
    fn new(app_id: AppId, sink: Sink) -> Self {
        let (rooms, stays) = (HashMap::new(), HashMap::new());
        Self { app_id, sink, rooms, stays, users: HashMap::new(), streams: HashMap::new() }
    }

    fn tell(&self, room_id: &RoomId, room_session_id: u64, seq: u64, what: Happening) {
        (self.sink)(self.app_id, &RoomEvent { room_id: room_id.clone(), room_session_id, seq, what });
    }

    fn enter(&mut self, settings: &AppSettings, newcomer: Newcomer) -> Result<Snapshot, ErrorCode> {
        let earlier = self.users.get(&newcomer.user_id).copied();
        let earlier_stay = earlier.and_then(|session_id| self.stays.get(&session_id));

        // The place of a stay that would be replaced counts as free.
        let comes_back = earlier_stay.is_some_and(|stay| stay.room_id == newcomer.room_id);
        let others = self.rooms.get(&newcomer.room_id).map_or(0, |room| room.members.len() - usize::from(comes_back));
        if settings.max_room_users != 0 && others >= usize::try_from(settings.max_room_users).unwrap_or(usize::MAX) {
            return Err(ErrorCode::RoomFull);
        }
        if earlier_stay.is_some_and(|stay| !may_replace(settings, newcomer.auth, stay.auth)) {
            return Err(ErrorCode::LoggedInElsewhere);
        }

        if let Some(session_id) = earlier {
            self.end(session_id, ErrorCode::KickedByOtherLogin);
        }
        let Newcomer { session_id, room_id, user_id, user_name, auth, outbox } = newcomer;
        let user = User { user_id: user_id.as_str().to_owned(), user_name: user_name.into_string(), ..User::default() };
        let is_new = !self.rooms.contains_key(&room_id);
        let room = self.rooms.entry(room_id.clone()).or_default();
        if is_new {
            room.session_id = session_id.number();
        }
        room.announce_users(&room_id, Change::Add, &user);
        let (joined, room_session_id) = (room.seq, room.session_id);
        room.members.insert(joined, Member { user: user.clone(), outbox });
        let snapshot = room.snapshot();
        if is_new {
            self.tell(&room_id, room_session_id, 0, Happening::Opened);
        }
        let entered = Happening::UserEntered { session_id, user, auth, again: comes_back };
        self.tell(&room_id, room_session_id, joined, entered);
        self.users.insert(user_id.clone(), session_id);
        self.stays.insert(session_id, Stay { room_id, user_id, auth, joined });
        Ok(snapshot)
    }

    fn start_stream(&mut self, session_id: SessionId, stream_id: &StreamId) -> Result<(), ErrorCode> {
        let stay = self.stays.get(&session_id).ok_or(ErrorCode::NotInRoom)?;
        if self.streams.contains_key(stream_id.as_str()) {
            return Err(ErrorCode::StreamIdTaken);
        }
        let room = self.rooms.get_mut(&stay.room_id).ok_or(ErrorCode::NotInRoom)?;
        let stream = Stream {
            stream_id: stream_id.as_str().to_owned(),
            user_id: stay.user_id.as_str().to_owned(),
            ..Stream::default()
        };
        self.streams.insert(stream.stream_id.clone(), session_id);
        room.announce_streams(&stay.room_id, Change::Add, vec![stream.clone()]);
        room.streams.insert(room.seq, stream.clone());
        let (room_session_id, seq) = (room.session_id, room.seq);
        self.tell(&stay.room_id, room_session_id, seq, Happening::StreamStarted { session_id, stream });
        Ok(())
    }

    fn stop_stream(&mut self, session_id: SessionId, stream_id: &StreamId) {
        if self.streams.get(stream_id.as_str()) != Some(&session_id) {
            return;
        }
        self.streams.remove(stream_id.as_str());
        let Some(stay) = self.stays.get(&session_id) else { return };
        let Some(room) = self.rooms.get_mut(&stay.room_id) else { return };
        let streams = room.take_streams(|stream| stream.stream_id == stream_id.as_str());
        room.announce_streams(&stay.room_id, Change::Delete, streams.clone());
        let (room_session_id, seq) = (room.session_id, room.seq);
        let stopped = Happening::StreamsStopped { session_id, streams, reason: GoneReason::Stopped };
        self.tell(&stay.room_id, room_session_id, seq, stopped);
    }

    /// Tells the stay itself, then removes it.
    fn end(&mut self, session_id: SessionId, code: ErrorCode) {
        let member = self.stays.get(&session_id).and_then(|stay| {
            let room = self.rooms.get(&stay.room_id)?;
            room.members.get(&stay.joined)
        });
        if let Some(member) = member {
            member.outbox.end(code);
        }
        self.leave(session_id, gone_by(code));
    }

    /// Removes a stay: the others hear that its streams are gone, then that the user is. Nothing, if it left before.
    fn leave(&mut self, session_id: SessionId, reason: GoneReason) {
        let Some(stay) = self.stays.remove(&session_id) else { return };
        self.users.remove(&stay.user_id);
        let Some(room) = self.rooms.get_mut(&stay.room_id) else { return };
        let (member, room_session_id) = (room.members.remove(&stay.joined), room.session_id);
        let streams = room.take_streams(|stream| stream.user_id == stay.user_id.as_str());
        for stream in &streams {
            self.streams.remove(&stream.stream_id);
        }
        let mut told = Vec::new();
        if !streams.is_empty() {
            room.announce_streams(&stay.room_id, Change::Delete, streams.clone());
            told.push((room.seq, Happening::StreamsStopped { session_id, streams, reason }));
        }
        if let Some(Member { user, .. }) = member {
            room.announce_users(&stay.room_id, Change::Delete, &user);
            told.push((room.seq, Happening::UserLeft { session_id, user, reason }));
        }
        if room.members.is_empty() {
            self.rooms.remove(&stay.room_id);
            told.push((0, Happening::Closed { reason }));
        }
        for (seq, what) in told {
            self.tell(&stay.room_id, room_session_id, seq, what);
        }
    }
}

/// Whether a newcomer puts out the earlier stay of the same user id. A proven user id beats an unproven one
/// whatever the app set, and never the other way round: else an AppSign would be enough to put anybody out, or to
/// keep anybody out.
fn may_replace(settings: &AppSettings, newcomer: AuthKind, earlier: AuthKind) -> bool {
    match (newcomer, earlier) {
        (AuthKind::AppSign, AuthKind::Token) => false,
        (AuthKind::Token, AuthKind::AppSign) => true,
        _ => settings.duplicate_login == DuplicateLogin::NewestWins,
    }
}

impl Room {
    fn snapshot(&self) -> Snapshot {
        Snapshot {
            seq: self.seq,
            users: self.members.values().map(|member| member.user.clone()).collect(),
            streams: self.streams.values().cloned().collect(),
        }
    }

    fn take_streams(&mut self, is_gone: impl Fn(&Stream) -> bool) -> Vec<Stream> {
        self.streams.extract_if(.., |_, stream| is_gone(stream)).map(|(_, stream)| stream).collect()
    }

    fn announce_users(&mut self, room_id: &RoomId, change: Change, user: &User) {
        self.seq += 1;
        let room_id = room_id.as_str().to_owned();
        let users = vec![user.clone()];
        self.announce(&ServerMessage::RoomUsers(RoomUsers { room_id, seq: self.seq, change, users, reason: None }));
    }

    fn announce_streams(&mut self, room_id: &RoomId, change: Change, streams: Vec<Stream>) {
        self.seq += 1;
        let room_id = room_id.as_str().to_owned();
        self.announce(&ServerMessage::RoomStreams(RoomStreams {
            room_id,
            seq: self.seq,
            change,
            streams,
            reason: None,
        }));
    }

    fn announce(&self, message: &ServerMessage) {
        // Strings and numbers into memory: serde_json has no way to fail here.
        let text: Arc<str> = serde_json::to_string(message).unwrap_or_default().into();
        for member in self.members.values() {
            member.outbox.push(Arc::clone(&text));
        }
    }
}
