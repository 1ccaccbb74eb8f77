//! Going on with a stay on another node than it began on: what is kept of it for that, and taking it over.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use token_gen::{AppId, RoomId};

use super::{Nodes, outlet::Outgoing, stream_name, topic, user_name};
use crate::{
    bus::{Entry, Topic},
    rooms::{Here, Outbox, Place as Seat, Presence, Returned, SessionId},
    sealing::Place,
};

/// How often taking a stay over is tried while its node goes on changing it.
const TRIES: usize = 3;

/// What is kept of a stay where all nodes can reach it.
#[derive(Serialize, Deserialize)]
struct Kept {
    room_id: String,
    presence: Presence,
    kept: String,
    #[serde(default)]
    since_mark: Option<u64>,
}

/// A stay that another node holds, or held until it died.
#[derive(Debug)]
pub struct Lost {
    app_id: AppId,
    session_id: SessionId,
    here: Here,
    /// What is on the bus as long as nothing has changed.
    record: String,
}

impl Lost {
    /// The app it is of.
    pub fn app_id(&self) -> AppId {
        self.app_id
    }

    /// The room it is in.
    pub fn room_id(&self) -> &RoomId {
        &self.here.room_id
    }

    /// What others see of it.
    pub fn presence(&self) -> &Presence {
        &self.here.presence
    }

    /// What was kept of it, as it was given.
    pub fn kept(&self) -> &str {
        &self.here.kept
    }
}

impl Nodes {
    /// A stay that is not here, unless its node has been dead for longer than `grace`.
    pub async fn lost(&self, app_id: AppId, session_id: SessionId, grace: Duration) -> Option<Lost> {
        // Without a bus nothing is known of it.
        let record = self.bus.record(app_id, &session_id.to_string()).await.ok()??;
        if record.silent_for.is_some_and(|silent_for| silent_for > grace) {
            return None;
        }
        let here = self.open(app_id, session_id, &record.text)?;
        Some(Lost { app_id, session_id, here, record: record.text })
    }

    /// Goes on here with a stay, for which `kept` is kept from now on, and whose client has heard what was said up to
    /// `mark`. `None` if somebody was faster, or the stay has ended.
    pub async fn adopt(
        &self,
        lost: Lost,
        mark: Option<u64>,
        kept: Arc<str>,
        outbox: Arc<Outbox>,
    ) -> Option<(Seat, Returned)> {
        let (app_id, session_id, room_id) = (lost.app_id, lost.session_id, lost.here.room_id.clone());
        let topic = topic(app_id, &room_id);
        self.follow(&topic).await;
        let taken = self.take_over(&topic, lost, kept).await;
        let following = self.following(&topic);
        // Nothing is said in between: what is recalled and what is heard from here on is everything, and nothing twice.
        let mut heard = following.heard.lock().await;
        let adopted = match taken {
            Some(here) => {
                let streams = here.presence.streams.iter().map(|stream| stream.stream_id.clone());
                let streams: Vec<String> = streams.collect();
                let recalled = self.recall(&topic, &mut heard, mark, here.since_mark).await;
                let adopted = self.rooms.adopt(app_id, session_id, (here, &recalled), outbox, self.clock.now());
                adopted.map(|adopted| (adopted, streams))
            }
            None => None,
        };
        heard.entering -= 1;
        drop(heard);
        let Some((adopted, streams)) = adopted else {
            self.outlet.say(Outgoing::Emptied(app_id, room_id));
            return None;
        };
        for stream_id in streams {
            let claimed = self.bus.claim(app_id, &stream_name(&stream_id), &session_id.to_string()).await;
            if let Ok(false) = claimed {
                self.rooms.take_stream(app_id, session_id, &stream_id);
            }
        }
        Some(adopted)
    }

    async fn take_over(&self, topic: &Topic, lost: Lost, kept: Arc<str>) -> Option<Here> {
        let Lost { app_id, session_id, mut here, mut record } = lost;
        let before = Arc::clone(&here.kept);
        for _ in 0..TRIES {
            here.kept = Arc::clone(&kept);
            let entry = self.entry(topic, session_id, &here);
            if let Ok(true) = self.bus.take_over(&entry, &record).await {
                return Some(here);
            }
            // Its node may have changed something else a moment ago, or an answer was lost.
            let again = self.lost(app_id, session_id, Duration::MAX).await?;
            if again.here.kept == kept {
                return Some(again.here);
            }
            if again.here.kept != before {
                return None;
            }
            (here, record) = (again.here, again.record);
        }
        None
    }

    /// A stay here, as the bus has it.
    pub(super) fn entry(&self, topic: &Topic, session_id: SessionId, here: &Here) -> Entry {
        let Here { room_id, presence, kept, since_mark } = here;
        let key = session_id.to_string();
        let (room_id, kept) = (room_id.as_str().to_owned(), kept.to_string());
        let kept = Kept { room_id, presence: presence.clone(), kept, since_mark: *since_mark };
        Entry {
            topic: topic.clone(),
            name: user_name(&presence.user.user_id),
            // Strings and numbers into memory: serde_json has no way to fail here.
            text: serde_json::to_string(presence).unwrap_or_default(),
            record: self.seal(topic.app_id, &key, &kept),
            key: key.into(),
        }
    }

    /// Sealed, because whoever could write it would be let into rooms. Without randomness it is nothing, and the stay
    /// cannot be gone on with elsewhere.
    fn seal(&self, app_id: AppId, key: &str, kept: &Kept) -> String {
        let text = serde_json::to_vec(kept).unwrap_or_default();
        let sealed = self.sealer.seal(place(app_id, key), &text, &mut SysRng);
        sealed.map(|sealed| STANDARD_NO_PAD.encode(sealed)).unwrap_or_default()
    }

    fn open(&self, app_id: AppId, session_id: SessionId, record: &str) -> Option<Here> {
        let sealed = STANDARD_NO_PAD.decode(record).ok()?;
        let text = self.sealer.open(place(app_id, &session_id.to_string()), &sealed).ok()?;
        let Kept { room_id, presence, kept, since_mark } = serde_json::from_slice(&text).ok()?;
        Some(Here { room_id: RoomId::new(room_id).ok()?, presence, kept: kept.into(), since_mark })
    }
}

fn place(app_id: AppId, key: &str) -> Place<'_> {
    Place { table: "sessions", app_id: app_id.get(), record_id: key }
}
