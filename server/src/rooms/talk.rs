//! What is said in rooms: to everybody there, or to some of them; and what of it somebody has missed.
//!
//! Where rooms span nodes, each saying has a mark, and all nodes say them to their members in the order of the marks.
//! Who goes on with a stay tells the latest mark heard, and is told what came after it.

use std::sync::Arc;

use roompass_wire::{
    ErrorCode,
    gateway::{RoomMessage, ServerMessage, Signal},
};
use serde::{Deserialize, Serialize};
use token_gen::{AppId, RoomId, UnixSeconds};

use super::{
    Place, Rooms, lock,
    outbox::{self, Queued},
    room::{Member, Remembered, Room, Whose},
    world::World,
};

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saying {
    /// Who.
    pub from: String,
    /// To whom; without it, to everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<String>>,
    /// What.
    pub text: String,
    /// When, in Unix seconds.
    pub sent_at: i64,
}

/// What was said in a room after a mark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recalled {
    /// Each saying with its mark, in their order.
    pub said: Vec<(u64, Saying)>,
    /// Whether that is everything.
    pub is_whole: bool,
}

impl Rooms {
    /// Says something to those it is for, as far as they are here.
    pub fn utter(&self, app_id: AppId, room_id: &RoomId, saying: &Saying, mark: Option<u64>) {
        self.utter_when(app_id, room_id, saying, mark, false);
    }

    /// The same of what should have been said before: nobody is too slow for it.
    pub fn utter_late(&self, app_id: AppId, room_id: &RoomId, saying: &Saying, mark: Option<u64>) {
        self.utter_when(app_id, room_id, saying, mark, true);
    }

    fn utter_when(&self, app_id: AppId, room_id: &RoomId, saying: &Saying, mark: Option<u64>, is_late: bool) {
        let Some(world) = self.known(app_id) else { return };
        lock(&world).utter(room_id, saying, mark, is_late);
    }
}

impl Place {
    /// What the stay says to everybody in its room, or, with `to`, to users of it: to all of them, or, if one is not
    /// there, to none. Nobody hears it yet.
    ///
    /// # Errors
    /// [`ErrorCode::NotInRoom`] and [`ErrorCode::UserNotInRoom`].
    pub fn saying(
        &self,
        to: Option<Vec<String>>,
        text: String,
        now: UnixSeconds,
    ) -> Result<(RoomId, Saying), ErrorCode> {
        let world = lock(&self.world);
        let stay = world.stays.get(&self.session_id).ok_or(ErrorCode::NotInRoom)?;
        let room = world.rooms.get(&stay.room_id).ok_or(ErrorCode::NotInRoom)?;
        if !room.is_ours(stay.joined) {
            return Err(ErrorCode::NotInRoom);
        }
        if to.iter().flatten().any(|user_id| room.member_named(user_id).is_none()) {
            return Err(ErrorCode::UserNotInRoom);
        }
        let from = stay.user_id.as_str().to_owned();
        Ok((stay.room_id.clone(), Saying { from, to, text, sent_at: now.get() }))
    }
}

impl World {
    fn utter(&mut self, room_id: &RoomId, saying: &Saying, mark: Option<u64>, is_late: bool) {
        let Some(room) = self.rooms.get_mut(room_id) else { return };
        let Some(to) = &saying.to else { return room.say(saying, mark, is_late) };
        let text = room.signal_text(saying, mark);
        for (_, member) in to.iter().filter_map(|user_id| room.member_named(user_id)) {
            if let Member { whose: Whose::Ours(outbox), .. } = member {
                outbox.append(Queued::direct(Arc::clone(&text), mark).late(is_late));
            }
        }
    }
}

impl Room {
    fn say(&mut self, saying: &Saying, mark: Option<u64>, is_late: bool) {
        self.seq += 1;
        let message = self.message(saying, mark, false);
        self.announce_marked(&message, mark, is_late);
    }

    /// What somebody has missed who is to hear these `changes`, which are remembered, and of what was `recalled` what is
    /// not among them: all in the order of the marks. Signals are for `user_id`.
    pub(super) fn missed<'a>(
        &self,
        recalled: &Recalled,
        changes: impl Iterator<Item = &'a Remembered> + Clone,
        user_id: &str,
    ) -> Vec<Queued> {
        let until = changes.clone().find_map(|change| change.mark);
        let (mut missed, mut signals) = (Vec::new(), Vec::new());
        for (mark, saying) in &recalled.said {
            match &saying.to {
                Some(to) if to.iter().any(|to| to == user_id) => {
                    signals.push(Queued::direct(self.signal_text(saying, Some(*mark)), Some(*mark)));
                }
                None if until.is_none_or(|until| *mark < until) => {
                    missed.push(Queued::change(text(&self.message(saying, Some(*mark), true)), Some(*mark)));
                }
                _ => {}
            }
        }
        missed.extend(changes.map(|change| Queued::change(Arc::clone(&change.text), change.mark)));
        outbox::merge(missed, signals)
    }

    fn message(&self, saying: &Saying, mark: Option<u64>, missed: bool) -> ServerMessage {
        ServerMessage::RoomMessage(RoomMessage {
            room_id: self.room_id.as_str().to_owned(),
            seq: self.seq,
            user_id: saying.from.clone(),
            text: saying.text.clone(),
            sent_at: saying.sent_at,
            mark,
            missed,
        })
    }

    fn signal_text(&self, saying: &Saying, mark: Option<u64>) -> Arc<str> {
        text(&ServerMessage::Signal(Signal {
            room_id: self.room_id.as_str().to_owned(),
            user_id: saying.from.clone(),
            text: saying.text.clone(),
            sent_at: saying.sent_at,
            mark,
        }))
    }
}

/// Strings and numbers into memory: serde_json has no way to fail here.
pub(super) fn text(message: &ServerMessage) -> Arc<str> {
    serde_json::to_string(message).unwrap_or_default().into()
}
