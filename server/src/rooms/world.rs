//! The rooms of one app, and the rules of being in one: one stay a user, one publisher a stream, so many users a room.

use std::{collections::HashMap, sync::Arc};

use roompass_wire::{
    ErrorCode,
    gateway::{AuthKind, GoneReason, RoomExtra, Stream, User},
};
use token_gen::{AppId, RoomId, StreamId, UnixSeconds, UserId};

use super::{
    Judge, NewStream, Newcomer, Outbox, Recalled, SessionId, Snapshot,
    event::{Happening, RoomEvent, Sink, gone_by},
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
    pub(super) streams: HashMap<String, SessionId>,
    /// How long a room outlives its last user, as the app last said.
    empty_room_ttl_secs: u64,
}

/// Where to find somebody.
#[derive(Debug)]
pub(super) struct Stay {
    pub(super) room_id: RoomId,
    pub(super) user_id: UserId,
    pub(super) auth: AuthKind,
    /// When it began.
    pub(super) since: UnixSeconds,
    /// What another node needs to go on with it.
    pub(super) kept: Arc<str>,
    /// Where the talk stood when it entered, if that is known on several nodes.
    pub(super) since_mark: Option<u64>,
    /// The key among the members of the room.
    pub(super) joined: u64,
    /// Whether its connection is lost.
    pub(super) is_away: bool,
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

    pub(super) fn app_id(&self) -> AppId {
        self.app_id
    }

    pub(super) fn keep(&mut self, session_id: SessionId, kept: &str) -> bool {
        let stay = self.stays.get_mut(&session_id).filter(|stay| *stay.kept != *kept);
        stay.map(|stay| stay.kept = kept.into()).is_some()
    }

    pub(super) fn enter(
        &mut self,
        settings: &AppSettings,
        newcomer: Newcomer,
        judge: Judge,
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
            if judge == Judge::Rooms && settings.max_room_users != 0 && others >= max {
                return Err(ErrorCode::RoomFull);
            }
        } else if self.rooms.len() >= MAX_ROOMS {
            return Err(ErrorCode::RoomBusy);
        }
        if judge == Judge::Rooms && earlier_stay.is_some_and(|stay| !may_replace(settings, newcomer.auth, stay)) {
            return Err(ErrorCode::LoggedInElsewhere);
        }

        if let Some(session_id) = earlier {
            self.end(session_id, ErrorCode::KickedByOtherLogin, now);
        }
        let Newcomer { session_id, room_id, room_session_id, user_id, user_name, metadata, auth, kept, outbox } =
            newcomer;
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
        let (since, since_mark, is_away) = (now, None, false);
        self.stays.insert(session_id, Stay { room_id, user_id, auth, since, kept, since_mark, joined, is_away });
        Ok(snapshot)
    }

    pub(super) fn start_stream(
        &mut self,
        session_id: SessionId,
        new: NewStream,
        judge: Judge,
    ) -> Result<(), ErrorCode> {
        if !self.is_here(session_id) {
            return Err(ErrorCode::NotInRoom);
        }
        let NewStream { stream_id, media, extra } = new;
        if let Some(&holder) = self.streams.get(stream_id.as_str()) {
            // News that it is free may be on its way; what is here is known for sure.
            if judge == Judge::Rooms || self.is_here(holder) {
                return Err(ErrorCode::StreamIdTaken);
            }
            self.stop_stream(holder, &stream_id, GoneReason::Stopped);
        }
        let stay = self.stays.get(&session_id).ok_or(ErrorCode::NotInRoom)?;
        let room = self.rooms.get_mut(&stay.room_id).ok_or(ErrorCode::NotInRoom)?;
        let user_id = stay.user_id.as_str().to_owned();
        let stream = Stream { stream_id: stream_id.into_string(), user_id, media, extra };
        self.streams.insert(stream.stream_id.clone(), session_id);
        room.add_stream(stream.clone(), session_id);
        tell(self.app_id, &self.sink, room, room.seq, Happening::StreamStarted { session_id, stream });
        Ok(())
    }

    pub(super) fn stop_stream(&mut self, session_id: SessionId, stream_id: &StreamId, reason: GoneReason) {
        if self.streams.get(stream_id.as_str()) != Some(&session_id) {
            return;
        }
        self.streams.remove(stream_id.as_str());
        let Some(stay) = self.stays.get(&session_id) else { return };
        let Some(room) = self.rooms.get_mut(&stay.room_id) else { return };
        let streams = room.take_streams(reason, |placed| placed.stream.stream_id == stream_id.as_str());
        let stopped = Happening::StreamsStopped { session_id, streams, reason };
        if room.is_ours(stay.joined) {
            tell(self.app_id, &self.sink, room, room.seq, stopped);
        }
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

    /// The connection of a stay is lost.
    pub(super) fn go_away(&mut self, session_id: SessionId) {
        let Some(stay) = self.stays.get_mut(&session_id) else { return };
        stay.is_away = true;
        if let Some(outbox) = self.outbox(session_id) {
            outbox.go_away();
        }
    }

    /// A stay has a connection again, whose client has heard the changes up to `seq`: those it missed are queued, or,
    /// where they are not all remembered, the room as it is comes back. So is what was `recalled` of the talk, if it can
    /// be, but for what is among the changes. `None` if the stay was ended meanwhile.
    pub(super) fn come_back(
        &mut self,
        session_id: SessionId,
        seq: u64,
        recalled: Option<&Recalled>,
    ) -> Option<Returned> {
        let stay = self.stays.get_mut(&session_id)?;
        stay.is_away = false;
        let (joined, stay) = (stay.joined, &*stay);
        let room = self.rooms.get(&stay.room_id)?;
        let Member { whose: Whose::Ours(outbox), .. } = room.members.get(&joined)? else { return None };
        // What came before it joined is in no client's ears.
        let changes = if seq >= joined { room.since(seq) } else { None };
        let state = changes.is_none().then(|| room.snapshot());
        // Where nothing is recalled, what was said is among the changes, or has waited.
        let messages_missed = recalled.map_or(state.is_some(), |recalled| !recalled.is_whole);
        let changes = changes.into_iter().flatten();
        outbox.come_back(room.missed(recalled.unwrap_or(&Recalled::default()), changes, stay.user_id.as_str()));
        Some(Returned { room_session_id: room.session_id, seq: room.seq, state, messages_missed })
    }

    pub(super) fn outbox(&self, session_id: SessionId) -> Option<&Arc<Outbox>> {
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
        let is_ours = room.is_ours(stay.joined);
        let streams = room.take_streams(reason, |placed| placed.session_id == session_id);
        for stream in &streams {
            self.streams.remove(&stream.stream_id);
        }
        if is_ours && !streams.is_empty() {
            let stopped = Happening::StreamsStopped { session_id, streams, reason };
            tell(self.app_id, &self.sink, room, room.seq, stopped);
        }
        let member = room.remove_member(stay.joined, reason);
        if !is_ours {
            // Its own node says what comes of it.
            if room.members.is_empty() {
                self.rooms.remove(&stay.room_id);
            }
            return;
        }
        if let Some(Member { user, .. }) = member {
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
    /// Whether something was said meanwhile, or may have been, that is not remembered either.
    pub messages_missed: bool,
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
