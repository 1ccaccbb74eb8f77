//! Looking at the media of one app from outside, for operators.

use roompass_media::{PlayedTrack, PublishedTrack, SessionStats};
use token_gen::AppId;

use super::{MediaPlane, room_name};

/// What was measured of the sessions of one app.
#[derive(Debug)]
pub struct Look {
    app_id: AppId,
    sessions: Vec<SessionStats>,
}

impl MediaPlane {
    /// What has been measured in the rooms of `app_id`, on this node.
    pub async fn look(&self, app_id: AppId) -> Look {
        let mut sessions = self.snapshot().await.sessions;
        let prefix = room_name(app_id, "");
        sessions.retain(|session| session.room.starts_with(&prefix));
        Look { app_id, sessions }
    }
}

impl Look {
    /// The session of a user in a room, if it has a media connection here.
    pub fn session(&self, room_id: &str, user_id: &str) -> Option<&SessionStats> {
        self.in_room(room_id).find(|session| *session.user_id == *user_id)
    }

    /// What `user_id` sends as `stream_id`.
    pub fn published(&self, room_id: &str, user_id: &str, stream_id: &str) -> impl Iterator<Item = &PublishedTrack> {
        let tracks = self.session(room_id, user_id).into_iter().flat_map(|session| &session.published);
        tracks.filter(move |track| *track.stream_id == *stream_id)
    }

    /// What each receiver gets of `stream_id`.
    pub fn played(&self, room_id: &str, stream_id: &str) -> impl Iterator<Item = (&str, &PlayedTrack)> {
        let played = self.in_room(room_id).flat_map(|session| {
            let track = move |track| (&*session.user_id, track);
            session.played.iter().map(track)
        });
        played.filter(move |(_, track)| *track.stream_id == *stream_id)
    }

    fn in_room(&self, room_id: &str) -> impl Iterator<Item = &SessionStats> {
        let name = room_name(self.app_id, room_id);
        self.sessions.iter().filter(move |session| *session.room == *name)
    }
}
