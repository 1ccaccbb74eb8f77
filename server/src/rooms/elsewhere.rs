//! Who is in a room on another node, as far as this one has heard; and what the others need to know of a stay here.
//!
//! What arrives is always a whole [`Presence`], so hearing it twice changes nothing and a missed one is made good by
//! the next. Members here hear of members elsewhere as of each other. Knows no bus.

use std::{
    collections::{HashMap, HashSet},
    iter,
    sync::Arc,
};

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, GoneReason, RoomExtra, Stream, User},
};
use serde::{Deserialize, Serialize};
use token_gen::{AppId, RoomId, StreamId, UnixSeconds, UserId};

use super::{
    Outbox, Place, Recalled, Returned, Rooms, SessionId, lock,
    room::{Member, Room, Whose},
    world::{Stay, World},
};
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
    /// Names the life of the room.
    pub room_session_id: u64,
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
    /// Where the talk stood when it entered: of what was said before, nothing is for it. None if that is not known.
    pub since_mark: Option<u64>,
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
    pub fn remove_elsewhere(&self, app_id: AppId, session_id: SessionId, node: &NodeId, reason: GoneReason) {
        let world = self.world(app_id);
        let mut world = lock(&world);
        if world.is_at(session_id, node) {
            world.forget(session_id, reason);
        }
    }

    /// Forgets a stay, if it is elsewhere.
    pub fn forget_elsewhere(&self, app_id: AppId, session_id: SessionId) {
        let world = self.world(app_id);
        let mut world = lock(&world);
        if !world.is_here(session_id) {
            world.forget(session_id, GoneReason::Removed);
        }
    }

    /// Forgets who is in a room on other nodes, but for those in `known`.
    pub fn keep_elsewhere(&self, app_id: AppId, room_id: &RoomId, known: &HashSet<SessionId>) {
        lock(&self.world(app_id)).forget_where(|session_id, stay, member| {
            stay.room_id == *room_id && matches!(member.whose, Whose::Theirs(_)) && !known.contains(session_id)
        });
    }

    /// Takes in that a node has gone, with everybody on it.
    pub fn drop_node(&self, node: &NodeId) {
        for world in self.worlds() {
            lock(&world).forget_where(|_, _, member| matches!(&member.whose, Whose::Theirs(at) if at == node));
        }
    }

    /// Takes in that a value of a room was set on another node, or, if empty, removed.
    pub fn set_extra_elsewhere(&self, app_id: AppId, room_id: &RoomId, extra: RoomExtra) {
        if let Some(room) = lock(&self.world(app_id)).rooms.get_mut(room_id) {
            // One value too many on this node is one value too many on all.
            let _ = room.take_extra(extra);
        }
    }

    /// Goes on here with a stay that was elsewhere. Whoever sees it in the room already sees no change. Of the talk, it
    /// has missed what was `recalled`.
    pub fn adopt(
        &self,
        app_id: AppId,
        session_id: SessionId,
        (here, recalled): (Here, &Recalled),
        outbox: Arc<Outbox>,
        now: UnixSeconds,
    ) -> Option<(Place, Returned)> {
        let world = self.world(app_id);
        let returned = lock(&world).adopt(session_id, here, recalled, outbox)?;
        Some((Place::new(world, session_id, now), returned))
    }

    /// A stay, if it is here.
    pub fn here(&self, app_id: AppId, session_id: SessionId) -> Option<Here> {
        lock(&self.world(app_id)).here(session_id)
    }

    /// The stay of a user.
    pub fn stay_of(&self, app_id: AppId, user_id: &UserId) -> Option<SessionId> {
        lock(&self.world(app_id)).users.get(user_id).copied()
    }

    /// The node that a stay is on, if that is another one that is known.
    pub fn node_of(&self, app_id: AppId, session_id: SessionId) -> Option<NodeId> {
        match &lock(&self.world(app_id)).member(session_id)?.1.whose {
            Whose::Theirs(node) => Some(node.clone()),
            Whose::Ours(_) => None,
        }
    }

    /// Every stay that is here.
    pub fn all_here(&self) -> Vec<(AppId, SessionId)> {
        let mut all = Vec::new();
        for world in self.worlds() {
            let world = lock(&world);
            let here = world.stays.keys().filter(|id| world.is_here(**id));
            all.extend(here.map(|&id| (world.app_id(), id)));
        }
        all
    }

    /// Whether anybody is in a room here.
    pub fn has_members_here(&self, app_id: AppId, room_id: &RoomId) -> bool {
        lock(&self.world(app_id)).rooms.get(room_id).is_some_and(|room| room.locals > 0)
    }

    /// Takes a stream away from a stay here: somebody on another node has its id.
    pub fn take_stream(&self, app_id: AppId, session_id: SessionId, stream_id: &str) {
        if let Ok(stream_id) = StreamId::new(stream_id) {
            lock(&self.world(app_id)).stop_stream(session_id, &stream_id, GoneReason::Stopped);
        }
    }

    /// Ends a stay, if it is here.
    pub fn end(&self, app_id: AppId, session_id: SessionId, code: ErrorCode, now: UnixSeconds) {
        let world = self.world(app_id);
        let mut world = lock(&world);
        if world.is_here(session_id) {
            world.end(session_id, code, now);
        }
    }
}

impl World {
    fn member(&self, session_id: SessionId) -> Option<(&Stay, &Member)> {
        let stay = self.stays.get(&session_id)?;
        Some((stay, self.rooms.get(&stay.room_id)?.members.get(&stay.joined)?))
    }

    pub(super) fn is_here(&self, session_id: SessionId) -> bool {
        self.member(session_id).is_some_and(|(_, member)| matches!(member.whose, Whose::Ours(_)))
    }

    fn is_at(&self, session_id: SessionId, node: &NodeId) -> bool {
        self.member(session_id).is_some_and(|(_, member)| matches!(&member.whose, Whose::Theirs(at) if at == node))
    }

    fn here(&self, session_id: SessionId) -> Option<Here> {
        let (stay, member) = self.member(session_id).filter(|_| self.is_here(session_id))?;
        let room = self.rooms.get(&stay.room_id)?;
        let streams = room.streams.values().filter(|placed| placed.session_id == session_id);
        let presence = Presence {
            user: member.user.clone(),
            auth: stay.auth,
            since: stay.since.get(),
            room_session_id: room.session_id,
            streams: streams.map(|placed| placed.stream.clone()).collect(),
        };
        Some(Here {
            room_id: stay.room_id.clone(),
            presence,
            kept: Arc::clone(&stay.kept),
            since_mark: stay.since_mark,
        })
    }

    /// Removes a stay that is elsewhere. When it ended there matters to nobody here.
    fn forget(&mut self, session_id: SessionId, reason: GoneReason) {
        self.leave(session_id, reason, UnixSeconds::new(0));
    }

    fn forget_where(&mut self, is_gone: impl Fn(&SessionId, &Stay, &Member) -> bool) {
        let ids = self.stays.keys().copied();
        let gone: Vec<SessionId> =
            ids.filter(|id| self.member(*id).is_some_and(|(stay, member)| is_gone(id, stay, member))).collect();
        gone.into_iter().for_each(|session_id| self.forget(session_id, GoneReason::Timeout));
    }

    fn put_elsewhere(&mut self, room_id: &RoomId, session_id: SessionId, node: &NodeId, presence: Presence) {
        let whose = || Whose::Theirs(node.clone());
        if self.stays.get(&session_id).is_none_or(|stay| stay.room_id != *room_id)
            && self.come(room_id, session_id, whose(), &presence).is_none()
        {
            return;
        }
        let Some(stay) = self.stays.get(&session_id) else { return };
        let Some(room) = self.rooms.get_mut(room_id) else { return };
        if let Some(Whose::Ours(outbox)) = room.move_member(stay.joined, whose()) {
            // Whoever holds it here lets go; whoever is in the room sees the same stay as before.
            outbox.call();
        }
        self.set_presence(room_id, session_id, presence);
    }

    fn adopt(
        &mut self,
        session_id: SessionId,
        here: Here,
        recalled: &Recalled,
        outbox: Arc<Outbox>,
    ) -> Option<Returned> {
        let Here { room_id, presence, kept, since_mark } = here;
        if self.stays.get(&session_id).is_none_or(|stay| stay.room_id != room_id) {
            self.come(&room_id, session_id, Whose::Ours(Arc::clone(&outbox)), &presence)?;
        }
        self.set_presence(&room_id, session_id, presence);
        let stay = self.stays.get_mut(&session_id)?;
        (stay.kept, stay.since_mark, stay.is_away) = (kept, since_mark, false);
        let room = self.rooms.get_mut(&room_id)?;
        outbox.come_back(room.missed(recalled, iter::empty(), stay.user_id.as_str()));
        room.move_member(stay.joined, Whose::Ours(outbox));
        // The numbers of the other node are not ours.
        Some(Returned {
            room_session_id: room.session_id,
            seq: room.seq,
            state: Some(room.snapshot()),
            messages_missed: !recalled.is_whole,
        })
    }

    /// Adds a stay that is known to all nodes already.
    fn come(&mut self, room_id: &RoomId, session_id: SessionId, whose: Whose, presence: &Presence) -> Option<()> {
        let user_id = UserId::new(&*presence.user.user_id).ok()?;
        self.leave(session_id, GoneReason::Removed, UnixSeconds::new(presence.since));
        // The bus gave the user id to that one, so whoever had it has lost it.
        if let Some(&earlier) = self.users.get(&user_id) {
            self.end(earlier, ErrorCode::KickedByOtherLogin, UnixSeconds::new(presence.since));
        }
        let new = || Room::new(room_id.clone(), presence.room_session_id);
        let room = self.rooms.entry(room_id.clone()).or_insert_with(new);
        let joined = room.add_member(Member { user: presence.user.clone(), whose });
        self.users.insert(user_id.clone(), session_id);
        let stay = Stay {
            room_id: room_id.clone(),
            user_id,
            auth: presence.auth,
            since: UnixSeconds::new(presence.since),
            kept: "".into(),
            since_mark: None,
            joined,
            is_away: false,
        };
        self.stays.insert(session_id, stay);
        Some(())
    }

    /// Makes a stay what its node says it is.
    fn set_presence(&mut self, room_id: &RoomId, session_id: SessionId, presence: Presence) {
        let Some(stay) = self.stays.get(&session_id) else { return };
        let Some(room) = self.rooms.get_mut(room_id) else { return };
        let known = room.members.get(&stay.joined).map(|member| &member.user.extra);
        if known.is_some_and(|known| *known != presence.user.extra) {
            room.set_user_extra(stay.joined, presence.user.extra.as_deref().unwrap_or_default());
        }
        let new: HashMap<&str, &Stream> = presence.streams.iter().map(|stream| (&*stream.stream_id, stream)).collect();
        let gone = room.take_streams(GoneReason::Stopped, |placed| {
            placed.session_id == session_id && new.get(&*placed.stream.stream_id) != Some(&&placed.stream)
        });
        for stream in &gone {
            self.streams.remove(&stream.stream_id);
        }
        for stream in presence.streams {
            // One that somebody else has for the moment will be told again.
            if !self.streams.contains_key(&stream.stream_id) {
                self.streams.insert(stream.stream_id.clone(), session_id);
                room.add_stream(stream, session_id);
            }
        }
    }
}
