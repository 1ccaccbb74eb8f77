//! What happens here, told to the other nodes; and everything again, when something may have been missed.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use roompass_wire::ErrorCode;
use serde::Serialize;
use token_gen::{AppId, RoomId};

use super::{
    Nodes,
    outlet::{Departed, Outgoing},
    stream_name, terms, topic, user_name,
};
use crate::{
    bus::{BusError, Entered, Topic},
    rooms::SessionId,
};

/// How often everything is told again, so that the bus does not forget it.
const AGAIN_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long after an outage of the bus the other nodes have to tell everything again.
const HEALING: Duration = Duration::from_secs(10);
/// How many answers of the bus are waited for at a time.
const AT_ONCE: usize = 64;
/// The most departures remembered while the bus is away.
const MAX_UNTOLD: usize = 64 * 1024;

impl Nodes {
    /// Speaks for ever.
    pub async fn speak(&self) {
        let taken = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut outgoing) = taken else { return };
        let mut untold = Vec::new();
        let mut again_at = self.clock.now().saturating_add(AGAIN_EVERY);
        loop {
            tokio::select! {
                said = outgoing.recv() => match said {
                    Some(said) => self.tell(said, &mut untold).await,
                    None => return,
                },
                () = self.missed.notified() => {
                    self.tell_all(&mut untold).await;
                    again_at = self.clock.now().saturating_add(HEALING);
                }
                () = self.clock.sleep_until(again_at) => {
                    self.is_healing.store(false, Ordering::Release);
                    self.tell_all(&mut untold).await;
                    again_at = self.clock.now().saturating_add(AGAIN_EVERY);
                }
            }
            if self.outlet.has_lost_something() {
                self.tell_all(&mut untold).await;
            }
        }
    }

    async fn tell(&self, said: Outgoing, untold: &mut Vec<Departed>) {
        match said {
            Outgoing::Changed(app_id, session_id) => self.tell_of(app_id, session_id).await,
            Outgoing::ChangedUser(app_id, user_id) => {
                if let Some(session_id) = self.rooms.stay_of(app_id, &user_id) {
                    self.tell_of(app_id, session_id).await;
                }
            }
            Outgoing::Left(departed) => {
                if self.tell_left(&departed).await.is_err() && untold.len() < MAX_UNTOLD {
                    untold.push(departed);
                }
            }
            Outgoing::Stopped(app_id, session_id, stream_id) => {
                // If it cannot be given back now, it is when the stay ends, or when the bus forgets it.
                let _ = self.bus.release(app_id, &stream_name(&stream_id), &session_id.to_string()).await;
                self.tell_of(app_id, session_id).await;
            }
            Outgoing::Emptied(app_id, room_id) => self.forget(app_id, &room_id).await,
            // While the bus is away, what is set is set here.
            Outgoing::Set(app_id, room_id, extra) => {
                let text = if extra.value.is_empty() { String::new() } else { written(&extra) };
                let _ = self.bus.set(&topic(app_id, &room_id), &extra.key, &text).await;
            }
        }
    }

    /// Tells what a stay here is like now. While the bus is away, that is told later.
    async fn tell_of(&self, app_id: AppId, session_id: SessionId) {
        let Some(here) = self.rooms.here(app_id, session_id) else { return };
        let entry = self.entry(&topic(app_id, &here.room_id), session_id, &here);
        match self.bus.update(&entry).await {
            Ok(true) | Err(_) => {}
            Ok(false) => self.tell_again(app_id, session_id).await,
        }
    }

    /// Brings a stay here back to where everybody sees it, with its streams. If its user has logged in elsewhere since,
    /// it is over.
    async fn tell_again(&self, app_id: AppId, session_id: SessionId) {
        let Some(here) = self.rooms.here(app_id, session_id) else { return };
        let entry = self.entry(&topic(app_id, &here.room_id), session_id, &here);
        match self.bus.enter(&entry, terms(&here.presence)).await {
            Ok(Entered::In) => {}
            Ok(Entered::Full | Entered::Held) => {
                return self.rooms.end(app_id, session_id, ErrorCode::KickedByOtherLogin, self.clock.now());
            }
            // The news that says so is on its way; or, without a bus, later.
            Ok(Entered::Moved) | Err(_) => return,
        }
        for stream in here.presence.streams {
            let name = stream_name(&stream.stream_id);
            if let Ok(false) = self.bus.claim(app_id, &name, &session_id.to_string()).await {
                self.rooms.take_stream(app_id, session_id, &stream.stream_id);
            }
        }
    }

    async fn tell_left(&self, departed: &Departed) -> Result<(), BusError> {
        let Departed { app_id, room_id, session_id, user_id, reason } = departed;
        let topic = topic(*app_id, room_id);
        self.bus.leave(&topic, &session_id.to_string(), &user_name(user_id), reason.as_str()).await
    }

    /// Tells everything again, and reads every board again.
    async fn tell_all(&self, untold: &mut Vec<Departed>) {
        if !self.bus.is_up() {
            return;
        }
        for departed in std::mem::take(untold) {
            if self.tell_left(&departed).await.is_err() {
                untold.push(departed);
            }
        }
        let all = stream::iter(self.rooms.all_here());
        all.for_each_concurrent(AT_ONCE, |(app_id, session_id)| self.tell_again(app_id, session_id)).await;
        let topics: Vec<Topic> = self.topics().keys().cloned().collect();
        stream::iter(topics).for_each_concurrent(AT_ONCE, |topic| async move { self.read_again(&topic).await }).await;
    }

    async fn read_again(&self, topic: &Topic) {
        let Some(following) = self.topics().get(topic).cloned() else { return };
        let mut heard = following.heard.lock().await;
        self.read_board(topic, &mut heard).await;
    }

    /// Forgets a room that nobody here is in any more.
    async fn forget(&self, app_id: AppId, room_id: &RoomId) {
        let topic = topic(app_id, room_id);
        let Some(following) = self.topics().get(&topic).cloned() else { return };
        let mut heard = following.heard.lock().await;
        if heard.entering > 0 || self.rooms.has_members_here(app_id, room_id) {
            return;
        }
        heard.follows = false;
        self.bus.unfollow(&topic).await;
        self.rooms.keep_elsewhere(app_id, room_id, &Default::default());
        self.topics().retain(|known, other| *known != topic || !Arc::ptr_eq(other, &following));
    }
}

/// Strings and numbers into memory: serde_json has no way to fail here.
pub(super) fn written(what: &impl Serialize) -> String {
    serde_json::to_string(what).unwrap_or_default()
}
