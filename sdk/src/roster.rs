//! Who is in the room, what streams run there and what belongs to it, kept up to date from numbered changes. Pure.

use std::collections::HashSet;

use roompass_wire::gateway::{
    self, Change, RoomExtra, RoomExtraChange, RoomMessage, RoomStreams, RoomUsers, Signal, Stream, User, UserExtra,
};

use crate::{error::Error, event::Event};

/// The client's picture of a room.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    pub(crate) users: Vec<User>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) extra: Vec<RoomExtra>,
    seq: u64,
    mark: Option<u64>,
}

impl Roster {
    /// The number of the latest change that has been taken.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Where the talk of the room stood with the latest message or signal, if the server says so.
    pub(crate) fn mark(&self) -> Option<u64> {
        self.mark
    }

    /// Takes where the talk stands at a login.
    pub(crate) fn begin_talk(&mut self, mark: Option<u64>) {
        self.mark = mark;
    }

    /// Takes the full picture after change number `seq`, and returns what differs from before.
    pub(crate) fn replace(&mut self, seq: u64, present: gateway::RoomState) -> Vec<Event> {
        let users = std::mem::replace(&mut self.users, present.users);
        let streams = std::mem::replace(&mut self.streams, present.streams);
        let extra = std::mem::replace(&mut self.extra, present.room_extra);
        self.seq = seq;
        let lists = [
            Event::StreamsStopped { streams: missing_from(&self.streams, &streams, stream_key), reason: None },
            Event::UsersLeft { users: missing_from(&self.users, &users, user_key), reason: None },
            Event::UsersJoined(missing_from(&users, &self.users, user_key)),
            Event::StreamsStarted(missing_from(&streams, &self.streams, stream_key)),
        ];
        let said = self
            .users
            .iter()
            .filter(|user| users.iter().any(|before| user_key(before) == user_key(user) && before.extra != user.extra));
        let said = said.map(|user| Event::UserExtraChanged {
            user_id: user.user_id.clone(),
            extra: user.extra.clone().unwrap_or_default(),
        });
        let removed = extra.iter().filter(|before| self.extra.iter().all(|value| value.key != before.key));
        let removed = removed.map(|before| RoomExtra { value: String::new(), ..before.clone() });
        let set = self.extra.iter().filter(|value| !extra.contains(value)).cloned();
        let values = removed.chain(set).map(Event::RoomExtraChanged);
        lists.into_iter().filter(says_something).chain(said).chain(values).collect()
    }

    /// Takes a change of users. Changes already known give nothing.
    ///
    /// # Errors
    /// [`Error::Protocol`] when a change before this one was missed.
    pub(crate) fn change_users(&mut self, change: RoomUsers) -> Result<Option<Event>, Error> {
        if !self.is_next(change.seq)? || change.change == Change::Unknown {
            return Ok(None);
        }
        self.users.retain(|user| change.users.iter().all(|changed| changed.user_id != user.user_id));
        if change.change == Change::Delete {
            return Ok(Some(Event::UsersLeft { users: change.users, reason: change.reason }));
        }
        self.users.extend(change.users.iter().cloned());
        Ok(Some(Event::UsersJoined(change.users)))
    }

    /// Takes a change of streams, as [`Roster::change_users`].
    pub(crate) fn change_streams(&mut self, change: RoomStreams) -> Result<Option<Event>, Error> {
        if !self.is_next(change.seq)? || change.change == Change::Unknown {
            return Ok(None);
        }
        self.streams.retain(|stream| change.streams.iter().all(|changed| changed.stream_id != stream.stream_id));
        if change.change == Change::Delete {
            return Ok(Some(Event::StreamsStopped { streams: change.streams, reason: change.reason }));
        }
        self.streams.extend(change.streams.iter().cloned());
        Ok(Some(Event::StreamsStarted(change.streams)))
    }

    /// Takes a change of a value of the room, as [`Roster::change_users`].
    pub(crate) fn change_room_extra(&mut self, change: RoomExtraChange) -> Result<Option<Event>, Error> {
        if !self.is_next(change.seq)? {
            return Ok(None);
        }
        let RoomExtraChange { key, value, user_id, updated_at, .. } = change;
        let changed = RoomExtra { key, value, user_id, updated_at };
        match self.extra.iter().position(|present| present.key == changed.key) {
            Some(at) if changed.value.is_empty() => drop(self.extra.remove(at)),
            Some(at) => self.extra[at] = changed.clone(),
            None if changed.value.is_empty() => {}
            None => self.extra.push(changed.clone()),
        }
        Ok(Some(Event::RoomExtraChanged(changed)))
    }

    /// Takes a change of the value beside a user, as [`Roster::change_users`].
    pub(crate) fn change_user_extra(&mut self, change: UserExtra) -> Result<Option<Event>, Error> {
        if !self.is_next(change.seq)? {
            return Ok(None);
        }
        if let Some(user) = self.users.iter_mut().find(|user| user.user_id == change.user_id) {
            user.extra = Some(change.extra.clone()).filter(|extra| !extra.is_empty());
        }
        Ok(Some(Event::UserExtraChanged { user_id: change.user_id, extra: change.extra }))
    }

    /// Takes a message, which has its place among the changes, as [`Roster::change_users`], unless it was missed.
    pub(crate) fn hear(&mut self, message: RoomMessage) -> Result<Option<Event>, Error> {
        let has_place = message.missed || self.is_next(message.seq)?;
        let is_new = has_place && self.is_unheard(message.mark);
        Ok(is_new.then_some(Event::RoomMessage(message)))
    }

    /// Takes a signal, unless it was heard before.
    pub(crate) fn hear_signal(&mut self, signal: Signal) -> Option<Event> {
        self.is_unheard(signal.mark).then_some(Event::Signal(signal))
    }

    fn is_unheard(&mut self, mark: Option<u64>) -> bool {
        let is_new = mark.is_none() || mark > self.mark;
        self.mark = self.mark.max(mark);
        is_new
    }

    fn is_next(&mut self, seq: u64) -> Result<bool, Error> {
        if seq <= self.seq {
            return Ok(false);
        }
        if seq - self.seq > 1 {
            return Err(Error::Protocol { what: "a change of the room was missed" });
        }
        self.seq = seq;
        Ok(true)
    }
}

/// What is `here` and not `there`, in its order.
fn missing_from<T: Clone>(there: &[T], here: &[T], key: fn(&T) -> (&str, &str)) -> Vec<T> {
    let there: HashSet<_> = there.iter().map(key).collect();
    here.iter().filter(|item| !there.contains(&key(item))).cloned().collect()
}

fn user_key(user: &User) -> (&str, &str) {
    (&user.user_id, &user.user_name)
}

fn stream_key(stream: &Stream) -> (&str, &str) {
    (&stream.stream_id, &stream.user_id)
}

fn says_something(event: &Event) -> bool {
    match event {
        Event::UsersJoined(users) | Event::UsersLeft { users, .. } => !users.is_empty(),
        Event::StreamsStarted(streams) | Event::StreamsStopped { streams, .. } => !streams.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> User {
        User { user_id: id.to_owned(), user_name: id.to_owned(), ..User::default() }
    }

    fn room(users: &[&str]) -> gateway::RoomState {
        gateway::RoomState { users: users.iter().map(|id| user(id)).collect(), ..gateway::RoomState::default() }
    }

    fn change(seq: u64, change: Change, id: &str) -> RoomUsers {
        RoomUsers { room_id: "lobby".to_owned(), seq, change, users: vec![user(id)], reason: None }
    }

    fn extra_change(seq: u64, key: &str, value: &str) -> RoomExtraChange {
        let [room_id, user_id] = ["lobby", "bob"].map(str::to_owned);
        RoomExtraChange { room_id, seq, key: key.to_owned(), value: value.to_owned(), user_id, updated_at: 1 }
    }

    fn ids(roster: &Roster) -> Vec<&str> {
        roster.users.iter().map(|user| user.user_id.as_str()).collect()
    }

    #[test]
    fn changes_apply_in_order_and_once() {
        let mut roster = Roster::default();
        let events = roster.replace(4, room(&["alice"]));
        assert!(matches!(&events[..], [Event::UsersJoined(users)] if users.len() == 1));
        assert!(roster.change_users(change(5, Change::Add, "bob")).unwrap().is_some());
        assert!(roster.change_users(change(5, Change::Add, "bob")).unwrap().is_none());
        assert!(roster.change_users(change(3, Change::Delete, "alice")).unwrap().is_none());
        assert_eq!(ids(&roster), ["alice", "bob"]);
        assert!(roster.change_users(change(6, Change::Delete, "alice")).unwrap().is_some());
        assert_eq!(ids(&roster), ["bob"]);
    }

    #[test]
    fn every_kind_of_change_takes_its_place_and_a_gap_changes_nothing() {
        let mut roster = Roster::default();
        roster.replace(4, room(&["alice"]));
        assert!(roster.change_users(change(6, Change::Add, "bob")).is_err());
        assert!(roster.change_room_extra(extra_change(6, "topic", "x")).is_err());
        assert!(roster.change_users(change(5, Change::Unknown, "carol")).unwrap().is_none());
        let [room_id, user_id] = ["lobby", "alice"].map(str::to_owned);
        let said =
            RoomMessage { room_id, seq: 6, user_id, text: "hi".to_owned(), sent_at: 1, mark: None, missed: false };
        assert!(matches!(roster.hear(said.clone()).unwrap(), Some(Event::RoomMessage(heard)) if heard == said));
        assert!(roster.hear(said).unwrap().is_none());
        assert_eq!((ids(&roster), roster.seq()), (vec!["alice"], 6));
    }

    #[test]
    fn what_was_missed_is_heard_once_and_has_no_number() {
        let mut roster = Roster::default();
        roster.replace(4, room(&["alice"]));
        roster.begin_talk(Some(10));
        let said = |seq, mark, missed| RoomMessage {
            room_id: "lobby".to_owned(),
            seq,
            user_id: "bob".to_owned(),
            text: "hi".to_owned(),
            sent_at: 1,
            mark: Some(mark),
            missed,
        };
        assert!(roster.hear(said(5, 12, false)).unwrap().is_some());
        roster.replace(1, room(&["alice"]));
        for (seq, mark, missed, is_new) in [
            (1, 12, true, false),
            (1, 15, true, true),
            (1, 17, true, true),
            (2, 17, false, false),
            (3, 18, false, true),
        ] {
            assert_eq!(roster.hear(said(seq, mark, missed)).unwrap().is_some(), is_new, "{seq} {mark}");
        }
        let RoomMessage { room_id, user_id, text, sent_at, .. } = said(0, 0, false);
        let signal = Signal { room_id, user_id, text, sent_at, mark: Some(19) };
        assert!(roster.hear_signal(signal.clone()).is_some() && roster.hear_signal(signal).is_none());
        assert_eq!((roster.seq(), roster.mark()), (3, Some(19)));
    }

    #[test]
    fn values_are_set_replaced_and_removed() {
        let mut roster = Roster::default();
        roster.replace(0, room(&["alice"]));
        for (seq, key, value) in [(1, "topic", "a"), (2, "mode", "b"), (3, "topic", "c"), (4, "mode", "")] {
            assert!(roster.change_room_extra(extra_change(seq, key, value)).unwrap().is_some());
        }
        assert_eq!(roster.extra.iter().map(|value| (&*value.key, &*value.value)).collect::<Vec<_>>(), [("topic", "c")]);
        for (seq, extra, present) in [(5, "hand", Some("hand")), (6, "", None)] {
            let [room_id, user_id] = ["lobby", "alice"].map(str::to_owned);
            let change = UserExtra { room_id, seq, user_id, extra: extra.to_owned() };
            assert!(roster.change_user_extra(change).unwrap().is_some());
            assert_eq!(roster.users[0].extra.as_deref(), present);
        }
    }

    #[test]
    fn coming_back_tells_only_what_differs() {
        let mut roster = Roster::default();
        roster.replace(4, room(&["alice", "bob"]));
        roster.change_room_extra(extra_change(5, "topic", "a")).unwrap();
        let mut present = room(&["alice", "carol"]);
        present.users[0].extra = Some("hand".to_owned());
        present.room_extra.push(RoomExtra { key: "mode".to_owned(), ..roster.extra[0].clone() });
        let events = roster.replace(1, present.clone());
        assert!(
            matches!(&events[..], [
                Event::UsersLeft { users: left, .. },
                Event::UsersJoined(joined),
                Event::UserExtraChanged { user_id, extra },
                Event::RoomExtraChanged(removed),
                Event::RoomExtraChanged(set),
            ] if left[0].user_id == "bob" && joined[0].user_id == "carol" && user_id == "alice" && extra == "hand"
                && removed.value.is_empty() && set.key == "mode"),
            "{events:?}"
        );
        assert!(roster.replace(9, present).is_empty());
    }
}
