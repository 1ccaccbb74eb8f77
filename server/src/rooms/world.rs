//! The rooms of one app, and the rules of being in one: one stay a user, one publisher a stream, so many users a room.

use std::{collections::HashMap, sync::Arc};

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, GoneReason, RoomExtra, ServerMessage, Signal, Stream, User},
};
use token_gen::{AppId, RoomId, StreamId, UnixSeconds, UserId};

use super::{
    NewStream, Newcomer, NodeId, Outbox, SessionId, Snapshot,
    event::{Happening, RemoteChange, RoomEvent, Sink, gone_by},
    room::{Member, Room, Whose},
};
use crate::apps::{AppSettings, DuplicateLogin};

/// How many rooms of one app there may be on a node: an app that keeps empty rooms would gather them without end.
const MAX_ROOMS: usize = 50_000;

/// The rooms of one app.
pub(super) struct World {
    app_id: AppId,
    sink: Sink,
    pub(super) rooms: HashMap<RoomId, Room>,
    pub(super) stays: HashMap<SessionId, Stay>,
    /// One stay a user.
    pub(super) users: HashMap<UserId, SessionId>,
    /// One publisher a stream; by the text of the stream id.
    pub(super) streams: HashMap<String, Publisher>,
    /// How long a room outlives its last user, as the app last said.
    empty_room_ttl_secs: u64,
}

/// Where to find somebody.
#[derive(Debug)]
pub(super) struct Stay {
    room_id: RoomId,
    user_id: UserId,
    auth: AuthKind,
    /// The key among the members of the room.
    joined: u64,
    /// Whether its connection is lost.
    is_away: bool,
}

/// Who publishes a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Publisher {
    Ours(SessionId),
    Theirs(NodeId),
}

impl World {
    pub(super) fn new(app_id: AppId, sink: Sink) -> Self {
        Self {
            app_id,
            sink,
            rooms: HashMap::new(),
            stays: HashMap::new(),
            users: HashMap::new(),
            streams: HashMap::new(),
            empty_room_ttl_secs: 0,
        }
    }

    pub(super) fn enter(
        &mut self,
        settings: &AppSettings,
        newcomer: Newcomer,
        now: UnixSeconds,
    ) -> Result<Snapshot, ErrorCode> {
        self.empty_room_ttl_secs = settings.empty_room_ttl_secs;
        let earlier = self.users.get(&newcomer.user_id).copied();
        let earlier_stay = earlier.and_then(|session_id| self.stays.get(&session_id));

        let comes_back = earlier_stay.is_some_and(|stay| stay.room_id == newcomer.room_id);
        if let Some(room) = self.rooms.get_mut(&newcomer.room_id) {
            if !room.admits_login(settings.room_logins_per_sec, now) {
                return Err(ErrorCode::RoomBusy);
            }
            // The place of a stay that would be replaced counts as free.
            let others = room.members.len() - usize::from(comes_back);
            let max = usize::try_from(settings.max_room_users).unwrap_or(usize::MAX);
            if settings.max_room_users != 0 && others >= max {
                return Err(ErrorCode::RoomFull);
            }
        } else if self.rooms.len() >= MAX_ROOMS {
            return Err(ErrorCode::RoomBusy);
        }
        if earlier_stay.is_some_and(|stay| !may_replace(settings, newcomer.auth, stay)) {
            return Err(ErrorCode::LoggedInElsewhere);
        }

        if let Some(session_id) = earlier {
            self.end(session_id, ErrorCode::KickedByOtherLogin, now);
        }
        let Newcomer { session_id, room_id, room_session_id, user_id, user_name, metadata, auth, outbox } = newcomer;
        let user =
            User { user_id: user_id.as_str().to_owned(), user_name: user_name.into_string(), metadata, extra: None };
        let member = Member { user: user.clone(), whose: Whose::Ours(outbox) };
        let (joined, snapshot) = {
            let (app_id, sink) = (self.app_id, &self.sink);
            let room = self.rooms.entry(room_id.clone()).or_insert_with(|| {
                let room = Room::new(room_id.clone(), room_session_id);
                tell(app_id, sink, &room, 0, Happening::Opened);
                room
            });
            let joined = room.add_member(member);
            tell(app_id, sink, room, joined, Happening::UserEntered { session_id, user, auth, again: comes_back });
            (joined, room.snapshot())
        };
        self.users.insert(user_id.clone(), session_id);
        self.stays.insert(session_id, Stay { room_id, user_id, auth, joined, is_away: false });
        Ok(snapshot)
    }

    pub(super) fn start_stream(&mut self, session_id: SessionId, new: NewStream) -> Result<(), ErrorCode> {
        let stay = self.stays.get(&session_id).ok_or(ErrorCode::NotInRoom)?;
        let NewStream { stream_id, media, extra } = new;
        if self.streams.contains_key(stream_id.as_str()) {
            return Err(ErrorCode::StreamIdTaken);
        }
        let room = self.rooms.get_mut(&stay.room_id).ok_or(ErrorCode::NotInRoom)?;
        let user_id = stay.user_id.as_str().to_owned();
        let stream = Stream { stream_id: stream_id.into_string(), user_id, media, extra };
        self.streams.insert(stream.stream_id.clone(), Publisher::Ours(session_id));
        room.add_stream(stream.clone(), None);
        tell(self.app_id, &self.sink, room, room.seq, Happening::StreamStarted { session_id, stream });
        Ok(())
    }

    pub(super) fn stop_stream(&mut self, session_id: SessionId, stream_id: &StreamId, reason: GoneReason) {
        if self.streams.get(stream_id.as_str()) != Some(&Publisher::Ours(session_id)) {
            return;
        }
        self.streams.remove(stream_id.as_str());
        let Some(stay) = self.stays.get(&session_id) else { return };
        let Some(room) = self.rooms.get_mut(&stay.room_id) else { return };
        let streams = room.take_streams(reason, |placed| placed.stream.stream_id == stream_id.as_str());
        let stopped = Happening::StreamsStopped { session_id, streams, reason };
        tell(self.app_id, &self.sink, room, room.seq, stopped);
    }

    pub(super) fn set_room_extra(
        &mut self,
        session_id: SessionId,
        key: String,
        value: String,
        now: UnixSeconds,
    ) -> Result<(), ErrorCode> {
        let stay = self.stays.get(&session_id).ok_or(ErrorCode::NotInRoom)?;
        let room = self.rooms.get_mut(&stay.room_id).ok_or(ErrorCode::NotInRoom)?;
        let extra = RoomExtra { key, value, user_id: stay.user_id.as_str().to_owned(), updated_at: now.get() };
        room.set_extra(extra.clone())?;
        tell(self.app_id, &self.sink, room, room.seq, Happening::RoomExtra(extra));
        Ok(())
    }

    pub(super) fn set_user_extra(&mut self, session_id: SessionId, extra: String) -> Result<(), ErrorCode> {
        let stay = self.stays.get(&session_id).ok_or(ErrorCode::NotInRoom)?;
        let room = self.rooms.get_mut(&stay.room_id).ok_or(ErrorCode::NotInRoom)?;
        room.set_user_extra(stay.joined, &extra);
        let happening = Happening::UserExtra { user_id: stay.user_id.clone(), extra };
        tell(self.app_id, &self.sink, room, room.seq, happening);
        Ok(())
    }

    pub(super) fn say(&mut self, session_id: SessionId, text: &str, now: UnixSeconds) -> Result<(), ErrorCode> {
        let stay = self.stays.get(&session_id).ok_or(ErrorCode::NotInRoom)?;
        let room = self.rooms.get_mut(&stay.room_id).ok_or(ErrorCode::NotInRoom)?;
        room.say(stay.user_id.as_str(), text, now.get());
        let happening = Happening::Message { user_id: stay.user_id.clone(), text: text.into(), sent_at: now.get() };
        tell(self.app_id, &self.sink, room, room.seq, happening);
        Ok(())
    }

    /// Sends a signal to users of the same room: to all of them, or, if one is not there, to none. Those of other nodes
    /// are left to the sink.
    pub(super) fn signal(
        &self,
        session_id: SessionId,
        user_ids: &[String],
        text: &str,
        now: UnixSeconds,
    ) -> Result<(), ErrorCode> {
        let stay = self.stays.get(&session_id).ok_or(ErrorCode::NotInRoom)?;
        let room = self.rooms.get(&stay.room_id).ok_or(ErrorCode::NotInRoom)?;
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for user_id in user_ids {
            match room.member_named(user_id).ok_or(ErrorCode::UserNotInRoom)?.1 {
                Member { whose: Whose::Ours(outbox), .. } => ours.push(outbox),
                Member { whose: Whose::Theirs(node), .. } => theirs.push((*node, user_id.clone())),
            }
        }
        if !theirs.is_empty() {
            let from = stay.user_id.clone();
            let signal = Happening::Signal { from, to: theirs, text: text.into(), sent_at: now.get() };
            tell(self.app_id, &self.sink, room, 0, signal);
        }
        let text = signal_text(&stay.room_id, stay.user_id.as_str(), text, now.get());
        ours.into_iter().for_each(|outbox| outbox.push_direct(Arc::clone(&text)));
        Ok(())
    }

    /// The connection of a stay is lost.
    pub(super) fn go_away(&mut self, session_id: SessionId) {
        let Some(stay) = self.stays.get_mut(&session_id) else { return };
        stay.is_away = true;
        if let Some(outbox) = self.outbox(session_id) {
            outbox.go_away();
        }
    }

    /// A stay has a connection again, whose client has heard the changes up to `seq`: those it missed are queued, or,
    /// where they are not all remembered, the room as it is comes back. `None` if the stay was ended meanwhile.
    pub(super) fn come_back(&mut self, session_id: SessionId, seq: u64) -> Option<Returned> {
        let stay = self.stays.get_mut(&session_id)?;
        stay.is_away = false;
        let (joined, room_id) = (stay.joined, stay.room_id.clone());
        let room = self.rooms.get(&room_id)?;
        let Member { whose: Whose::Ours(outbox), .. } = room.members.get(&joined)? else { return None };
        // What came before it joined is in no client's ears.
        let missed = if seq >= joined { room.since(seq) } else { None };
        let state = match missed {
            Some(missed) => {
                outbox.come_back(missed);
                None
            }
            None => {
                outbox.come_back(std::iter::empty());
                Some(room.snapshot())
            }
        };
        Some(Returned { room_session_id: room.session_id, seq: room.seq, state })
    }

    fn outbox(&self, session_id: SessionId) -> Option<&Arc<Outbox>> {
        let stay = self.stays.get(&session_id)?;
        match &self.rooms.get(&stay.room_id)?.members.get(&stay.joined)?.whose {
            Whose::Ours(outbox) => Some(outbox),
            Whose::Theirs(_) => None,
        }
    }

    /// Tells the stay itself, then removes it.
    pub(super) fn end(&mut self, session_id: SessionId, code: ErrorCode, now: UnixSeconds) {
        if let Some(outbox) = self.outbox(session_id) {
            outbox.end(code);
        }
        self.leave(session_id, gone_by(code), now);
    }

    /// Removes a stay: the others hear that its streams are gone, then that the user is. Nothing, if it left before.
    pub(super) fn leave(&mut self, session_id: SessionId, reason: GoneReason, now: UnixSeconds) {
        let Some(stay) = self.stays.remove(&session_id) else { return };
        self.users.remove(&stay.user_id);
        let Some(room) = self.rooms.get_mut(&stay.room_id) else { return };
        let streams =
            room.take_streams(reason, |placed| placed.node.is_none() && placed.stream.user_id == stay.user_id.as_str());
        for stream in &streams {
            self.streams.remove(&stream.stream_id);
        }
        if !streams.is_empty() {
            let stopped = Happening::StreamsStopped { session_id, streams, reason };
            tell(self.app_id, &self.sink, room, room.seq, stopped);
        }
        if let Some(Member { user, .. }) = room.remove_member(stay.joined, reason) {
            tell(self.app_id, &self.sink, room, room.seq, Happening::UserLeft { session_id, user, reason });
        }
        self.close_if_empty(&stay.room_id, reason, now);
    }

    /// Ends a room that nobody is in, at once or, if the app keeps empty rooms, after a while.
    fn close_if_empty(&mut self, room_id: &RoomId, reason: GoneReason, now: UnixSeconds) {
        let Some(room) = self.rooms.get_mut(room_id).filter(|room| room.members.is_empty()) else { return };
        if self.empty_room_ttl_secs > 0 {
            room.empty_since = Some(now);
        } else {
            self.close(room_id, reason);
        }
    }

    fn close(&mut self, room_id: &RoomId, reason: GoneReason) {
        if let Some(room) = self.rooms.remove(room_id) {
            tell(self.app_id, &self.sink, &room, 0, Happening::Closed { reason });
        }
    }

    /// Ends the rooms that have been empty for as long as the app keeps them.
    pub(super) fn sweep(&mut self, now: UnixSeconds) {
        let ttl = self.empty_room_ttl_secs;
        let is_over = |room: &Room| room.empty_since.is_some_and(|since| now.duration_since(since).as_secs() >= ttl);
        let over: Vec<RoomId> =
            self.rooms.values().filter(|room| is_over(room)).map(|room| room.room_id.clone()).collect();
        for room_id in over {
            self.close(&room_id, GoneReason::Stopped);
        }
    }

    /// Takes in what happened in `room_id` on another node. It is not told to the sink, which hears of this node alone.
    pub(super) fn apply_remote(
        &mut self,
        node: NodeId,
        room_id: &RoomId,
        room_session_id: u64,
        change: RemoteChange,
        now: UnixSeconds,
    ) {
        let is_theirs = |member: &Member| matches!(member.whose, Whose::Theirs(of) if of == node);
        let room = match (&change, self.rooms.get_mut(room_id)) {
            (_, Some(room)) => room,
            (RemoteChange::UserEntered(_), None) => {
                self.rooms.entry(room_id.clone()).or_insert_with(|| Room::new(room_id.clone(), room_session_id))
            }
            // Nothing to change in a room that nobody is in.
            (_, None) => return,
        };
        match change {
            RemoteChange::UserEntered(user) => {
                if let Some((joined, known)) = room.member_named(&user.user_id) {
                    if !is_theirs(known) {
                        return;
                    }
                    room.remove_member(joined, GoneReason::OtherLogin);
                }
                room.add_member(Member { user, whose: Whose::Theirs(node) });
            }
            RemoteChange::UserLeft { user_id, reason } => {
                let joined =
                    room.member_named(&user_id).filter(|(_, member)| is_theirs(member)).map(|(joined, _)| joined);
                let Some(joined) = joined else { return };
                let gone =
                    room.take_streams(reason, |placed| placed.node == Some(node) && placed.stream.user_id == user_id);
                for stream in &gone {
                    self.streams.remove(&stream.stream_id);
                }
                room.remove_member(joined, reason);
                self.close_if_empty(room_id, reason, now);
            }
            RemoteChange::StreamStarted(stream) => {
                if !self.streams.contains_key(&stream.stream_id) {
                    self.streams.insert(stream.stream_id.clone(), Publisher::Theirs(node));
                    room.add_stream(stream, Some(node));
                }
            }
            RemoteChange::StreamStopped { stream_id, reason } => {
                if self.streams.get(&stream_id) == Some(&Publisher::Theirs(node)) {
                    self.streams.remove(&stream_id);
                    room.take_streams(reason, |placed| placed.stream.stream_id == stream_id);
                }
            }
            // One value too many on this node is one value too many on all.
            RemoteChange::RoomExtra(extra) => {
                let _ = room.set_extra(extra);
            }
            RemoteChange::UserExtra { user_id, extra } => {
                if let Some((joined, _)) = room.member_named(&user_id).filter(|(_, member)| is_theirs(member)) {
                    room.set_user_extra(joined, &extra);
                }
            }
            RemoteChange::Message { user_id, text, sent_at } => room.say(&user_id, &text, sent_at),
            RemoteChange::Signal { from, to, text, sent_at } => {
                if let Some((_, Member { whose: Whose::Ours(outbox), .. })) = room.member_named(&to) {
                    outbox.push_direct(signal_text(room_id, &from, &text, sent_at));
                }
            }
        }
    }

    /// Removes everybody who is connected to `node`, which is gone.
    pub(super) fn forget_node(&mut self, node: NodeId, now: UnixSeconds) {
        let theirs = |member: &Member| matches!(member.whose, Whose::Theirs(of) if of == node);
        let gone: Vec<(RoomId, String)> = self
            .rooms
            .values()
            .flat_map(|room| {
                room.members
                    .values()
                    .filter(|member| theirs(member))
                    .map(|member| (room.room_id.clone(), member.user.user_id.clone()))
            })
            .collect();
        for (room_id, user_id) in gone {
            let change = RemoteChange::UserLeft { user_id, reason: GoneReason::Timeout };
            self.apply_remote(node, &room_id, 0, change, now);
        }
    }
}

/// A stay that has a connection again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Names this life of the room.
    pub room_session_id: u64,
    /// The number of the latest change.
    pub seq: u64,
    /// The room as it is, where the missed changes are not all remembered.
    pub state: Option<Snapshot>,
}

/// Whether a newcomer puts out the earlier stay of the same user id. A proven user id beats an unproven one
/// whatever the app set, and never the other way round: else an AppSign would be enough to put anybody out, or to
/// keep anybody out. A stay whose connection is lost keeps nobody out.
fn may_replace(settings: &AppSettings, newcomer: AuthKind, earlier: &Stay) -> bool {
    match (newcomer, earlier.auth) {
        (AuthKind::AppSign, AuthKind::Token) => false,
        (AuthKind::Token, AuthKind::AppSign) => true,
        _ => earlier.is_away || settings.duplicate_login == DuplicateLogin::NewestWins,
    }
}

fn tell(app_id: AppId, sink: &Sink, room: &Room, seq: u64, what: Happening) {
    let event = RoomEvent { room_id: room.room_id.clone(), room_session_id: room.session_id, seq, what };
    sink(app_id, &event);
}

fn signal_text(room_id: &RoomId, from: &str, text: &str, sent_at: i64) -> Arc<str> {
    let signal =
        Signal { room_id: room_id.as_str().to_owned(), user_id: from.to_owned(), text: text.to_owned(), sent_at };
    // Strings and numbers into memory: serde_json has no way to fail here.
    serde_json::to_string(&ServerMessage::Signal(signal)).unwrap_or_default().into()
}
