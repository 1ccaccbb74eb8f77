//! The bus of nodes within one process. For a single node it costs nothing: there is nobody to tell.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use token_gen::AppId;

use super::{
    Answers, Board, BoardChange, BoardNews, Bus, BusError, Entered, Entry, IsAnswer, Letter, MAX_TOLD, MAX_TOLD_BYTES,
    News, NodeId, Posted, Question, Record, Talk, Tally, Terms, Told, Topic, desk::Desk, inbox::Inbox,
    letters::Letters,
};

/// Where the nodes of one process meet.
#[derive(Debug, Clone, Default)]
pub struct LocalHub(Arc<Mutex<State>>);

/// One node's end of it.
#[derive(Debug)]
pub struct LocalBus {
    node: NodeId,
    hub: LocalHub,
    inbox: Arc<Inbox>,
    desk: Arc<Desk>,
    letters: Arc<Letters>,
    /// Whether no other node can come.
    is_alone: bool,
}

#[derive(Debug, Default)]
struct State {
    nodes: HashMap<NodeId, Arc<Inbox>>,
    desks: HashMap<NodeId, Arc<Desk>>,
    letters: HashMap<NodeId, Arc<Letters>>,
    homes: HashMap<(AppId, String), NodeId>,
    followers: HashMap<Topic, HashSet<NodeId>>,
    boards: HashMap<Topic, Standing>,
    /// The highest number of any board: one that comes again goes on with higher ones.
    highest: u64,
    names: HashMap<(AppId, String), Claim>,
    records: HashMap<(AppId, Arc<str>), String>,
    cards: HashMap<NodeId, String>,
}

/// A board.
#[derive(Debug, Default)]
struct Standing {
    rev: u64,
    /// The number of what was told last; before that, the first of all.
    latest: u64,
    entries: BTreeMap<Arc<str>, Posted>,
    values: BTreeMap<Arc<str>, String>,
    told: VecDeque<Told>,
}

/// Who has a name.
#[derive(Debug, Clone)]
struct Claim {
    node: NodeId,
    key: Arc<str>,
    /// Of a claim that goes with an entry.
    of_entry: Option<(Topic, Terms)>,
}

impl LocalHub {
    /// A new node.
    pub fn join(&self, node: NodeId) -> LocalBus {
        let (inbox, desk, letters) = (Arc::<Inbox>::default(), Arc::<Desk>::default(), Arc::<Letters>::default());
        let mut state = self.lock();
        state.nodes.insert(node.clone(), Arc::clone(&inbox));
        state.desks.insert(node.clone(), Arc::clone(&desk));
        state.letters.insert(node.clone(), Arc::clone(&letters));
        LocalBus { node, hub: self.clone(), inbox, desk, letters, is_alone: false }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way, so a poisoned state is still a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalBus {
    /// A node that is the only one.
    pub fn alone(node: NodeId) -> Self {
        Self { is_alone: true, ..LocalHub::default().join(node) }
    }
}

impl State {
    fn lives(&self, node: &NodeId) -> bool {
        self.nodes.contains_key(node)
    }

    /// Numbers a change and tells the followers.
    fn announce(&mut self, topic: &Topic, node: &NodeId, change: &BoardChange) {
        let Some(board) = self.boards.get_mut(topic) else { return };
        board.rev += 1;
        self.highest = self.highest.max(board.rev);
        let followers = self.followers.get(topic).into_iter().flatten();
        for inbox in followers.filter_map(|node| self.nodes.get(node)) {
            let (topic, node, change) = (topic.clone(), node.clone(), change.clone());
            inbox.push(News::Board(BoardNews { topic, rev: board.rev, node, change }));
        }
    }

    fn board(&mut self, topic: &Topic) -> &mut Standing {
        let rev = self.highest.max(1);
        self.boards.entry(topic.clone()).or_insert_with(|| Standing { rev, latest: rev, ..Standing::default() })
    }

    fn put(&mut self, entry: &Entry, node: &NodeId) {
        let Entry { topic, key, text, record, .. } = entry;
        let posted = Posted { key: Arc::clone(key), node: node.clone(), text: text.clone() };
        let board = self.board(topic);
        board.entries.insert(Arc::clone(key), posted);
        self.records.insert((topic.app_id, Arc::clone(key)), record.clone());
        self.announce(topic, node, &BoardChange::Put { key: Arc::clone(key), text: text.clone() });
    }

    fn remove(&mut self, topic: &Topic, key: &Arc<str>, word: &str) {
        let Some(board) = self.boards.get_mut(topic) else { return };
        let Some(Posted { node, .. }) = board.entries.remove(key) else { return };
        if board.entries.is_empty() {
            board.values.clear();
            board.told.clear();
        }
        self.records.remove(&(topic.app_id, Arc::clone(key)));
        self.names.retain(|(app_id, _), claim| *app_id != topic.app_id || claim.key != *key);
        let change = BoardChange::Gone { key: Arc::clone(key), word: word.to_owned() };
        self.announce(topic, &node, &change);
    }

    /// The entry that `key` names, if it is on the board and this node's.
    fn is_ours(&self, topic: &Topic, key: &str, node: &NodeId) -> bool {
        let posted = self.boards.get(topic).and_then(|board| board.entries.get(key));
        posted.is_some_and(|posted| posted.node == *node)
    }

    fn enter(&mut self, entry: &Entry, terms: Terms, node: &NodeId) -> Entered {
        let name = (entry.topic.app_id, entry.name.clone());
        let same = self.names.get(&name).filter(|claim| claim.key == entry.key);
        if same.is_some_and(|claim| claim.node != *node && self.lives(&claim.node)) {
            return Entered::Moved;
        }
        let holder = self.names.get(&name).filter(|claim| claim.key != entry.key).cloned();
        let living = holder.as_ref().filter(|claim| self.lives(&claim.node));
        let theirs = living.and_then(|claim| Some((&claim.key, claim.of_entry.as_ref()?)));

        let frees_place = theirs.is_some_and(|(_, (topic, _))| *topic == entry.topic);
        let living_entries = |board: &Standing| {
            board.entries.values().filter(|posted| posted.key != entry.key && self.lives(&posted.node)).count()
        };
        let others = self.boards.get(&entry.topic).map_or(0, living_entries) - usize::from(frees_place);
        if terms.limit != 0 && !terms.again && others >= usize::try_from(terms.limit).unwrap_or(usize::MAX) {
            return Entered::Full;
        }
        if theirs.is_some_and(|(key, (_, their_terms))| !terms.take_from(their_terms, &entry.key, key)) {
            return Entered::Held;
        }

        if let Some(Claim { node: loser, key, of_entry: Some((topic, _)) }) = holder {
            self.remove(&topic, &key, "");
            if let Some(inbox) = self.nodes.get(&loser) {
                inbox.push(News::Ousted { app_id: topic.app_id, key });
            }
        }
        let of_entry = Some((entry.topic.clone(), terms));
        self.names.insert(name, Claim { node: node.clone(), key: Arc::clone(&entry.key), of_entry });
        self.put(entry, node);
        Entered::In
    }
}

#[async_trait]
impl Bus for LocalBus {
    fn node(&self) -> &NodeId {
        &self.node
    }

    fn is_alone(&self) -> bool {
        self.is_alone
    }

    fn is_up(&self) -> bool {
        true
    }

    async fn follow(&self, topic: &Topic) -> Result<Board, BusError> {
        let mut state = self.hub.lock();
        state.followers.entry(topic.clone()).or_default().insert(self.node.clone());
        state.board(topic);
        let Some(board) = state.boards.get(topic) else { return Ok(Board::default()) };
        let entries = board.entries.values().filter(|posted| state.lives(&posted.node)).cloned().collect();
        let values = board.values.iter().map(|(key, text)| (Arc::clone(key), text.clone())).collect();
        Ok(Board { rev: board.rev, entries, values })
    }

    async fn unfollow(&self, topic: &Topic) {
        let mut state = self.hub.lock();
        if let Some(followers) = state.followers.get_mut(topic) {
            followers.remove(&self.node);
            if followers.is_empty() {
                state.followers.remove(topic);
                state.boards.retain(|other, board| other != topic || !board.entries.is_empty());
            }
        }
    }

    async fn enter(&self, entry: &Entry, terms: Terms) -> Result<Entered, BusError> {
        Ok(self.hub.lock().enter(entry, terms, &self.node))
    }

    async fn update(&self, entry: &Entry) -> Result<bool, BusError> {
        let mut state = self.hub.lock();
        let ours = state.is_ours(&entry.topic, &entry.key, &self.node);
        if ours {
            state.put(entry, &self.node);
        }
        Ok(ours)
    }

    async fn leave(&self, topic: &Topic, key: &str, name: &str, word: &str) -> Result<(), BusError> {
        let mut state = self.hub.lock();
        if state.is_ours(topic, key, &self.node) {
            state.remove(topic, &Arc::from(key), word);
            state.release(topic.app_id, name, key);
        }
        Ok(())
    }

    async fn record(&self, app_id: AppId, key: &str) -> Result<Option<Record>, BusError> {
        let state = self.hub.lock();
        let kept = state.records.get(&(app_id, Arc::from(key)));
        Ok(kept.map(|text| Record { text: text.clone(), silent_for: None }))
    }

    async fn take_over(&self, entry: &Entry, expected: &str) -> Result<bool, BusError> {
        let mut state = self.hub.lock();
        let kept = state.records.get(&(entry.topic.app_id, Arc::clone(&entry.key)));
        let is_expected = kept.is_some_and(|text| text == expected);
        let claim = state.names.get_mut(&(entry.topic.app_id, entry.name.clone()));
        let Some(claim) = claim.filter(|claim| is_expected && claim.key == entry.key) else { return Ok(false) };
        claim.node = self.node.clone();
        state.put(entry, &self.node);
        Ok(true)
    }

    async fn claim(&self, app_id: AppId, name: &str, key: &str) -> Result<bool, BusError> {
        let mut state = self.hub.lock();
        let name = (app_id, name.to_owned());
        let other = state.names.get(&name).is_some_and(|claim| &*claim.key != key && state.lives(&claim.node));
        if !other {
            state.names.insert(name, Claim { node: self.node.clone(), key: key.into(), of_entry: None });
        }
        Ok(!other)
    }

    async fn release(&self, app_id: AppId, name: &str, key: &str) -> Result<(), BusError> {
        self.hub.lock().release(app_id, name, key);
        Ok(())
    }

    async fn home(&self, app_id: AppId, name: &str) -> Result<NodeId, BusError> {
        let mut state = self.hub.lock();
        let name = (app_id, name.to_owned());
        let held = state.homes.get(&name).filter(|node| state.lives(node)).cloned();
        let home = held.unwrap_or_else(|| self.node.clone());
        state.homes.insert(name, home.clone());
        Ok(home)
    }

    async fn leave_home(&self, app_id: AppId, name: &str) -> Result<(), BusError> {
        self.hub.lock().homes.retain(|(of, home), node| (*of, &**home) != (app_id, name) || *node != self.node);
        Ok(())
    }

    async fn set(&self, topic: &Topic, key: &str, text: &str) -> Result<(), BusError> {
        let mut state = self.hub.lock();
        let key = Arc::<str>::from(key);
        let values = &mut state.board(topic).values;
        if text.is_empty() {
            values.remove(&key)
        } else {
            values.insert(Arc::clone(&key), text.to_owned())
        };
        state.announce(topic, &self.node, &BoardChange::Set { key, text: text.to_owned() });
        Ok(())
    }

    async fn tell(&self, topic: &Topic, text: &str) -> Result<(u64, u64), BusError> {
        let mut state = self.hub.lock();
        let board = state.board(topic);
        let rev = board.rev + 1;
        let before = std::mem::replace(&mut board.latest, rev);
        board.told.push_back(Told { rev, before, node: self.node.clone(), text: text.to_owned() });
        let bytes = |told: &VecDeque<Told>| told.iter().map(|told| told.text.len()).sum::<usize>();
        while board.told.len() > MAX_TOLD || (bytes(&board.told) > MAX_TOLD_BYTES && board.told.len() > 1) {
            board.told.pop_front();
        }
        state.announce(topic, &self.node, &BoardChange::Told { text: text.to_owned(), before });
        Ok((rev, before))
    }

    async fn told(&self, topic: &Topic, after: u64) -> Result<Talk, BusError> {
        let state = self.hub.lock();
        let Some(board) = state.boards.get(topic) else { return Ok(Talk::default()) };
        let told = board.told.iter().filter(|told| told.rev > after).cloned().collect();
        Ok(Talk { latest: Some(board.latest), told })
    }

    async fn show_card(&self, card: &str) -> Result<(), BusError> {
        self.hub.lock().cards.insert(self.node.clone(), card.to_owned());
        Ok(())
    }

    async fn cards(&self) -> Result<Vec<(NodeId, String)>, BusError> {
        Ok(self.hub.lock().cards.iter().map(|(node, card)| (node.clone(), card.clone())).collect())
    }

    async fn next(&self) -> News {
        self.inbox.next().await
    }

    async fn ask(
        &self,
        app_id: AppId,
        text: &str,
        hopeless: &BTreeSet<NodeId>,
        patience: Duration,
        is_answer: IsAnswer<'_>,
    ) -> Result<Answers, BusError> {
        let asking = self.desk.ask();
        let question = Question { from: self.node.clone(), id: asking.id, app_id, text: text.to_owned() };
        let others: Vec<_> = {
            let state = self.hub.lock();
            let others = state.desks.iter().filter(|(node, _)| **node != self.node);
            others.map(|(node, desk)| (node.clone(), Arc::clone(desk))).collect()
        };
        for (_, desk) in &others {
            desk.put(question.clone());
        }
        let others = others.into_iter().map(|(node, _)| node).filter(|node| !hopeless.contains(node));
        Ok(asking.gather(others.collect(), patience, is_answer).await)
    }

    async fn question(&self) -> Question {
        self.desk.next().await
    }

    async fn answer(&self, question: &Question, text: &str) -> Result<(), BusError> {
        if let Some(desk) = self.hub.lock().desks.get(&question.from) {
            desk.answered(question.id, self.node.clone(), text.to_owned());
        }
        Ok(())
    }

    async fn send(&self, to: &NodeId, text: &str) -> Result<bool, BusError> {
        let letters = self.hub.lock().letters.get(to).cloned();
        let letter = Letter { from: self.node.clone(), text: text.to_owned() };
        Ok(letters.is_some_and(|letters| {
            letters.put(letter);
            true
        }))
    }

    async fn letter(&self) -> Letter {
        self.letters.next().await
    }

    fn tally(&self) -> Tally {
        // Within a process nothing is sent, and nothing is lost.
        Tally { waiting: self.inbox.len() + self.desk.len() + self.letters.len(), ..Tally::default() }
    }

    async fn close(&self) {
        let mut state = self.hub.lock();
        state.nodes.remove(&self.node);
        state.cards.remove(&self.node);
        state.desks.remove(&self.node);
        state.letters.remove(&self.node);
        state.followers.values_mut().for_each(|followers| followers.retain(|node| *node != self.node));
        for inbox in state.nodes.values() {
            inbox.push(News::NodeGone(self.node.clone()));
        }
    }
}

impl State {
    fn release(&mut self, app_id: AppId, name: &str, key: &str) {
        let name = (app_id, name.to_owned());
        if self.names.get(&name).is_some_and(|claim| &*claim.key == key) {
            self.names.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::contract::{self, Meeting};

    impl Meeting for LocalHub {
        type Bus = LocalBus;

        async fn join(&self) -> LocalBus {
            LocalHub::join(self, NodeId::new(contract::random()))
        }
    }

    // proves S4 (the bus)
    #[tokio::test]
    async fn passes_the_contract() {
        contract::run(LocalHub::default).await;
    }
}
