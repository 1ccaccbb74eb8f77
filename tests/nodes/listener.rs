//! What a client hears of its room, in its order.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use roompass_sdk::{Event, Room, RoomState};

/// What was heard.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard {
    /// Everything said, and where something is missing.
    pub(crate) said: Vec<String>,
    /// Who came and went, and which streams started and stopped.
    presence: Vec<(&'static str, String)>,
    /// When the connection was lost.
    pub(crate) losses: Vec<Instant>,
}

/// Listens from the login on, until it is dropped.
pub(crate) struct Listener {
    heard: Arc<Mutex<Heard>>,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    /// The first listener of this room.
    pub(crate) fn new(room: &Room) -> Self {
        let (heard, mut events) = (Arc::<Mutex<Heard>>::default(), room.events());
        let hears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                hears.lock().expect("nobody panics").note(event);
            }
        });
        Self { heard, task }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.lock().expect("nobody panics").clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heard {
    /// What of a user, or of a stream, was heard: `came`, `went`, `started`, `stopped`.
    pub(crate) fn history(&self, id: &str) -> Vec<&'static str> {
        self.presence.iter().filter(|(_, other)| other == id).map(|&(what, _)| what).collect()
    }

    fn note(&mut self, event: Event) {
        let (what, ids): (_, Vec<String>) = match event {
            Event::UsersJoined(users) => ("came", users.into_iter().map(|user| user.user_id).collect()),
            Event::UsersLeft { users, .. } => ("went", users.into_iter().map(|user| user.user_id).collect()),
            Event::StreamsStarted(streams) => ("started", streams.into_iter().map(|stream| stream.stream_id).collect()),
            Event::StreamsStopped { streams, .. } => {
                ("stopped", streams.into_iter().map(|stream| stream.stream_id).collect())
            }
            Event::RoomMessage(message) => return self.said.push(message.text),
            Event::MessagesMissed | Event::Lagged { .. } => return self.said.push(format!("{event:?}")),
            Event::StateChanged { state: RoomState::Reconnecting, .. } => return self.losses.push(Instant::now()),
            _ => return,
        };
        self.presence.extend(ids.into_iter().map(|id| (what, id)));
    }
}
