//! What nodes tell each other, and what only one of them may hold: boards that every node can read, names that are
//! claimed once.
//!
//! A [`Topic`] has a board of entries, each put there by the node that holds it, and followers who hear of every change
//! by its number. A node lives as long as it renews its lease; what a dead node held is free for others. A node may ask
//! all others something, and hears what each of them answers, or write to one of them. Knows nothing of what the texts mean. [`BusUrl`] chooses between [`LocalBus`], for nodes within one process, and [`RedisBus`].

#[cfg(test)]
pub(crate) mod contract;
mod counts;
mod desk;
mod inbox;
mod letters;
mod local;
mod redis;
mod url;

use std::{cmp::Ordering, collections::BTreeSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use token_gen::AppId;

pub use self::{
    counts::Tally,
    local::{LocalBus, LocalHub},
    redis::RedisBus,
    url::{BusUrl, RedisUrl},
};

/// How much of what was told on a board is remembered.
pub const MAX_TOLD: usize = 256;
/// And how many bytes of it.
pub const MAX_TOLD_BYTES: usize = 256 * 1024;

/// Names a node: 16 hexadecimal characters, new at every start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The id made of these random bytes.
    pub fn new(random: [u8; 8]) -> Self {
        Self(format!("{:016x}", u64::from_be_bytes(random)).into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What nodes have in common: a room of an app. Apps are separate worlds, so the app comes first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    /// The app.
    pub app_id: AppId,
    /// Which of its rooms.
    pub name: Arc<str>,
}

/// An entry of ours: what everybody sees of it, and what only the bus keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// On whose board it is.
    pub topic: Topic,
    /// Names it in its app; without spaces.
    pub key: Arc<str>,
    /// The name in its app that goes with it and that no other entry has, such as `user:alice`.
    pub name: String,
    /// What followers see.
    pub text: String,
    /// What another node needs to take it over. Not shown to followers.
    pub record: String,
}

/// On what terms an entry comes to a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// When its claim to the name began, in milliseconds since 1970.
    pub since: i64,
    /// A claim of a higher rank takes the name from one of a lower, and never the other way round.
    pub rank: u8,
    /// Whether a newcomer takes the name from a holder of the same rank.
    pub newest_wins: bool,
    /// The most entries on the board; 0 is no limit.
    pub limit: u32,
    /// Whether it has been there before: then the limit does not count, and of two claims the later one holds.
    pub again: bool,
}

impl Terms {
    /// Whether a claim on these terms takes a name from one on `theirs`. Of two that were there before, the same one
    /// wins on whichever node it is asked.
    pub fn take_from(&self, theirs: &Self, key: &str, their_key: &str) -> bool {
        match self.rank.cmp(&theirs.rank) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal if self.again => (self.since, key) > (theirs.since, their_key),
            Ordering::Equal => self.newest_wins,
        }
    }
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It is on the board.
    In,
    /// The board is full.
    Full,
    /// The name stays with its holder.
    Held,
    /// The entry itself is another node's, which has taken it over.
    Moved,
}

/// What stands on a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Names it in its app.
    pub key: Arc<str>,
    /// Who holds it.
    pub node: NodeId,
    /// What it says.
    pub text: String,
}

/// A board as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Board {
    /// The number of the latest change. The next piece of news has one more.
    pub rev: u64,
    /// The entries of nodes that live, in no order.
    pub entries: Vec<Posted>,
    /// What belongs to the board itself, in no order.
    pub values: Vec<(Arc<str>, String)>,
}

/// What is kept of an entry for whoever takes it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// As it was last given in an [`Entry`].
    pub text: String,
    /// How long nothing has been heard of the node that holds it. Nothing, if it lives.
    pub silent_for: Option<Duration>,
}

/// What happened elsewhere, and here: a node hears of its own changes too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// On a board that is followed.
    Board(BoardNews),
    /// An entry of ours was taken off: another one has its name now.
    Ousted {
        /// Of which app.
        app_id: AppId,
        /// Which entry.
        key: Arc<str>,
    },
    /// A node has died or cannot be reached. Sent for nodes that have entries on boards followed.
    NodeGone(NodeId),
    /// Anything may have happened unheard: read the boards again, and bring own entries again.
    Missed,
}

/// One change of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardNews {
    /// Which board.
    pub topic: Topic,
    /// The number of the change. Whoever has not heard the one before has missed something.
    pub rev: u64,
    /// Who made it; for an entry that went, who held it.
    pub node: NodeId,
    /// What has changed.
    pub change: BoardChange,
}

/// What has changed on a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoardChange {
    /// An entry came, says something else, or changed hands.
    Put {
        /// Names it in its app.
        key: Arc<str>,
        /// What it says.
        text: String,
    },
    /// An entry went.
    Gone {
        /// Which.
        key: Arc<str>,
        /// With what word; none, if it was taken off.
        word: String,
    },
    /// A value of the board itself was set, or removed if it is empty now.
    Set {
        /// Its name.
        key: Arc<str>,
        /// The value.
        text: String,
    },
    /// Nothing: somebody said something.
    Told {
        /// What.
        text: String,
        /// The number of what was told before it; before that, the first of the board. 0 if that is not known.
        before: u64,
    },
}

/// What was told on a board after some number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Talk {
    /// The number of the latest piece ever told, remembered or not; before there was one, the first of the board. None, if
    /// the bus knows of no board.
    pub latest: Option<u64>,
    /// The pieces, in their order, as far as they are remembered.
    pub told: Vec<Told>,
}

impl Talk {
    /// Whether everything told after `number` is here.
    pub fn is_whole_after(&self, number: u64) -> bool {
        match self.told.iter().find(|told| told.rev > number) {
            Some(first) => first.before <= number,
            None => self.latest.is_some_and(|latest| latest <= number),
        }
    }
}

/// One piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The number of the piece of news.
    pub rev: u64,
    /// The number of what was told before it; before that, the first of the board. 0 if that is not known.
    pub before: u64,
    /// Who told it.
    pub node: NodeId,
    /// What.
    pub text: String,
}

/// What another node wants to know, or wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub from: NodeId,
    /// Which of its questions this is.
    pub id: u64,
    /// Which app it is about.
    pub app_id: AppId,
    /// What it says.
    pub text: String,
}

/// What another node has sent to this one alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Who says that it has sent it.
    pub from: NodeId,
    /// What it says.
    pub text: String,
}

/// What the other nodes said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// Which of our questions this was.
    pub id: u64,
    /// The answers, in no order.
    pub given: Vec<(NodeId, String)>,
    /// Nodes that live and have not answered in time, by id.
    pub silent: Vec<NodeId>,
}

/// Why the bus did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// It cannot be reached. Whether the last thing asked of it happened is not known.
    #[error("the bus is away: {0}")]
    Away(String),
}

/// Whether a text is what a node answers to the question of a number.
pub type IsAnswer<'a> = &'a (dyn Fn(u64, &NodeId, &str) -> bool + Send + Sync);

/// Brings nodes together.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// This node.
    fn node(&self) -> &NodeId;

    /// Whether there can be no other node: then nobody else needs to know anything.
    fn is_alone(&self) -> bool;

    /// Whether it can be reached, as far as is known.
    fn is_up(&self) -> bool;

    /// Hears all news of a board from what is returned on.
    async fn follow(&self, topic: &Topic) -> Result<Board, BusError>;

    /// Hears no more.
    async fn unfollow(&self, topic: &Topic);

    /// Puts `entry` on its board and claims its name. Whoever had the name before is taken off, and loses all its names.
    async fn enter(&self, entry: &Entry, terms: Terms) -> Result<Entered, BusError>;

    /// Changes an entry of ours. `false`: it is not ours, or not there.
    async fn update(&self, entry: &Entry) -> Result<bool, BusError>;

    /// Takes an entry of ours off, with a word for the followers, and gives all its names back. Nothing, if it is not
    /// ours.
    async fn leave(&self, topic: &Topic, key: &str, name: &str, word: &str) -> Result<(), BusError>;

    /// What is kept of an entry.
    async fn record(&self, app_id: AppId, key: &str) -> Result<Option<Record>, BusError>;

    /// Makes an entry ours if `expected` is still what is kept of it and it still has its name. Its node hears of it
    /// as all followers do.
    async fn take_over(&self, entry: &Entry, expected: &str) -> Result<bool, BusError>;

    /// Claims a name for an entry of ours, which may have it already. `false`: another living one has it.
    async fn claim(&self, app_id: AppId, name: &str, key: &str) -> Result<bool, BusError>;

    /// Gives a name back, if `key` has it.
    async fn release(&self, app_id: AppId, name: &str, key: &str) -> Result<(), BusError>;

    /// The node that is home to `name` in an app: this one from now on, if none is that lives. Asked again by its home, it
    /// stays so; what is not asked about for a quarter of an hour has none.
    async fn home(&self, app_id: AppId, name: &str) -> Result<NodeId, BusError>;

    /// Is home to `name` no longer, if it is.
    async fn leave_home(&self, app_id: AppId, name: &str) -> Result<(), BusError>;

    /// Sets a value of the board itself, or removes it if `text` is empty. It stays until the last entry has gone.
    async fn set(&self, topic: &Topic, key: &str, text: &str) -> Result<(), BusError>;

    /// Tells everybody who follows, and remembers it for a while. Says under which number, and that of what was told
    /// before it.
    async fn tell(&self, topic: &Topic, text: &str) -> Result<(u64, u64), BusError>;

    /// What was told after number `after`, in its order, as far as it is remembered: [`MAX_TOLD`] pieces, and of them so
    /// many that all together have [`MAX_TOLD_BYTES`], but always the latest.
    async fn told(&self, topic: &Topic, after: u64) -> Result<Talk, BusError>;

    /// Says of this node what others shall know of it, in place of what was said before.
    async fn show_card(&self, card: &str) -> Result<(), BusError>;

    /// What each node that lives says of itself, this one included, in no order.
    async fn cards(&self) -> Result<Vec<(NodeId, String)>, BusError>;

    /// The next piece of news; for one task. Dropping the future loses nothing.
    async fn next(&self) -> News;

    /// Asks every other node that lives, and waits for their answers, `patience` at most.
    /// Nodes in `hopeless` are asked, but not waited for. What is no answer, as `is_answer` says of a question's number, a
    /// node and a text, is as if it had not come: others than that node may have sent it.
    async fn ask(
        &self,
        app_id: AppId,
        text: &str,
        hopeless: &BTreeSet<NodeId>,
        patience: Duration,
        is_answer: IsAnswer<'_>,
    ) -> Result<Answers, BusError>;

    /// The next question of another node; for one task. Dropping the future loses nothing.
    async fn question(&self) -> Question;

    /// Answers a question.
    async fn answer(&self, question: &Question, text: &str) -> Result<(), BusError>;

    /// Sends a letter to one node; its letters of one sender come in order, but some may be lost. `false`: nobody is there.
    async fn send(&self, to: &NodeId, text: &str) -> Result<bool, BusError>;

    /// The next letter of another node; for one task. Dropping the future loses nothing.
    async fn letter(&self) -> Letter;

    /// What has passed over it.
    fn tally(&self) -> Tally;

    /// Ends this node: others need not wait for its lease to lapse.
    async fn close(&self);
}
