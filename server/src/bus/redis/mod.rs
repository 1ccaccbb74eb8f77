//! The bus of several nodes: one Redis. Every change of a board is one script, so that it is made, numbered and told
//! at once or not at all.
//!
//! Nothing here waits for a Redis that is away: calls fail at once, and `link.rs` brings it back.

mod link;
#[cfg(test)]
#[path = "../../../tests/support/redis.rs"]
pub(super) mod server;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use redis::{RedisError, Value, aio::MultiplexedConnection};
use token_gen::AppId;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    Answers, Board, BoardChange, BoardNews, Bus, BusError, Entered, Entry, IsAnswer, Letter, MAX_TOLD, MAX_TOLD_BYTES,
    News, NodeId, Posted, Question, Record, RedisUrl, Talk, Tally, Terms, Told, Topic, counts::Counts, desk::Desk,
    inbox::Inbox, letters::Letters,
};
use crate::trust::Trust;

/// How long what a node keeps outlives its last touch. Nodes touch what they hold far more often.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long a node lives after its last sign.
pub(super) const LEASE: Duration = Duration::from_secs(6);
/// Where nodes ask each other.
const QUESTIONS: &str = "roompass:questions";
/// What no answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

macro_rules! script {
    ($name:literal) => {
        concat!(include_str!("scripts/common.lua"), include_str!(concat!("scripts/", $name, ".lua")))
    };
}

/// One node's end of a Redis.
#[derive(Debug)]
pub struct RedisBus {
    shared: Arc<Shared>,
    link: JoinHandle<()>,
}

/// What the link and the callers share.
struct Shared {
    node: NodeId,
    url: RedisUrl,
    trust: Trust,
    inbox: Inbox,
    desk: Arc<Desk>,
    letters: Letters,
    counts: Counts,
    /// Where commands go while Redis is there.
    connection: watch::Sender<Option<MultiplexedConnection>>,
    topics: Mutex<HashSet<Topic>>,
    /// Other nodes on our boards, and how many beats in a row have found no lease of theirs.
    nodes: Mutex<HashMap<NodeId, i32>>,
    requests: mpsc::UnboundedSender<Request>,
}

/// What callers ask of the link.
#[derive(Debug)]
enum Request {
    /// Answered once Redis has confirmed it.
    Subscribe(String, oneshot::Sender<()>),
    Unsubscribe(String, oneshot::Sender<()>),
    /// A command has failed: see whether the connection is any good.
    Suspect,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("node", &self.node).field("url", &self.url).finish_non_exhaustive()
    }
}

impl RedisBus {
    /// Keeps a connection to `url` from now on. A Redis that is not there is waited for; calls fail meanwhile.
    ///
    /// # Errors
    /// What is wrong with the certificates of `url`.
    pub fn start(url: RedisUrl, node: NodeId) -> Result<Self, String> {
        let trust = Trust::new(url.trusted())?;
        let (requests, asked) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            node,
            url,
            trust,
            inbox: Inbox::default(),
            desk: Arc::default(),
            letters: Letters::default(),
            counts: Counts::default(),
            connection: watch::Sender::new(None),
            topics: Mutex::default(),
            nodes: Mutex::default(),
            requests,
        });
        let link = tokio::spawn(link::keep(Arc::clone(&shared), asked));
        Ok(Self { shared, link })
    }

    async fn run<const N: usize>(&self, script: &str, app_id: AppId, words: [&str; N]) -> Result<Value, BusError> {
        let mut command = redis::cmd("EVAL");
        let app_id = app_id.get().to_string();
        command.arg(script).arg(0).arg(self.shared.node.as_str()).arg(app_id).arg(LIFETIME.as_millis().to_string());
        command.arg(&words);
        self.shared.query(&command).await
    }
}

impl Shared {
    async fn query(&self, command: &redis::Cmd) -> Result<Value, BusError> {
        let connection = self.connection.borrow().clone();
        let Some(mut connection) = connection else { return Err(BusError::Away("not connected".to_owned())) };
        self.counts.sent.add(1);
        command.query_async(&mut connection).await.map_err(|error: RedisError| {
            self.counts.failed.add(1);
            // The receiver is gone only when the link has ended, and then nobody needs to know.
            let _ = self.requests.send(Request::Suspect);
            BusError::Away(error.to_string())
        })
    }

    fn topics(&self) -> MutexGuard<'_, HashSet<Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<NodeId, i32>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a line that came on a channel.
    fn hear(&self, channel: &str, line: &str) {
        self.counts.heard.add(1);
        let dropped = if channel == QUESTIONS {
            let question = read_question(line).filter(|question| question.from != self.node);
            usize::from(question.is_some_and(|question| !self.desk.put(question)))
        } else if let Some(news) = read_news(channel, line) {
            self.saw(&news.node);
            self.inbox.push(News::Board(news))
        } else {
            match read_notice(line) {
                Some(Notice::Ousted(news)) => self.inbox.push(news),
                Some(Notice::Answer { id, node, text }) => {
                    self.desk.answered(id, node, text);
                    0
                }
                Some(Notice::Letter(letter)) => usize::from(!self.letters.put(letter)),
                None => 0,
            }
        };
        self.counts.dropped.add(dropped);
    }

    /// A node was heard of: from now on its lease is watched.
    fn saw(&self, node: &NodeId) {
        if *node != self.node {
            self.nodes().entry(node.clone()).or_default();
        }
    }
}

fn channel(topic: &Topic) -> String {
    format!("roompass:{}:news:{}", topic.app_id.get(), topic.name)
}

fn notices(node: &NodeId) -> String {
    format!("roompass:notice:{node}")
}

/// What a piece of news on `channel` says.
fn read_news(channel: &str, line: &str) -> Option<BoardNews> {
    let (app_id, name) = channel.strip_prefix("roompass:")?.split_once(":news:")?;
    let topic = Topic { app_id: AppId::new(app_id.parse().ok()?).ok()?, name: name.into() };
    let mut words = line.splitn(5, ' ');
    let (rev, kind, node, key) = (words.next()?.parse().ok()?, words.next()?, words.next()?, words.next()?);
    let (node, key, text) = (NodeId::from(node), Arc::from(key), words.next()?.to_owned());
    let change = match kind {
        "+" => BoardChange::Put { key, text },
        "-" => BoardChange::Gone { key, word: text },
        "=" => BoardChange::Set { key, text },
        // In place of a key. Nodes of before say nothing there.
        "!" => BoardChange::Told { text, before: key.parse().unwrap_or_default() },
        _ => return None,
    };
    Some(BoardNews { topic, rev, node, change })
}

/// What a line for this node alone says.
enum Notice {
    /// Which entry of ours was taken off.
    Ousted(News),
    /// What another node answers to a question of ours.
    Answer { id: u64, node: NodeId, text: String },
    /// What another node writes.
    Letter(Letter),
}

fn read_notice(line: &str) -> Option<Notice> {
    if let Some(answer) = line.strip_prefix("= ") {
        let mut words = answer.splitn(3, ' ');
        let (id, node) = (words.next()?.parse().ok()?, NodeId::from(words.next()?));
        return Some(Notice::Answer { id, node, text: words.next()?.to_owned() });
    }
    if let Some(letter) = line.strip_prefix("> ") {
        let (from, text) = letter.split_once(' ')?;
        return Some(Notice::Letter(Letter { from: NodeId::from(from), text: text.to_owned() }));
    }
    let (app_id, key) = line.strip_prefix("! ")?.split_once(' ')?;
    Some(Notice::Ousted(News::Ousted { app_id: app_id.parse().ok()?, key: key.into() }))
}

/// A question, as the script `ask` writes it.
fn read_question(line: &str) -> Option<Question> {
    let mut words = line.splitn(4, ' ');
    let (id, app_id, from) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, NodeId::from(words.next()?));
    Some(Question { from, id, app_id, text: words.next()?.to_owned() })
}

fn read<T: redis::FromRedisValue>(value: Value) -> Result<T, BusError> {
    redis::from_redis_value(value).map_err(|error| BusError::Away(format!("not an answer of our scripts: {error}")))
}

#[async_trait]
impl Bus for RedisBus {
    fn node(&self) -> &NodeId {
        &self.shared.node
    }

    fn is_alone(&self) -> bool {
        false
    }

    fn is_up(&self) -> bool {
        self.shared.connection.borrow().is_some()
    }

    async fn follow(&self, topic: &Topic) -> Result<Board, BusError> {
        // Noted first, so that it is followed after the next outage if not now.
        self.shared.topics().insert(topic.clone());
        let (answer, confirmed) = oneshot::channel();
        let away = |_| BusError::Away("not connected".to_owned());
        if !self.is_up() {
            return Err(BusError::Away("not connected".to_owned()));
        }
        self.shared.requests.send(Request::Subscribe(channel(topic), answer)).map_err(|_| away(()))?;
        confirmed.await.map_err(|_| away(()))?;
        let board = self.run(script!("board"), topic.app_id, [&topic.name]).await?;
        let (rev, entries, values): (u64, Vec<String>, Vec<String>) = read(board)?;
        let posted = |part: &[String]| Posted {
            key: part[0].as_str().into(),
            node: NodeId::from(part[1].as_str()),
            text: part[2].clone(),
        };
        let entries: Vec<Posted> = entries.chunks_exact(3).map(posted).collect();
        entries.iter().for_each(|posted| self.shared.saw(&posted.node));
        let values = values.chunks_exact(2).map(|pair| (pair[0].as_str().into(), pair[1].clone())).collect();
        Ok(Board { rev, entries, values })
    }

    async fn unfollow(&self, topic: &Topic) {
        self.shared.topics().remove(topic);
        let (answer, confirmed) = oneshot::channel();
        if self.is_up() && self.shared.requests.send(Request::Unsubscribe(channel(topic), answer)).is_ok() {
            // With the connection, what was subscribed to is gone as well.
            let _ = confirmed.await;
        }
    }

    async fn enter(&self, entry: &Entry, terms: Terms) -> Result<Entered, BusError> {
        let Entry { topic, key, name, text, record } = entry;
        let Terms { since, rank, newest_wins, limit, again } = terms;
        let (since, rank, limit) = (since.to_string(), rank.to_string(), limit.to_string());
        let flag = |on| if on { "1" } else { "0" };
        let words = [&*topic.name, key, name, text, record, &since, &rank, flag(newest_wins), &limit, flag(again)];
        let entered: String = read(self.run(script!("enter"), topic.app_id, words).await?)?;
        Ok(match &*entered {
            "in" => Entered::In,
            "full" => Entered::Full,
            "moved" => Entered::Moved,
            _ => Entered::Held,
        })
    }

    async fn update(&self, entry: &Entry) -> Result<bool, BusError> {
        let Entry { topic, key, text, record, .. } = entry;
        read(self.run(script!("update"), topic.app_id, [&topic.name, key, text, record]).await?)
    }

    async fn leave(&self, topic: &Topic, key: &str, name: &str, word: &str) -> Result<(), BusError> {
        self.run(script!("leave"), topic.app_id, [&topic.name, key, name, word]).await.map(drop)
    }

    async fn record(&self, app_id: AppId, key: &str) -> Result<Option<Record>, BusError> {
        let kept: Option<(String, i64)> = read(self.run(script!("record"), app_id, [key]).await?)?;
        let record = |(text, silent_secs)| Record {
            text,
            // Less than nothing: it lives.
            silent_for: u64::try_from(silent_secs).ok().map(Duration::from_secs),
        };
        Ok(kept.map(record))
    }

    async fn take_over(&self, entry: &Entry, expected: &str) -> Result<bool, BusError> {
        let Entry { topic, key, name, text, record } = entry;
        let words = [&*topic.name, key, name, text, record, expected];
        read(self.run(script!("take_over"), topic.app_id, words).await?)
    }

    async fn claim(&self, app_id: AppId, name: &str, key: &str) -> Result<bool, BusError> {
        read(self.run(script!("claim"), app_id, [name, key]).await?)
    }

    async fn release(&self, app_id: AppId, name: &str, key: &str) -> Result<(), BusError> {
        self.run(script!("release"), app_id, [name, key]).await.map(drop)
    }

    async fn home(&self, app_id: AppId, name: &str) -> Result<NodeId, BusError> {
        let node: String = read(self.run(script!("home"), app_id, [name]).await?)?;
        Ok(NodeId::from(&*node))
    }

    async fn leave_home(&self, app_id: AppId, name: &str) -> Result<(), BusError> {
        self.run(script!("leave_home"), app_id, [name]).await.map(drop)
    }

    async fn set(&self, topic: &Topic, key: &str, text: &str) -> Result<(), BusError> {
        self.run(script!("set"), topic.app_id, [&topic.name, key, text]).await.map(drop)
    }

    async fn tell(&self, topic: &Topic, text: &str) -> Result<(u64, u64), BusError> {
        let (most, most_bytes) = (MAX_TOLD.to_string(), MAX_TOLD_BYTES.to_string());
        read(self.run(script!("tell"), topic.app_id, [&*topic.name, text, &most, &most_bytes]).await?)
    }

    async fn told(&self, topic: &Topic, after: u64) -> Result<Talk, BusError> {
        let told: Vec<String> =
            read(self.run(script!("told"), topic.app_id, [&*topic.name, &after.to_string()]).await?)?;
        let number = |text: &str| text.parse().map_err(|_| BusError::Away(format!("not a number: {text}")));
        let (latest, told) = told.split_first().ok_or_else(|| BusError::Away("not an answer".to_owned()))?;
        let told = told.chunks_exact(4).map(|told| {
            let (rev, before) = (number(&told[0])?, number(&told[1])?);
            Ok(Told { rev, before, node: NodeId::from(told[2].as_str()), text: told[3].clone() })
        });
        Ok(Talk { latest: latest.parse().ok(), told: told.collect::<Result<_, _>>()? })
    }

    async fn show_card(&self, card: &str) -> Result<(), BusError> {
        let mut show = redis::cmd("EVAL");
        show.arg(include_str!("scripts/show_card.lua")).arg(0).arg(self.shared.node.as_str());
        show.arg(LIFETIME.as_millis().to_string()).arg(card);
        self.shared.query(&show).await.map(drop)
    }

    async fn cards(&self) -> Result<Vec<(NodeId, String)>, BusError> {
        let mut ask = redis::cmd("EVAL");
        ask.arg(include_str!("scripts/cards.lua")).arg(0);
        let told: Vec<String> = read(self.shared.query(&ask).await?)?;
        Ok(told.chunks_exact(2).map(|pair| (NodeId::from(pair[0].as_str()), pair[1].clone())).collect())
    }

    async fn next(&self) -> News {
        self.shared.inbox.next().await
    }

    async fn ask(
        &self,
        app_id: AppId,
        text: &str,
        hopeless: &BTreeSet<NodeId>,
        patience: Duration,
        is_answer: IsAnswer<'_>,
    ) -> Result<Answers, BusError> {
        let asking = self.shared.desk.ask();
        let others: Vec<String> = read(self.run(script!("ask"), app_id, [&asking.id.to_string(), text]).await?)?;
        let others = others.iter().map(|node| NodeId::from(node.as_str())).filter(|node| !hopeless.contains(node));
        Ok(asking.gather(others.collect(), patience, is_answer).await)
    }

    async fn question(&self) -> Question {
        self.shared.desk.next().await
    }

    async fn answer(&self, question: &Question, text: &str) -> Result<(), BusError> {
        let line = format!("= {} {} {text}", question.id, self.shared.node);
        let mut publish = redis::cmd("PUBLISH");
        self.shared.query(publish.arg(notices(&question.from)).arg(line)).await.map(drop)
    }

    async fn send(&self, to: &NodeId, text: &str) -> Result<bool, BusError> {
        let line = format!("> {} {text}", self.shared.node);
        let mut publish = redis::cmd("PUBLISH");
        let heard: u64 = read(self.shared.query(publish.arg(notices(to)).arg(line)).await?)?;
        Ok(heard > 0)
    }

    async fn letter(&self) -> Letter {
        self.shared.letters.next().await
    }

    fn tally(&self) -> Tally {
        let Shared { inbox, desk, letters, counts, .. } = &*self.shared;
        counts.tally(inbox.len() + desk.len() + letters.len())
    }

    async fn close(&self) {
        let (mut delete, mut forget) = (redis::cmd("DEL"), redis::cmd("HDEL"));
        // If it cannot be told, the lease lapses, and the card with it.
        let _ = self.shared.query(delete.arg(format!("roompass:lease:{}", self.shared.node))).await;
        let _ = self.shared.query(forget.arg("roompass:cards").arg(self.shared.node.as_str())).await;
        self.link.abort();
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        self.link.abort();
    }
}
