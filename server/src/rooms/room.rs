//! One room: its members, streams and values, and its changes in their order. Members hear each change; the latest
//! are remembered for those whose connection is lost.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use roompass_wire::{
    ErrorCode,
    gateway::{
        Change, GoneReason, RoomExtra, RoomExtraChange, RoomStreams, RoomUsers, ServerMessage, Stream, User, UserExtra,
    },
};
use token_gen::{RoomId, UnixSeconds};

use super::{Outbox, SessionId, outbox::Queued, talk};
use crate::bus::NodeId;

/// How many changes are remembered.
const REMEMBERED: usize = 128;
/// And how many bytes of them.
const REMEMBERED_BYTES: usize = 64 * 1024;
/// The most values of one room.
const MAX_EXTRA: usize = 16;

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) room_id: RoomId,
    /// Names this life of the room.
    pub(super) session_id: u64,
    /// The number of the latest change, from 1.
    pub(super) seq: u64,
    /// By the number of the change with which they came.
    pub(super) members: BTreeMap<u64, Member>,
    /// Likewise.
    pub(super) streams: BTreeMap<u64, Placed>,
    extra: Vec<RoomExtra>,
    changes: VecDeque<Remembered>,
    change_bytes: usize,
    /// The logins of the latest second in which there was one.
    logins: (UnixSeconds, u32),
    /// When the last member left, while the room waits for another.
    pub(super) empty_since: Option<UnixSeconds>,
    /// How many members are of this node.
    pub(super) locals: usize,
}

/// Somebody in a room.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) user: User,
    pub(super) whose: Whose,
}

/// Where a member is connected.
#[derive(Debug)]
pub(super) enum Whose {
    /// Here.
    Ours(Arc<Outbox>),
    /// To another node, which looks after it.
    Theirs(NodeId),
}

/// A stream, and the stay it is of.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) stream: Stream,
    pub(super) session_id: SessionId,
}

/// A change as the members heard it.
#[derive(Debug)]
pub(super) struct Remembered {
    seq: u64,
    /// Of something said.
    pub(super) mark: Option<u64>,
    pub(super) text: Arc<str>,
}

/// A room as it is found by who comes in, or comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Names this life of the room.
    pub room_session_id: u64,
    /// The number of the latest change.
    pub seq: u64,
    /// Where the talk stands, if that is known on several nodes.
    pub mark: Option<u64>,
    /// Everybody, in joining order.
    pub users: Vec<User>,
    /// Every stream, in starting order.
    pub streams: Vec<Stream>,
    /// The values that belong to the room.
    pub extra: Vec<RoomExtra>,
}

impl Room {
    pub(super) fn new(room_id: RoomId, session_id: u64) -> Self {
        Self {
            room_id,
            session_id,
            seq: 0,
            members: BTreeMap::new(),
            streams: BTreeMap::new(),
            extra: Vec::new(),
            changes: VecDeque::new(),
            change_bytes: 0,
            logins: (UnixSeconds::new(0), 0),
            empty_since: None,
            locals: 0,
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            room_session_id: self.session_id,
            seq: self.seq,
            mark: None,
            users: self.members.values().map(|member| member.user.clone()).collect(),
            streams: self.streams.values().map(|placed| placed.stream.clone()).collect(),
            extra: self.extra.clone(),
        }
    }

    /// Counts a login, unless there were `max` in this second already; 0 is no limit.
    pub(super) fn admits_login(&mut self, max: u32, now: UnixSeconds) -> bool {
        if self.logins.0 != now {
            self.logins = (now, 0);
        }
        self.logins.1 = self.logins.1.saturating_add(1);
        max == 0 || self.logins.1 <= max
    }

    pub(super) fn add_member(&mut self, member: Member) -> u64 {
        self.empty_since = None;
        self.locals += usize::from(matches!(member.whose, Whose::Ours(_)));
        self.announce_users(Change::Add, &member.user, None);
        self.members.insert(self.seq, member);
        self.seq
    }

    pub(super) fn remove_member(&mut self, joined: u64, reason: GoneReason) -> Option<Member> {
        let member = self.members.remove(&joined)?;
        self.locals -= usize::from(matches!(member.whose, Whose::Ours(_)));
        self.announce_users(Change::Delete, &member.user, Some(reason));
        Some(member)
    }

    pub(super) fn is_ours(&self, joined: u64) -> bool {
        self.members.get(&joined).is_some_and(|member| matches!(member.whose, Whose::Ours(_)))
    }

    /// Moves a member to another node, or here. Returns where it was.
    pub(super) fn move_member(&mut self, joined: u64, whose: Whose) -> Option<Whose> {
        let member = self.members.get_mut(&joined)?;
        let before = std::mem::replace(&mut member.whose, whose);
        self.locals += usize::from(matches!(member.whose, Whose::Ours(_)));
        self.locals -= usize::from(matches!(before, Whose::Ours(_)));
        Some(before)
    }

    pub(super) fn member_named(&self, user_id: &str) -> Option<(u64, &Member)> {
        self.members.iter().find(|(_, member)| member.user.user_id == user_id).map(|(&joined, member)| (joined, member))
    }

    pub(super) fn add_stream(&mut self, stream: Stream, session_id: SessionId) {
        self.announce_streams(Change::Add, vec![stream.clone()], None);
        self.streams.insert(self.seq, Placed { stream, session_id });
    }

    /// Removes the streams that are gone, in their order.
    pub(super) fn take_streams(&mut self, reason: GoneReason, is_gone: impl Fn(&Placed) -> bool) -> Vec<Stream> {
        let gone: Vec<Stream> =
            self.streams.extract_if(.., |_, placed| is_gone(placed)).map(|(_, placed)| placed.stream).collect();
        if !gone.is_empty() {
            self.announce_streams(Change::Delete, gone.clone(), Some(reason));
        }
        gone
    }

    /// Takes in a value that another node has set, unless it is known.
    pub(super) fn take_extra(&mut self, extra: RoomExtra) -> Result<(), ErrorCode> {
        let known = self.extra.iter().find(|known| known.key == extra.key);
        let is_old = match known {
            Some(known) => *known == extra || known.updated_at > extra.updated_at,
            None => extra.value.is_empty(),
        };
        if is_old { Ok(()) } else { self.set_extra(extra) }
    }

    /// Sets a value, or, if it is empty, removes it.
    pub(super) fn set_extra(&mut self, extra: RoomExtra) -> Result<(), ErrorCode> {
        let at = self.extra.iter().position(|known| known.key == extra.key);
        match (at, extra.value.is_empty()) {
            (None, false) if self.extra.len() >= MAX_EXTRA => return Err(ErrorCode::ExtraLimit),
            (None, false) => self.extra.push(extra.clone()),
            (None, true) => {}
            (Some(at), false) => self.extra[at] = extra.clone(),
            (Some(at), true) => drop(self.extra.remove(at)),
        }
        self.seq += 1;
        let RoomExtra { key, value, user_id, updated_at } = extra;
        let room_id = self.room_id.as_str().to_owned();
        let change = RoomExtraChange { room_id, seq: self.seq, key, value, user_id, updated_at };
        self.announce(&ServerMessage::RoomExtra(change));
        Ok(())
    }

    pub(super) fn set_user_extra(&mut self, joined: u64, extra: &str) {
        let Some(member) = self.members.get_mut(&joined) else { return };
        member.user.extra = (!extra.is_empty()).then(|| extra.to_owned());
        let user_id = member.user.user_id.clone();
        self.seq += 1;
        let room_id = self.room_id.as_str().to_owned();
        let change = UserExtra { room_id, seq: self.seq, user_id, extra: extra.to_owned() };
        self.announce(&ServerMessage::UserExtra(change));
    }

    /// The changes after number `seq`, or `None` where they are not all remembered.
    pub(super) fn since(&self, seq: u64) -> Option<impl Iterator<Item = &Remembered> + Clone> {
        let oldest = self.changes.front().map_or(self.seq + 1, |change| change.seq);
        let is_known = seq <= self.seq && seq + 1 >= oldest;
        is_known.then(|| self.changes.iter().filter(move |change| change.seq > seq))
    }

    fn announce_users(&mut self, change: Change, user: &User, reason: Option<GoneReason>) {
        self.seq += 1;
        let room_id = self.room_id.as_str().to_owned();
        let users = vec![user.clone()];
        self.announce(&ServerMessage::RoomUsers(RoomUsers { room_id, seq: self.seq, change, users, reason }));
    }

    fn announce_streams(&mut self, change: Change, streams: Vec<Stream>, reason: Option<GoneReason>) {
        self.seq += 1;
        let room_id = self.room_id.as_str().to_owned();
        self.announce(&ServerMessage::RoomStreams(RoomStreams { room_id, seq: self.seq, change, streams, reason }));
    }

    fn announce(&mut self, message: &ServerMessage) {
        self.announce_marked(message, None, false);
    }

    pub(super) fn announce_marked(&mut self, message: &ServerMessage, mark: Option<u64>, is_late: bool) {
        let text = talk::text(message);
        for member in self.members.values() {
            if let Whose::Ours(outbox) = &member.whose {
                outbox.append(Queued::change(Arc::clone(&text), mark).late(is_late));
            }
        }
        self.change_bytes += text.len();
        self.changes.push_back(Remembered { seq: self.seq, mark, text });
        while self.changes.len() > REMEMBERED || (self.change_bytes > REMEMBERED_BYTES && self.changes.len() > 1) {
            let Some(forgotten) = self.changes.pop_front() else { break };
            self.change_bytes -= forgotten.text.len();
        }
    }
}
