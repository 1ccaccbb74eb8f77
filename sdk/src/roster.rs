//! Who is in the room and what streams run there, kept up to date from numbered changes. Pure.

use std::collections::HashSet;

use roompass_wire::gateway::{Change, LoggedIn, RoomStreams, RoomUsers, Stream, User};

use crate::{error::Error, event::Event};

/// The client's picture of a room.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    pub(crate) users: Vec<User>,
    pub(crate) streams: Vec<Stream>,
    seq: u64,
}

impl Roster {
    /// Takes the full picture of a login, and returns what differs from before.
    pub(crate) fn replace(&mut self, logged_in: LoggedIn) -> Vec<Event> {
        let users = std::mem::replace(&mut self.users, logged_in.users);
        let streams = std::mem::replace(&mut self.streams, logged_in.streams);
        self.seq = logged_in.seq;
        let events = [
            Event::StreamsStopped(missing_from(&self.streams, &streams, stream_key)),
            Event::UsersLeft(missing_from(&self.users, &users, user_key)),
            Event::UsersJoined(missing_from(&users, &self.users, user_key)),
            Event::StreamsStarted(missing_from(&streams, &self.streams, stream_key)),
        ];
        events.into_iter().filter(says_something).collect()
    }

    /// Takes a change of users. Changes already known give nothing.
    ///
    /// # Errors
    /// [`Error::Protocol`] when a change before this one was missed.
    pub(crate) fn change_users(&mut self, change: RoomUsers) -> Result<Option<Event>, Error> {
        if !self.is_next(change.seq)? {
            return Ok(None);
        }
        self.users.retain(|user| change.users.iter().all(|changed| changed.user_id != user.user_id));
        Ok(Some(match change.change {
            Change::Add => {
                self.users.extend(change.users.iter().cloned());
                Event::UsersJoined(change.users)
            }
            Change::Delete => Event::UsersLeft(change.users),
            Change::Unknown => return Ok(None),
        }))
    }

    /// Takes a change of streams, as [`Roster::change_users`].
    pub(crate) fn change_streams(&mut self, change: RoomStreams) -> Result<Option<Event>, Error> {
        if !self.is_next(change.seq)? {
            return Ok(None);
        }
        self.streams.retain(|stream| change.streams.iter().all(|changed| changed.stream_id != stream.stream_id));
        Ok(Some(match change.change {
            Change::Add => {
                self.streams.extend(change.streams.iter().cloned());
                Event::StreamsStarted(change.streams)
            }
            Change::Delete => Event::StreamsStopped(change.streams),
            Change::Unknown => return Ok(None),
        }))
    }

    /// Takes the number of a change that is not about users or streams, as [`Roster::change_users`].
    pub(crate) fn pass(&mut self, seq: u64) -> Result<(), Error> {
        self.is_next(seq).map(|_| ())
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
        Event::UsersJoined(users) | Event::UsersLeft(users) => !users.is_empty(),
        Event::StreamsStarted(streams) | Event::StreamsStopped(streams) => !streams.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use roompass_wire::gateway::{AuthKind, SessionRights};

    use super::*;

    fn user(id: &str) -> User {
        User { user_id: id.to_owned(), user_name: id.to_owned(), ..User::default() }
    }

    fn logged_in(seq: u64, users: &[&str]) -> LoggedIn {
        LoggedIn {
            id: 1,
            session_id: String::new(),
            room_id: "lobby".to_owned(),
            user_id: "alice".to_owned(),
            auth: AuthKind::Token,
            other_credential: None,
            privileges: Vec::new(),
            rights: SessionRights::default(),
            expire_at: None,
            metadata: None,
            resume_key: None,
            resume_within_secs: 0,
            server_time: 0,
            room_session_id: String::new(),
            seq,
            users: users.iter().map(|id| user(id)).collect(),
            streams: Vec::new(),
            room_extra: Vec::new(),
        }
    }

    fn change(seq: u64, change: Change, id: &str) -> RoomUsers {
        RoomUsers { room_id: "lobby".to_owned(), seq, change, users: vec![user(id)], reason: None }
    }

    fn ids(roster: &Roster) -> Vec<&str> {
        roster.users.iter().map(|user| user.user_id.as_str()).collect()
    }

    #[test]
    fn changes_apply_in_order_and_once() {
        let mut roster = Roster::default();
        let events = roster.replace(logged_in(4, &["alice"]));
        assert!(matches!(&events[..], [Event::UsersJoined(users)] if users.len() == 1));
        assert!(roster.change_users(change(5, Change::Add, "bob")).unwrap().is_some());
        assert!(roster.change_users(change(5, Change::Add, "bob")).unwrap().is_none());
        assert!(roster.change_users(change(3, Change::Delete, "alice")).unwrap().is_none());
        assert_eq!(ids(&roster), ["alice", "bob"]);
        assert!(roster.change_users(change(6, Change::Delete, "alice")).unwrap().is_some());
        assert_eq!(ids(&roster), ["bob"]);
    }

    #[test]
    fn a_gap_is_noticed_and_changes_nothing() {
        let mut roster = Roster::default();
        roster.replace(logged_in(4, &["alice"]));
        assert!(roster.change_users(change(6, Change::Add, "bob")).is_err());
        assert_eq!(ids(&roster), ["alice"]);
    }

    #[test]
    fn coming_back_tells_only_what_differs() {
        let mut roster = Roster::default();
        roster.replace(logged_in(4, &["alice", "bob"]));
        let events = roster.replace(logged_in(1, &["alice", "carol"]));
        assert!(
            matches!(&events[..], [Event::UsersLeft(left), Event::UsersJoined(joined)]
                if left[0].user_id == "bob" && joined[0].user_id == "carol"),
            "{events:?}"
        );
        assert!(roster.replace(logged_in(9, &["alice", "carol"])).is_empty());
    }
}
