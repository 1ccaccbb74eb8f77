//! Looking at the media of one app from outside, for operators.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use roompass_media::{PlayedTrack, PublishedTrack, SessionStats};
use token_gen::AppId;
use tokio::{sync::Mutex, time::Instant};

use super::{MediaPlane, room_name};
use crate::rooms::Found;

/// How old what is shown may be. To measure, the media plane leaves off forwarding for a moment: however many ask, it
/// does so once in this time.
const FRESH: Duration = Duration::from_secs(1);

/// The sessions by the media plane's name of their room.
type ByRoom = HashMap<String, Vec<SessionStats>>;

/// What was measured last, and when.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Option<(Instant, Arc<ByRoom>)>>);

/// What was measured of the sessions of one app.
#[derive(Debug)]
pub struct Look {
    app_id: AppId,
    sessions: Arc<ByRoom>,
}

impl MediaPlane {
    /// What has been measured in the rooms of `app_id`, on this node.
    pub async fn look(&self, app_id: AppId) -> Look {
        // Held while measuring: who asks meanwhile gets the same.
        let mut seen = self.seen.0.lock().await;
        let sessions = match &*seen {
            Some((at, sessions)) if at.elapsed() < FRESH => Arc::clone(sessions),
            _ => {
                let sessions = Arc::new(by_room(self.snapshot().await.sessions));
                *seen = Some((Instant::now(), Arc::clone(&sessions)));
                sessions
            }
        };
        Look { app_id, sessions }
    }
}

fn by_room(sessions: Vec<SessionStats>) -> ByRoom {
    let mut by_room = ByRoom::new();
    for session in sessions {
        by_room.entry(session.room.to_string()).or_default().push(session);
    }
    by_room
}

impl Look {
    /// As if this had been measured.
    #[cfg(test)]
    pub(crate) fn of(app_id: AppId, sessions: Vec<SessionStats>) -> Self {
        Self { app_id, sessions: Arc::new(by_room(sessions)) }
    }

    /// The session of a user in a room, if it has a media connection here.
    pub fn session(&self, room_id: &str, user_id: &str) -> Option<&SessionStats> {
        self.in_room(room_id).find(|session| *session.user_id == *user_id)
    }

    /// What `user_id` sends as `stream_id`.
    pub fn published(&self, room_id: &str, user_id: &str, stream_id: &str) -> impl Iterator<Item = &PublishedTrack> {
        let tracks = self.session(room_id, user_id).into_iter().flat_map(|session| &session.published);
        tracks.filter(move |track| *track.stream_id == *stream_id)
    }

    /// Every stream that is published, with where it is, once.
    pub fn streams(&self) -> impl Iterator<Item = (String, Found)> {
        let of_app = room_name(self.app_id, "");
        let rooms =
            self.sessions.iter().filter_map(move |(room, sessions)| Some((room.strip_prefix(&of_app)?, sessions)));
        let streams: BTreeMap<String, Found> = rooms
            .flat_map(|(room_id, sessions)| sessions.iter().map(move |session| (room_id, session)))
            .flat_map(|(room_id, session)| session.published.iter().map(move |track| (room_id, session, track)))
            .filter(|(_, _, track)| track.is_live)
            .map(|(room_id, session, track)| {
                let place = Found { room_id: room_id.to_owned(), user_id: session.user_id.to_string() };
                (track.stream_id.to_string(), place)
            })
            .collect();
        streams.into_iter()
    }

    /// What goes to whom in a room: a user, and every track that they get.
    pub fn played(&self, room_id: &str) -> impl Iterator<Item = (&str, &[PlayedTrack])> {
        self.in_room(room_id).map(|session| (&*session.user_id, &*session.played))
    }

    fn in_room(&self, room_id: &str) -> impl Iterator<Item = &SessionStats> {
        self.sessions.get(&room_name(self.app_id, room_id)).into_iter().flatten()
    }
}
