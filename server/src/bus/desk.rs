//! Questions between nodes: those of others that wait to be answered, and our own that wait for answers.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout_at},
};

use super::{Answers, IsAnswer, NodeId, Question};

/// More than this many unanswered questions are too late to be answered anyway.
const MAX_QUESTIONS: usize = 1024;

/// One node's questions.
#[derive(Debug, Default)]
pub(super) struct Desk {
    questions: Mutex<VecDeque<Question>>,
    filled: Notify,
    asked: Mutex<HashMap<u64, mpsc::UnboundedSender<(NodeId, String)>>>,
    latest_id: AtomicU64,
}

/// A question of ours that waits for answers. Dropping it ends the waiting.
#[derive(Debug)]
pub(super) struct Asking {
    desk: Arc<Desk>,
    pub(super) id: u64,
    answers: mpsc::UnboundedReceiver<(NodeId, String)>,
}

impl Desk {
    /// Leaves a question of another node. Beyond the bound it is dropped, and `false`: who asked hears nothing, and says so.
    pub(super) fn put(&self, question: Question) -> bool {
        let mut questions = lock(&self.questions);
        let fits = questions.len() < MAX_QUESTIONS;
        if fits {
            questions.push_back(question);
        }
        drop(questions);
        self.filled.notify_one();
        fits
    }

    /// How many questions wait.
    pub(super) fn len(&self) -> usize {
        lock(&self.questions).len()
    }

    /// The next question, once there is one.
    pub(super) async fn next(&self) -> Question {
        loop {
            let question = lock(&self.questions).pop_front();
            if let Some(question) = question {
                return question;
            }
            self.filled.notified().await;
        }
    }

    /// Begins a question of ours. Answers that come from now on are kept for it.
    pub(super) fn ask(self: &Arc<Self>) -> Asking {
        let id = self.latest_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answers) = mpsc::unbounded_channel();
        lock(&self.asked).insert(id, sender);
        Asking { desk: Arc::clone(self), id, answers }
    }

    /// Takes in what `node` answers. Nobody waits any more for one that is late.
    pub(super) fn answered(&self, id: u64, node: NodeId, text: String) {
        if let Some(sender) = lock(&self.asked).get(&id) {
            // Who asked may be giving up at this moment.
            let _ = sender.send((node, text));
        }
    }
}

impl Asking {
    /// What `nodes` answer, each once, within `patience`; what `is_answer` denies is left out.
    pub(super) async fn gather(
        mut self,
        nodes: HashSet<NodeId>,
        patience: Duration,
        is_answer: IsAnswer<'_>,
    ) -> Answers {
        let until = Instant::now() + patience;
        let mut silent = nodes;
        let mut given = Vec::with_capacity(silent.len());
        while !silent.is_empty() {
            let Ok(Some((node, text))) = timeout_at(until, self.answers.recv()).await else { break };
            if silent.contains(&node) && is_answer(self.id, &node, &text) {
                silent.remove(&node);
                given.push((node, text));
            }
        }
        let mut silent: Vec<NodeId> = silent.into_iter().collect();
        silent.sort_unstable();
        Answers { id: self.id, given, silent }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        lock(&self.desk.asked).remove(&self.id);
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics half-way, so a poisoned state is still a good one.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn each_node_answers_once_and_late_answers_reach_nobody() {
        let desk = Arc::<Desk>::default();
        let [a, b] = ["a", "b"].map(NodeId::from);
        let asking = desk.ask();
        let id = asking.id;
        for (node, text) in [(&a, "forged"), (&a, "one"), (&a, "two"), (&NodeId::from("stranger"), "three")] {
            desk.answered(id, node.clone(), text.to_owned());
        }
        let is_answer = |_: u64, _: &NodeId, text: &str| text != "forged";
        let answers = asking.gather(HashSet::from([b.clone(), a.clone()]), Duration::ZERO, &is_answer).await;
        assert_eq!(answers, Answers { id, given: vec![(a.clone(), "one".to_owned())], silent: vec![b] });
        desk.answered(id, a, "late".to_owned());
        assert!(lock(&desk.asked).is_empty());
        assert_eq!(desk.next().now_or_never(), None);
    }

    #[tokio::test]
    async fn too_many_questions_are_not_kept() {
        let desk = Desk::default();
        let app_id = token_gen::AppId::new(1).unwrap();
        let question = |id| Question { from: NodeId::from("a"), id, app_id, text: String::new() };
        assert_eq!((0..=MAX_QUESTIONS as u64).filter(|&id| !desk.put(question(id))).count(), 1);
        for id in 0..MAX_QUESTIONS as u64 {
            assert_eq!(desk.next().now_or_never(), Some(question(id)));
        }
        assert_eq!(desk.next().now_or_never(), None);
    }
}
