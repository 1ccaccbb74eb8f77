//! What is said in rooms that span nodes. It goes to the bus first, which numbers it: what has been answered is heard
//! on every node, in one order, whichever node dies. Whoever missed some of it is told later.
//!
//! A node says to its members what the bus has told, each number once. While the bus is away, what is said is said here,
//! and has no number.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use roompass_wire::ErrorCode;
use serde::{Deserialize, Serialize};
use token_gen::UnixSeconds;

use super::{Heard, Nodes, room_id, speak::written, topic};
use crate::{
    bus::{BusError, Told, Topic},
    rooms::{Place, Recalled, Returned, Saying},
};

/// How many sayings are remembered of which it is not known whether the bus has them.
const MAX_UNSURE: usize = 1024;

/// A saying as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Letter {
    /// Which of its node's.
    #[serde(default)]
    pub(super) number: u64,
    #[serde(flatten)]
    pub(super) saying: Saying,
}

/// Our sayings, numbered.
#[derive(Debug, Default)]
pub(super) struct Letters(Mutex<Pile>);

#[derive(Debug, Default)]
struct Pile {
    latest: u64,
    /// Given to the bus, which has neither answered nor told them yet.
    under_way: VecDeque<u64>,
    /// Said here already, because the bus did not answer; it may have them all the same.
    unsure: VecDeque<u64>,
}

impl Letters {
    /// The number of the next, which is about to be given to the bus.
    pub(super) fn next(&self) -> u64 {
        self.with(|pile| {
            pile.latest += 1;
            push(&mut pile.under_way, pile.latest);
            pile.latest
        })
    }

    /// It is answered for, or has come from the bus. Says whether it was neither before.
    fn settle(&self, number: u64) -> bool {
        self.with(|pile| {
            let at = pile.under_way.iter().position(|&known| known == number);
            at.and_then(|at| pile.under_way.remove(at)).is_some()
        })
    }

    fn doubt(&self, number: u64) {
        self.with(|pile| push(&mut pile.unsure, number));
    }

    fn is_unsure(&self, number: u64) -> bool {
        self.with(|pile| pile.unsure.contains(&number))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Pile) -> T) -> T {
        // No change in here can stop half-way.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Remembers a number, and of all so many.
fn push(numbers: &mut VecDeque<u64>, number: u64) {
    if numbers.len() >= MAX_UNSURE {
        numbers.pop_front();
    }
    numbers.push_back(number);
}

impl Nodes {
    /// Says something to everybody in the room of a stay here, or, with `to`, to users of it. Done once every node will
    /// hear of it, or if the bus is away.
    ///
    /// # Errors
    /// As [`Place::saying`].
    pub async fn say(
        &self,
        place: &Place,
        to: Option<Vec<String>>,
        text: String,
        now: UnixSeconds,
    ) -> Result<(), ErrorCode> {
        let app_id = place.app_id();
        let (room_id, saying) = place.saying(to, text, now)?;
        if self.bus.is_alone() {
            self.rooms.utter(app_id, &room_id, &saying, None);
            return Ok(());
        }
        let topic = topic(app_id, &room_id);
        let letter = Letter { number: self.letters.next(), saying };
        let told = self.bus.tell(&topic, &written(&letter)).await;
        self.take_answer(&topic, &letter, told).await;
        Ok(())
    }

    /// Says to the members here what was given to the bus, unless they hear it from there.
    pub(super) async fn take_answer(&self, topic: &Topic, letter: &Letter, told: Result<(u64, u64), BusError>) {
        let Some(following) = self.topics().get(topic).cloned() else {
            self.letters.settle(letter.number);
            return;
        };
        let mut heard = following.heard.lock().await;
        let is_unheard = self.letters.settle(letter.number);
        match told {
            // What came before it is on its way, and then comes this.
            Ok((rev, before)) if heard.follows && before > heard.said => {
                tracing::trace!(rev, before, said = heard.said, "told, but not yet heard");
            }
            Ok((rev, _)) => self.utter(topic, &mut heard, rev, &letter.saying, false),
            // Only the answer was lost.
            Err(_) if !is_unheard => {}
            Err(_) => {
                self.letters.doubt(letter.number);
                if let Some(room_id) = room_id(topic) {
                    self.rooms.utter(topic.app_id, &room_id, &letter.saying, None);
                }
            }
        }
    }

    /// Goes on with a stay here that has a connection again, whose client has heard the changes up to `seq` and what was
    /// said up to `mark`. `None` if the stay was ended meanwhile.
    pub async fn come_back(&self, place: &Place, seq: u64, mark: Option<u64>) -> Option<Returned> {
        if self.bus.is_alone() {
            return place.come_back(seq, None);
        }
        let topic = topic(place.app_id(), &place.room_id()?);
        let following = self.following(&topic);
        let mut heard = following.heard.lock().await;
        let recalled = self.recall(&topic, &mut heard, mark, place.since_mark()).await;
        place.come_back(seq, Some(&recalled))
    }

    /// What was said in a room after `mark`, as far as it is for a stay that entered at `since_mark`: clients may say what
    /// they like. All of it has been said to the members here.
    pub(super) async fn recall(
        &self,
        topic: &Topic,
        heard: &mut Heard,
        mark: Option<u64>,
        since_mark: Option<u64>,
    ) -> Recalled {
        let Some((mark, since_mark)) = mark.zip(since_mark) else { return Recalled::default() };
        let mark = mark.max(since_mark);
        // The members here may have heard less than the one who comes. What was said before the board was read is not for
        // them.
        let is_read = heard.said > 0;
        let after = if is_read { mark.min(heard.said) } else { mark };
        let Ok(talk) = self.bus.told(topic, after).await else { return Recalled::default() };
        let is_whole = talk.is_whole_after(mark);
        let mut said = Vec::with_capacity(talk.told.len());
        for told in talk.told {
            let Some(letter) = self.read_letter(topic, &told.text) else { continue };
            if is_read {
                self.hear_told(topic, heard, &told, true);
            }
            if told.rev > mark {
                said.push((told.rev, letter.saying));
            }
        }
        Recalled { said, is_whole }
    }

    /// Says to the members here what was told on a board while it was not heard.
    pub(super) async fn catch_up(&self, topic: &Topic, heard: &mut Heard, rev: u64) {
        if heard.said > 0 {
            let Ok(talk) = self.bus.told(topic, heard.said).await else {
                // With the next news the board is read again.
                heard.follows = false;
                return;
            };
            if talk.told.first().is_some_and(|first| first.before > heard.said) {
                tracing::warn!(app_id = %topic.app_id, "more was said in a room than the bus remembers");
            }
            talk.told.iter().for_each(|told| self.hear_told(topic, heard, told, true));
        }
        // What was said before anybody here was in the room is for nobody here.
        heard.said = heard.said.max(rev);
    }

    /// Takes in what was told, perhaps some time ago.
    pub(super) fn hear_told(&self, topic: &Topic, heard: &mut Heard, told: &Told, is_late: bool) {
        let Told { rev, node, text, .. } = told;
        let Some(letter) = self.read_letter(topic, text) else { return };
        let is_ours = node == self.bus.node();
        if is_ours {
            self.letters.settle(letter.number);
        }
        // Said here when it was not known whether it would come.
        if is_ours && self.letters.is_unsure(letter.number) {
            heard.said = heard.said.max(*rev);
            return;
        }
        self.utter(topic, heard, *rev, &letter.saying, is_late);
    }

    /// Says something to the members here, unless it was.
    fn utter(&self, topic: &Topic, heard: &mut Heard, rev: u64, saying: &Saying, is_late: bool) {
        if rev <= heard.said {
            return;
        }
        heard.said = rev;
        let Some(room_id) = room_id(topic) else { return };
        if is_late {
            self.rooms.utter_late(topic.app_id, &room_id, saying, Some(rev));
        } else {
            self.rooms.utter(topic.app_id, &room_id, saying, Some(rev));
        }
    }

    fn read_letter(&self, topic: &Topic, text: &str) -> Option<Letter> {
        serde_json::from_str(text)
            .inspect_err(
                |error| tracing::warn!(app_id = %topic.app_id, %error, "what another node says makes no sense"),
            )
            .ok()
    }
}
