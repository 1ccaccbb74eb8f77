//! Asking all other nodes, and answering them. What is asked and answered is sealed: whoever can write to the bus
//! cannot give orders, and whoever can read it learns nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng, rngs::SysRng};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use token_gen::AppId;
use tokio::task::JoinSet;

use super::Nodes;
use crate::{
    bus::{NodeId, Question},
    sealing::Place,
};

/// How long other nodes may take to answer. Several rounds of it are shorter than any request may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What was asked longer ago, or is to be asked later than that, is not answered: somebody may have kept it.
const FRESH_SECS: u64 = 60;
/// How many answers are on their way at a time.
const AT_ONCE: usize = 64;

/// Whom an answer lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unreached {
    /// Nodes that live and have not answered in time.
    pub silent: BTreeSet<NodeId>,
    /// The bus could not be reached: which nodes there are is not known.
    pub bus_away: bool,
}

impl Unreached {
    /// Whether every node has answered.
    pub fn is_nobody(&self) -> bool {
        self.silent.is_empty() && !self.bus_away
    }
}

/// How many questions are remembered. There are not so many in the time they are good for; if there are, new ones wait.
const MAX_HEARD: usize = 100_000;

/// A question as it travels. Its number is drawn at random, and comes back with the answer: neither can be passed off as
/// another.
#[derive(Serialize, Deserialize)]
struct Asked<Q> {
    asked_at: i64,
    number: u64,
    question: Q,
}

/// An answer as it travels.
#[derive(Serialize, Deserialize)]
struct Answered<A> {
    number: u64,
    answer: A,
}

/// Which questions have been answered, until they are no longer fresh: nobody gets an old one answered again.
#[derive(Debug, Default)]
struct Heard(HashMap<(NodeId, u64), i64>);

impl Heard {
    /// Whether the question is new, and may be answered.
    fn is_new(&mut self, from: &NodeId, number: u64, asked_at: i64, now: i64) -> bool {
        if self.0.len() >= MAX_HEARD {
            self.0.retain(|_, asked_at| now.abs_diff(*asked_at) <= FRESH_SECS);
        }
        self.0.len() < MAX_HEARD && self.0.insert((from.clone(), number), asked_at).is_none()
    }
}

impl Nodes {
    /// What all other nodes answer, and who does not. Whoever has not answered before is asked again, but not waited for.
    pub async fn ask<Q, A>(&self, app_id: AppId, question: &Q, unreached: &mut Unreached) -> Vec<(NodeId, A)>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        if self.bus.is_alone() || unreached.bus_away {
            return Vec::new();
        }
        // Without randomness nothing can be sealed either, and nobody answers.
        let number = SysRng.try_next_u64().unwrap_or_default();
        let asked = Asked { asked_at: self.clock.now().get(), number, question };
        let text = self.seal_words(app_id, &question_place(self.bus.node()), &asked);
        let opened = Mutex::new(HashMap::<NodeId, Value>::new());
        // Also what a node of another version says, or one with another master key, is no answer.
        let is_answer = |id: u64, node: &NodeId, text: &str| {
            let answered = self.open_words::<Answered<Value>>(app_id, &answer_place(self.bus.node(), id, node), text);
            let answer = answered.filter(|answered| answered.number == number).map(|answered| answered.answer);
            let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
            answer.map(|answer| opened.insert(node.clone(), answer)).is_some()
        };
        let Ok(answers) = self.bus.ask(app_id, &text, &unreached.silent, PATIENCE, &is_answer).await else {
            unreached.bus_away = true;
            return Vec::new();
        };
        unreached.silent.extend(answers.silent);
        let mut opened = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut read = Vec::with_capacity(answers.given.len());
        for (node, _) in answers.given {
            match opened.remove(&node).and_then(|answer| serde_json::from_value(answer).ok()) {
                Some(answer) => read.push((node, answer)),
                // Of another version.
                None => {
                    unreached.silent.insert(node);
                }
            }
        }
        if !unreached.silent.is_empty() {
            tracing::warn!(%app_id, nodes = ?unreached.silent, "nodes have not answered");
        }
        read
    }

    /// Answers what other nodes ask, for ever.
    pub async fn answer<Q, A, F>(self: Arc<Self>, answer: impl Fn(AppId, Q) -> F)
    where
        Q: DeserializeOwned,
        A: Serialize + Send,
        F: Future<Output = A> + Send + 'static,
    {
        let (mut answering, mut heard) = (JoinSet::new(), Heard::default());
        loop {
            // Each takes the way to the bus and back, and none waits for the one before.
            while answering.len() >= AT_ONCE {
                answering.join_next().await;
            }
            while answering.try_join_next().is_some() {}
            let asked = self.bus.question().await;
            let Some((number, question)) = self.read_question(&asked, &mut heard) else {
                tracing::warn!(node = %asked.from, app_id = %asked.app_id, "a question makes no sense");
                continue;
            };
            let (nodes, answer) = (Arc::clone(&self), answer(asked.app_id, question));
            answering.spawn(async move {
                let answer = Answered { number, answer: answer.await };
                let place = answer_place(&asked.from, asked.id, nodes.bus.node());
                let text = nodes.seal_words(asked.app_id, &place, &answer);
                // Without a bus, who asked hears nothing, and says so.
                drop(nodes.bus.answer(&asked, &text).await);
            });
        }
    }

    /// A question that is fresh and was not asked before, with its number.
    fn read_question<Q: DeserializeOwned>(&self, asked: &Question, heard: &mut Heard) -> Option<(u64, Q)> {
        let place = question_place(&asked.from);
        let Asked { asked_at, number, question } = self.open_words(asked.app_id, &place, &asked.text)?;
        let now = self.clock.now().get();
        let is_fresh = now.abs_diff(asked_at) <= FRESH_SECS;
        (is_fresh && heard.is_new(&asked.from, number, asked_at, now)).then_some((number, question))
    }

    /// Without randomness it is nothing, and makes no sense to anybody.
    fn seal_words(&self, app_id: AppId, record_id: &str, words: &impl Serialize) -> String {
        self.sealer.seal_words(Place { table: "words", app_id: app_id.get(), record_id }, words)
    }

    fn open_words<T: DeserializeOwned>(&self, app_id: AppId, record_id: &str, sealed: &str) -> Option<T> {
        self.sealer.open_words(Place { table: "words", app_id: app_id.get(), record_id }, sealed)
    }
}

impl Nodes {
    /// A mark beside `words` that only nodes of this installation can make, of characters for addresses. Without
    /// randomness it is none.
    pub(crate) fn mark(&self, app_id: AppId, words: &str) -> String {
        let place = Place { table: "marks", app_id: app_id.get(), record_id: words };
        self.sealer.seal(place, &[], &mut SysRng).map(|mark| URL_SAFE_NO_PAD.encode(mark)).unwrap_or_default()
    }

    /// Whether some node has made `mark` beside these words.
    pub(crate) fn is_marked(&self, app_id: AppId, words: &str, mark: &str) -> bool {
        let place = Place { table: "marks", app_id: app_id.get(), record_id: words };
        URL_SAFE_NO_PAD.decode(mark).is_ok_and(|mark| self.sealer.open(place, &mark).is_ok())
    }
}

fn question_place(from: &NodeId) -> String {
    format!("question of {from}")
}

fn answer_place(to: &NodeId, id: u64, from: &NodeId) -> String {
    format!("answer of {from} to {to} {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_once_while_it_is_fresh() {
        let mut heard = Heard::default();
        let [a, b] = ["a", "b"].map(NodeId::from);
        assert!(heard.is_new(&a, 1, 100, 100));
        assert!(!heard.is_new(&a, 1, 100, 130), "somebody has kept it");
        assert!(heard.is_new(&a, 2, 100, 130) && heard.is_new(&b, 1, 100, 130));
    }

    #[test]
    fn no_more_questions_are_remembered_than_there_is_room_for() {
        let mut heard = Heard::default();
        let node = NodeId::from("a");
        for number in 0..MAX_HEARD as u64 {
            assert!(heard.is_new(&node, number, 100, 100));
        }
        assert!(!heard.is_new(&node, u64::MAX, 100, 100), "none of them is forgotten for it");
        assert!(heard.is_new(&node, u64::MAX, 200, 200), "they are stale by now");
    }
}
