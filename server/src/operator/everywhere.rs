//! The same question to this node and to all others, and one answer made of theirs.

use std::collections::HashSet;

use roompass_wire::http::{LiveSession, LiveStream, Receiver};
use token_gen::AppId;

use super::{
    Act, Answer, Part, Question, Who, answer,
    question::{RoomNow, sorted},
    streams::joined,
};
use crate::{
    app::Service,
    bus::NodeId,
    error::Error,
    keys::Caller,
    nodes::Unreached,
    rooms::{Found, Overview},
};

/// How many sessions are named in one question, and how many are told of in one answer.
pub(super) const AT_ONCE: usize = 1000;

/// What one app's rooms are asked on every node, and whom that did not reach.
pub(super) struct Everywhere<'a> {
    service: &'a Service,
    app_id: AppId,
    room_prefix: &'a str,
    pub(super) unreached: Unreached,
}

impl<'a> Everywhere<'a> {
    /// As far as the caller's key reaches.
    pub(super) fn new(service: &'a Service, caller: &'a Caller) -> Self {
        let Caller { app_id, scope, .. } = caller;
        Self { service, app_id: *app_id, room_prefix: &scope.room_prefix, unreached: Unreached::default() }
    }

    /// What every node answers; this one first, whatever becomes of the others.
    pub(super) async fn ask(&mut self, question: &Question) -> Vec<(Option<NodeId>, Answer)> {
        let here = answer(self.service, self.app_id, question).await;
        let others = self.service.nodes.ask(self.app_id, question, &mut self.unreached).await;
        let others = others.into_iter().map(|(node, answer)| (Some(node), answer));
        std::iter::once((None, here)).chain(others).collect()
    }

    /// Whether other nodes may forward the media of sessions here.
    pub(super) fn shares_media(&self) -> bool {
        self.service.media.shares_rooms()
    }

    /// Does something to sessions. Says to which, by the node that has done it.
    pub(super) async fn act(&mut self, act: Act) -> Vec<(Option<NodeId>, HashSet<String>)> {
        let answers = self.ask(&Question::Do(act)).await;
        let done = |(node, answer)| if let Answer::Done(ids) = answer { Some((node, ids)) } else { None };
        answers.into_iter().filter_map(done).collect()
    }

    /// Tells all nodes something that nobody answers with anything.
    pub(super) async fn tell(&mut self, question: &Question) {
        self.ask(question).await;
    }

    /// Up to `limit` sessions by id, from the one after `after`, of users in whose id `search` is.
    pub(super) async fn sessions(&mut self, who: &Who, search: &str, after: &str, limit: usize) -> Vec<LiveSession> {
        let question = Question::Sessions { who: who.clone(), part: self.part(search, after, limit) };
        let answers = self.ask(&question).await.into_iter();
        let parts = answers.filter_map(
            |(_, answer)| {
                if let Answer::Sessions(sessions) = answer { Some(sessions) } else { None }
            },
        );
        let mut found = sorted(parts.flatten(), |session| &session.session_id);
        found.truncate(limit);
        found
    }

    /// All of them.
    pub(super) async fn all_sessions(&mut self, who: &Who) -> Vec<LiveSession> {
        let mut found = Vec::<LiveSession>::new();
        loop {
            let after = found.last().map(|last| last.session_id.clone()).unwrap_or_default();
            let page = self.sessions(who, "", &after, AT_ONCE).await;
            let is_last = page.len() < AT_ONCE;
            found.extend(page);
            if is_last {
                return found;
            }
        }
    }

    /// Up to `limit` rooms by id, from the one after `after`, in whose id `search` is.
    pub(super) async fn rooms(&mut self, search: &str, after: &str, limit: usize) -> Vec<Overview> {
        let question = Question::Rooms(self.part(search, after, limit));
        let answers = self.ask(&question).await.into_iter();
        let parts =
            answers.filter_map(|(_, answer)| if let Answer::Rooms(rooms) = answer { Some(rooms) } else { None });
        let mut found = sorted(parts.flatten(), |room| &room.room_id);
        found.truncate(limit);
        found
    }

    /// Up to `limit` streams by id, from the one after `after`, in whose id or publisher's id `search` is; only in a room or
    /// of a user if that is asked for.
    pub(super) async fn streams(
        &mut self,
        (room_id, user_id): (Option<String>, Option<String>),
        search: &str,
        after: &str,
        limit: usize,
    ) -> Vec<LiveStream> {
        let question = Question::Streams { room_id, user_id, part: self.part(search, after, limit) };
        let answers = self.ask(&question).await.into_iter();
        let parts =
            answers.filter_map(|(_, answer)| if let Answer::Streams(streams) = answer { Some(streams) } else { None });
        let mut found = joined(parts.flatten());
        found.truncate(limit);
        found
    }

    /// Up to `limit` users to whom a stream goes, by id, from the one after `after`, in whose id `search` is.
    pub(super) async fn receivers(
        &mut self,
        stream_id: String,
        search: &str,
        after: &str,
        limit: usize,
    ) -> Vec<Receiver> {
        let question = Question::Receivers { stream_id, part: self.part(search, after, limit) };
        let answers = self.ask(&question).await.into_iter();
        let parts = answers
            .filter_map(|(_, answer)| if let Answer::Receivers(receivers) = answer { Some(receivers) } else { None });
        let mut found = sorted(parts.flatten(), |receiver| &receiver.user_id);
        found.truncate(limit);
        found
    }

    /// A room, as a node tells it on which somebody is in it: that one knows everybody in it.
    pub(super) async fn room(&mut self, room_id: &str) -> Result<RoomNow, Error> {
        let answers = self.ask(&Question::Room { room_id: room_id.to_owned() }).await.into_iter();
        let found = answers.filter_map(|(_, answer)| if let Answer::Room(room) = answer { room } else { None });
        self.found("room", found.reduce(|a, b| if b.users.len() > a.users.len() { b } else { a }))
    }

    /// Where a stream is.
    pub(super) async fn stream(&mut self, stream_id: &str) -> Result<Found, Error> {
        let answers = self.ask(&Question::Stream { stream_id: stream_id.to_owned() }).await.into_iter();
        let found = answers.filter_map(|(_, answer)| if let Answer::Stream(found) = answer { found } else { None });
        let found = { found }.find(|found| found.room_id.starts_with(self.room_prefix));
        self.found("stream", found)
    }

    /// Something that is nowhere, unless it may be where nobody could be asked.
    pub(super) fn found<T>(&self, what: &'static str, found: Option<T>) -> Result<T, Error> {
        found.ok_or(if self.unreached.is_nobody() { Error::Missing(what) } else { Error::NodesUnreached })
    }

    fn part(&self, search: &str, after: &str, limit: usize) -> Part {
        let [room_prefix, search, after] = [self.room_prefix, search, after].map(str::to_owned);
        Part { room_prefix, search, after, limit }
    }
}
