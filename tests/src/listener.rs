//! Ears that hear everything about a room, and insist that its states follow one another as they may.

use std::collections::HashMap;

use roompass_sdk::{Event, Events, Room};
use tokio::time::timeout;

use crate::DEADLINE;

/// What may follow what in one room, as the field's numbers of the reasons. Before the first there is none.
const TABLE: &[(Option<u32>, u32)] = &[
    (None, 0),
    (Some(0), 1),
    (Some(0), 2),
    (Some(0), 7),
    (Some(1), 3),
    (Some(1), 6),
    (Some(1), 7),
    (Some(3), 4),
    (Some(3), 5),
    (Some(3), 7),
    (Some(4), 3),
    (Some(4), 6),
    (Some(4), 7),
    (Some(7), 0),
];

/// The first listener of a room.
pub struct Listener {
    events: Events,
    reasons: HashMap<String, u32>,
}

impl Listener {
    /// Hears everything since the login.
    pub fn to(room: &Room) -> Self {
        Self { events: room.events(), reasons: HashMap::new() }
    }

    /// Waits for the first event that `pick` takes, passing over others.
    pub async fn next<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let wait = async {
            loop {
                let event = self.event().await.expect("the stay goes on");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        timeout(DEADLINE, wait).await.expect("the event comes")
    }

    /// Hears that somebody who published `stream_id` leaves: first the stream goes, then its user.
    pub async fn leaving_with(&mut self, stream_id: &str) {
        self.next(|event| match event {
            Event::StreamsStopped { streams, .. } => (streams[0].stream_id == stream_id).then_some(()),
            Event::UsersLeft { .. } => panic!("the stream goes first"),
            _ => None,
        })
        .await;
        self.next(|event| matches!(event, Event::UsersLeft { .. }).then_some(())).await;
    }

    /// Everything up to the end of the stay.
    pub async fn rest(mut self) -> Vec<Event> {
        let wait = async {
            let mut rest = Vec::new();
            while let Some(event) = self.event().await {
                rest.push(event);
            }
            rest
        };
        timeout(DEADLINE, wait).await.expect("the stay ends")
    }

    async fn event(&mut self) -> Option<Event> {
        let event = self.events.next().await?;
        match &event {
            Event::StateChanged { room_id, state } => {
                let before = self.reasons.insert(room_id.clone(), state.reason());
                let change = (before, state.reason());
                assert!(TABLE.contains(&change), "{room_id}: {change:?} is not in the table of states");
            }
            Event::Lagged { missed } => panic!("{missed} events were missed"),
            _ => {}
        }
        Some(event)
    }
}
