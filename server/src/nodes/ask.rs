//! Asking all other nodes, and answering them. What is asked and answered is sealed: whoever can write to the bus
//! cannot give orders, and whoever can read it learns nothing.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
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

/// A question as it travels.
#[derive(Serialize, Deserialize)]
struct Asked<Q> {
    asked_at: i64,
    question: Q,
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
        let asked = Asked { asked_at: self.clock.now().get(), question };
        let text = self.seal_words(app_id, &question_place(self.bus.node()), &asked);
        let Ok(answers) = self.bus.ask(app_id, &text, &unreached.silent, PATIENCE).await else {
            unreached.bus_away = true;
            return Vec::new();
        };
        unreached.silent.extend(answers.silent);
        let mut read = Vec::with_capacity(answers.given.len());
        for (node, text) in answers.given {
            match self.open_words(app_id, &answer_place(self.bus.node(), answers.id, &node), &text) {
                Some(answer) => read.push((node, answer)),
                // Of another version, or with another master key.
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
        let mut answering = JoinSet::new();
        loop {
            // Each takes the way to the bus and back, and none waits for the one before.
            while answering.len() >= AT_ONCE {
                answering.join_next().await;
            }
            while answering.try_join_next().is_some() {}
            let asked = self.bus.question().await;
            let Some(question) = self.read_question(&asked) else {
                tracing::warn!(node = %asked.from, app_id = %asked.app_id, "a question makes no sense");
                continue;
            };
            let (nodes, answer) = (Arc::clone(&self), answer(asked.app_id, question));
            answering.spawn(async move {
                let answer = answer.await;
                let place = answer_place(&asked.from, asked.id, nodes.bus.node());
                let text = nodes.seal_words(asked.app_id, &place, &answer);
                // Without a bus, who asked hears nothing, and says so.
                drop(nodes.bus.answer(&asked, &text).await);
            });
        }
    }

    fn read_question<Q: DeserializeOwned>(&self, asked: &Question) -> Option<Q> {
        let Asked { asked_at, question } = self.open_words(asked.app_id, &question_place(&asked.from), &asked.text)?;
        (self.clock.now().get().abs_diff(asked_at) <= FRESH_SECS).then_some(question)
    }

    /// Without randomness it is nothing, and makes no sense to anybody.
    fn seal_words(&self, app_id: AppId, record_id: &str, words: &impl Serialize) -> String {
        let text = serde_json::to_vec(words).unwrap_or_default();
        let place = Place { table: "words", app_id: app_id.get(), record_id };
        let sealed = self.sealer.seal(place, &text, &mut SysRng);
        sealed.map(|sealed| STANDARD_NO_PAD.encode(sealed)).unwrap_or_default()
    }

    fn open_words<T: DeserializeOwned>(&self, app_id: AppId, record_id: &str, sealed: &str) -> Option<T> {
        let sealed = STANDARD_NO_PAD.decode(sealed).ok()?;
        let place = Place { table: "words", app_id: app_id.get(), record_id };
        serde_json::from_slice(&self.sealer.open(place, &sealed).ok()?).ok()
    }
}

fn question_place(from: &NodeId) -> String {
    format!("question of {from}")
}

fn answer_place(to: &NodeId, id: u64, from: &NodeId) -> String {
    format!("answer of {from} to {to} {id}")
}
