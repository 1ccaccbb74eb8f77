//! What happens in rooms, for webhooks.

use roompass_wire::{
    gateway::Stream,
    webhook::{Event, EventName, InRoom, RoomClosed, RoomOpened, StreamStarted, StreamStopped, UserEntered, UserLeft},
};
use token_gen::AppId;

use super::Webhooks;
use crate::rooms::{Happening, RoomEvent, SessionId};

impl Webhooks {
    /// Announces what happens in a room, if anybody wants to know. Waits for nothing: the room is locked meanwhile.
    pub fn announce_in_room(&self, app_id: AppId, event: &RoomEvent) {
        if !self.wants_of_rooms(app_id) {
            return;
        }
        for event in events_of(event) {
            self.announce_soon(app_id, event);
        }
    }

    fn wants_of_rooms(&self, app_id: AppId) -> bool {
        use EventName::{RoomClosed, RoomOpened, StreamStarted, StreamStopped, UserEntered, UserLeft};
        let all = [RoomOpened, RoomClosed, UserEntered, UserLeft, StreamStarted, StreamStopped];
        all.into_iter().any(|name| self.wants(app_id, name))
    }
}

fn events_of(event: &RoomEvent) -> Vec<Event> {
    let room = InRoom {
        room_id: event.room_id.as_str().to_owned(),
        room_session_id: event.room_session_id.to_string(),
        seq: (event.seq > 0).then_some(event.seq),
    };
    match &event.what {
        Happening::Opened => vec![Event::RoomOpened(RoomOpened { room })],
        Happening::Closed { reason } => vec![Event::RoomClosed(RoomClosed { room, reason: *reason })],
        Happening::UserEntered { session_id, user, auth, again } => vec![Event::UserEntered(UserEntered {
            room,
            session_id: session_id.to_string(),
            user_id: user.user_id.clone(),
            user_name: user.user_name.clone(),
            auth: *auth,
            again: *again,
        })],
        Happening::UserLeft { session_id, user, reason } => vec![Event::UserLeft(UserLeft {
            room,
            session_id: session_id.to_string(),
            user_id: user.user_id.clone(),
            user_name: user.user_name.clone(),
            reason: *reason,
        })],
        Happening::StreamStarted { session_id, stream } => vec![started(room, *session_id, stream)],
        Happening::StreamsStopped { session_id, streams, reason } => {
            let stopped = |stream: &Stream| {
                Event::StreamStopped(StreamStopped {
                    room: room.clone(),
                    session_id: session_id.to_string(),
                    stream_id: stream.stream_id.clone(),
                    user_id: stream.user_id.clone(),
                    reason: *reason,
                })
            };
            streams.iter().map(stopped).collect()
        }
        // What is said and set in rooms is their users' own.
        _ => Vec::new(),
    }
}

fn started(room: InRoom, session_id: SessionId, stream: &Stream) -> Event {
    let (session_id, stream_id, user_id) = (session_id.to_string(), stream.stream_id.clone(), stream.user_id.clone());
    Event::StreamStarted(StreamStarted { room, session_id, stream_id, user_id })
}
