//! Who is in a room on another node, as far as this one has heard; and what this one tells the others.
//!
//! What arrives is always a whole [`Presence`], so hearing it twice changes nothing and a missed one is made good by
//! the next. Members here hear of members elsewhere as of each other. Knows no bus.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, Change, Stream, User},
};
use serde::{Deserialize, Serialize};
use token_gen::{AppId, RoomId, StreamId, UserId};
use tokio::sync::mpsc;

use super::{Member, Outbox, Place, Rooms, Seat, SessionId, Snapshot, Stay, World, lock};
use crate::bus::NodeId;

/// One stay as other nodes see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Who.
    pub user: User,
    /// How well the user id is proven.
    pub auth: AuthKind,
    /// When the stay began, in Unix seconds.
    pub since: i64,
    /// Its streams, in starting order.
    pub streams: Vec<Stream>,
}

/// A stay on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// The room it is in.
    pub room_id: RoomId,
    /// What others see of it.
    pub presence: Presence,
    /// What another node needs to go on with it.
    pub kept: Arc<str>,
}

/// What other nodes need to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A stay here is not as it was: see what it is now.
    Changed(AppId, SessionId),
    /// A stay here has ended.
    Left(Departed),
    /// A stream here has stopped.
    Stopped(AppId, SessionId, String),
    /// Nobody is left here in this room.
    Emptied(AppId, RoomId),
}

/// A stay that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// In which app.
    pub app_id: AppId,
    /// From which room.
    pub room_id: RoomId,
    /// Which stay.
    pub session_id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// The streams that ended with it.
    pub streams: Vec<String>,
}

/// Where what other nodes need to hear goes. Never waits.
#[derive(Debug, Clone)]
pub struct Outlet {
    sender: mpsc::Sender<Outgoing>,
    lost: Arc<AtomicBool>,
}

impl Outlet {
    /// For rooms; what they say comes out of the receiver.
    pub fn new(capacity: usize) -> (Self, mpsc::Receiver<Outgoing>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self { sender, lost: Arc::default() }, receiver)
    }

    /// Says something, or notes that it could not be said because too much waits.
    pub fn say(&self, outgoing: Outgoing) {
        if self.sender.try_send(outgoing).is_err() {
            self.lost.store(true, Ordering::Release);
        }
    }

    /// Whether something could not be said since this was last asked.
    pub fn has_lost_something(&self) -> bool {
        self.lost.swap(false, Ordering::AcqRel)
    }
}

impl Rooms {
    /// Takes in what another node says of a stay of its own: it came, has changed, or has moved there from here.
    pub fn put_elsewhere(
        &self,
        app_id: AppId,
        room_id: &RoomId,
        session_id: SessionId,
        node: &NodeId,
        presence: Presence,
    ) {
        lock(&self.world(app_id)).put_elsewhere(room_id, session_id, node, presence);
    }

    /// Takes in that a stay on `node` has ended.
    pub fn remove_elsewhere(&self, app_id: AppId, session_id: SessionId, node: &NodeId) {
        let world = self.world(app_id);
        let mut world = lock(&world);
        if world.is_at(session_id, node) {
            world.leave(session_id);
        }
    }

    /// Forgets who is in a room on other nodes, but for those in `known`.
    pub fn keep_elsewhere(&self, app_id: AppId, room_id: &RoomId, known: &HashSet<SessionId>) {
        lock(&self.world(app_id)).remove_where(|session_id, stay, member| {
            stay.room_id == *room_id && matches!(member.seat, Seat::Elsewhere(_)) && !known.contains(session_id)
        });
    }

    /// Takes in that a node has gone, with everybody on it.
    pub fn drop_node(&self, node: &NodeId) {
        for (_, world) in self.worlds() {
            lock(&world).remove_where(|_, _, member| matches!(&member.seat, Seat::Elsewhere(at) if at == node));
        }
    }

    /// Goes on here with a stay that was elsewhere. Whoever sees it in the room already sees no change.
    pub fn adopt(
        &self,
        app_id: AppId,
        session_id: SessionId,
        here: Here,
        outbox: Arc<Outbox>,
    ) -> Option<(Place, Snapshot)> {
        let world = self.world(app_id);
        let snapshot = lock(&world).adopt(session_id, here, outbox)?;
        Some((Place { world, session_id }, snapshot))
    }

    /// A stay, if it is here.
    pub fn here(&self, app_id: AppId, session_id: SessionId) -> Option<Here> {
        lock(&self.world(app_id)).here(session_id)
    }

    /// Every stay that is here.
    pub fn all_here(&self) -> Vec<(AppId, SessionId)> {
        let mut all = Vec::new();
        for (app_id, world) in self.worlds() {
            let world = lock(&world);
            all.extend(world.stays.keys().filter(|id| world.is_here(**id)).map(|&id| (app_id, id)));
        }
        all
    }

    /// Whether anybody is in a room here.
    pub fn has_members_here(&self, app_id: AppId, room_id: &RoomId) -> bool {
        lock(&self.world(app_id)).has_members_here(room_id)
    }

    /// Takes a stream away from a stay here: somebody on another node has its id.
    pub fn take_stream(&self, app_id: AppId, session_id: SessionId, stream_id: &str) {
        if let Ok(stream_id) = StreamId::new(stream_id) {
            lock(&self.world(app_id)).stop_stream(session_id, &stream_id);
        }
    }

    /// Ends a stay, if it is here.
    pub fn end(&self, app_id: AppId, session_id: SessionId, code: ErrorCode) {
        let world = self.world(app_id);
        let mut world = lock(&world);
        if world.is_here(session_id) {
            world.end(session_id, code);
        }
    }
}

impl World {
    fn member(&self, session_id: SessionId) -> Option<(&Stay, &Member)> {
        let stay = self.stays.get(&session_id)?;
        Some((stay, self.rooms.get(&stay.room_id)?.members.get(&stay.joined)?))
    }

    pub(super) fn is_here(&self, session_id: SessionId) -> bool {
        self.member(session_id).is_some_and(|(_, member)| matches!(member.seat, Seat::Here(_)))
    }

    fn is_at(&self, session_id: SessionId, node: &NodeId) -> bool {
        self.member(session_id).is_some_and(|(_, member)| matches!(&member.seat, Seat::Elsewhere(at) if at == node))
    }

    pub(super) fn has_members_here(&self, room_id: &RoomId) -> bool {
        let members = self.rooms.get(room_id).into_iter().flat_map(|room| room.members.values());
        members.into_iter().any(|member| matches!(member.seat, Seat::Here(_)))
    }

    fn here(&self, session_id: SessionId) -> Option<Here> {
        let (stay, member) = self.member(session_id).filter(|(_, member)| matches!(member.seat, Seat::Here(_)))?;
        let room = self.rooms.get(&stay.room_id)?;
        let streams = room.streams.values().filter(|stream| stream.user_id == stay.user_id.as_str());
        let presence = Presence {
            user: member.user.clone(),
            auth: stay.auth,
            since: stay.since,
            streams: streams.cloned().collect(),
        };
        Some(Here { room_id: stay.room_id.clone(), presence, kept: Arc::clone(&stay.kept) })
    }

    fn remove_where(&mut self, is_gone: impl Fn(&SessionId, &Stay, &Member) -> bool) {
        let ids = self.stays.keys().copied();
        let gone: Vec<SessionId> =
            ids.filter(|id| self.member(*id).is_some_and(|(stay, member)| is_gone(id, stay, member))).collect();
        gone.into_iter().for_each(|session_id| self.leave(session_id));
    }

    fn put_elsewhere(&mut self, room_id: &RoomId, session_id: SessionId, node: &NodeId, presence: Presence) {
        let Ok(user_id) = UserId::new(&*presence.user.user_id) else { return };
        if self.stays.get(&session_id).is_none_or(|stay| stay.room_id != *room_id) {
            self.leave(session_id);
            self.come(room_id, session_id, Seat::Elsewhere(node.clone()), user_id, &presence);
        }
        let Some(stay) = self.stays.get(&session_id) else { return };
        let Some(room) = self.rooms.get_mut(room_id) else { return };
        if let Some(member) = room.members.get_mut(&stay.joined)
            && let Seat::Here(outbox) = std::mem::replace(&mut member.seat, Seat::Elsewhere(node.clone()))
        {
            // Whoever is in the room sees the same stay as before.
            outbox.end(ErrorCode::KickedInternal);
        }
        self.set_streams(room_id, session_id, presence.streams);
    }

    fn adopt(&mut self, session_id: SessionId, here: Here, outbox: Arc<Outbox>) -> Option<Snapshot> {
        let Here { room_id, presence, kept } = here;
        if self.stays.get(&session_id).is_none_or(|stay| stay.room_id != room_id) {
            self.leave(session_id);
            let user_id = UserId::new(&*presence.user.user_id).ok()?;
            self.come(&room_id, session_id, Seat::Here(Arc::clone(&outbox)), user_id, &presence);
        }
        self.set_streams(&room_id, session_id, presence.streams);
        let stay = self.stays.get_mut(&session_id)?;
        stay.kept = kept;
        let room = self.rooms.get_mut(&room_id)?;
        room.members.get_mut(&stay.joined)?.seat = Seat::Here(outbox);
        Some(room.snapshot())
    }

    fn come(&mut self, room_id: &RoomId, session_id: SessionId, seat: Seat, user_id: UserId, presence: &Presence) {
        // The bus gave the user id to that one, so whoever had it has lost it.
        if let Some(&earlier) = self.users.get(&user_id) {
            self.end(earlier, ErrorCode::KickedByOtherLogin);
        }
        let room = self.rooms.entry(room_id.clone()).or_default();
        room.announce_users(room_id, Change::Add, &presence.user);
        let joined = room.seq;
        room.members.insert(joined, Member { user: presence.user.clone(), seat });
        self.users.insert(user_id.clone(), session_id);
        let Presence { auth, since, .. } = *presence;
        let kept = Arc::from("");
        self.stays.insert(session_id, Stay { room_id: room_id.clone(), user_id, auth, since, kept, joined });
    }

    /// Makes the streams of a stay elsewhere what that node says they are.
    fn set_streams(&mut self, room_id: &RoomId, session_id: SessionId, streams: Vec<Stream>) {
        let Some(room) = self.rooms.get_mut(room_id) else { return };
        let new: BTreeMap<&str, &Stream> = streams.iter().map(|stream| (&*stream.stream_id, stream)).collect();
        let owned = |stream: &Stream| self.streams.get(&stream.stream_id) == Some(&session_id);
        let gone = room.take_streams(|stream| owned(stream) && new.get(&*stream.stream_id) != Some(&stream));
        for stream in &gone {
            self.streams.remove(&stream.stream_id);
        }
        if !gone.is_empty() {
            room.announce_streams(room_id, Change::Delete, gone);
        }
        for stream in streams {
            // One that somebody else has for the moment will be told again.
            if !self.streams.contains_key(&stream.stream_id) {
                self.streams.insert(stream.stream_id.clone(), session_id);
                room.announce_streams(room_id, Change::Add, vec![stream.clone()]);
                room.streams.insert(room.seq, stream);
            }
        }
    }
}
