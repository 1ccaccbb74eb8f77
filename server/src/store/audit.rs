//! The part of a store that keeps the audit trail: records in chains, only ever appended, and forgotten from the old
//! end.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use token_gen::{AppId, UnixSeconds};

use super::StoreError;

/// Something that happened, in its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// The chain it is in.
    pub chain: i64,
    /// Its number in the chain, from 1, without gaps.
    pub seq: i64,
    /// When it happened.
    pub at: UnixSeconds,
    /// What was done.
    pub action: Cow<'static, str>,
    /// How it ended.
    pub result: Cow<'static, str>,
    /// Why it ended so, exactly.
    pub reason: Option<Cow<'static, str>>,
    /// The app it was about.
    pub app_id: Option<AppId>,
    /// Who did it.
    pub actor: String,
    /// Where from.
    pub source: Option<String>,
    /// The user it was about.
    pub user_id: Option<String>,
    /// The room it was about.
    pub room_id: Option<String>,
    /// The token it was about.
    pub token_id: Option<String>,
    /// What else it was about: a secret, a key, a ban, an admin.
    pub target: Option<String>,
    /// The rights that were given or asked for.
    pub rights: Option<String>,
    /// When what was made ends.
    pub expire_at: Option<UnixSeconds>,
    /// The request that did it.
    pub request_id: Option<String>,
    /// The session it was about.
    pub session_id: Option<String>,
    /// What else there is to say.
    pub details: Option<String>,
    /// SHA-256 of all that and of the hash before it.
    pub hash: [u8; 32],
}

/// The ends of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditChain {
    /// Its number: one more than that of the chain begun before it.
    pub chain: i64,
    /// When it was begun.
    pub opened_at: UnixSeconds,
    /// How far the chain begun before it had come by then.
    pub previous_seq: i64,
    /// The hash of that one's last record.
    pub previous_hash: [u8; 32],
    /// The last record that was forgotten; 0 if none was.
    pub anchor_seq: i64,
    /// Its hash; the start of the chain if none was.
    pub anchor_hash: [u8; 32],
    /// The last record.
    pub last_seq: i64,
    /// Its hash.
    pub last_hash: [u8; 32],
}

/// Which records to show. Everything that is named must be as named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// About this app.
    pub app_id: Option<AppId>,
    /// From this second on.
    pub since: Option<UnixSeconds>,
    /// Before this second.
    pub until: Option<UnixSeconds>,
    /// What was done.
    pub action: Option<String>,
    /// How it ended.
    pub result: Option<String>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// The user it was about.
    pub user_id: Option<String>,
    /// The room it was about.
    pub room_id: Option<String>,
    /// The token it was about.
    pub token_id: Option<String>,
    /// The request that did it.
    pub request_id: Option<String>,
}

impl AuditFilter {
    /// Whether it is one of those.
    pub(super) fn takes(&self, record: &AuditRecord) -> bool {
        let is = |wanted: &Option<String>, text: Option<&str>| wanted.is_none() || wanted.as_deref() == text;
        (self.app_id.is_none() || self.app_id == record.app_id)
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
            && is(&self.action, Some(&record.action))
            && is(&self.result, Some(&record.result))
            && is(&self.reason, record.reason.as_deref())
            && is(&self.actor, Some(&record.actor))
            && is(&self.user_id, record.user_id.as_deref())
            && is(&self.room_id, record.room_id.as_deref())
            && is(&self.token_id, record.token_id.as_deref())
            && is(&self.request_id, record.request_id.as_deref())
    }
}

/// Which way to go through the records, by their place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditWalk {
    /// The latest first, from the one before this place; from the latest, if there is none.
    Back(Option<i64>),
    /// The oldest first, from the one after this place; 0 for all.
    Forth(i64),
}

/// Which records may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRetention {
    /// Those from before this second.
    pub before: UnixSeconds,
    /// Those beyond so many later ones.
    pub keep: u64,
}

/// Which refusals to count, and how finely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalSpans {
    /// Those in this app; in all and outside of any, if `None`.
    pub app_id: Option<AppId>,
    /// Where the first span begins.
    pub since: UnixSeconds,
    /// Before this second.
    pub until: UnixSeconds,
    /// How long a span is; not 0.
    pub span_secs: u32,
    /// Only of this action.
    pub action: Option<String>,
}

/// How often one thing was refused for one reason within one span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalCount {
    /// The number of the span, from 0.
    pub span: usize,
    /// What was refused.
    pub action: String,
    /// Why, exactly.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalCounts {
    /// By span, then by action and reason.
    pub counts: Vec<RefusalCount>,
    /// Whether records were left out in that time, of whichever app.
    pub some_left_out: bool,
}

/// Says what the first record of a chain follows on.
pub type ChainStart = fn(&AuditChain) -> [u8; 32];

/// Keeps the audit trail.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Begins a chain that goes on from the one begun before it: that one's number, place and hash go into `start`,
    /// and what comes out is the hash that the first record follows. Of many at once, each gets a number of its own.
    async fn begin_audit_chain(&self, opened_at: UnixSeconds, start: ChainStart) -> Result<AuditChain, StoreError>;

    /// Appends records, all of the chain `after` and following on it. Doing it twice is fine, so that it can be tried
    /// again when nobody knows whether it was done. [`StoreError::Conflict`] if the chain has gone another way;
    /// [`StoreError::Missing`] if it has been forgotten.
    async fn append_audit(&self, after: AuditChain, records: Arc<[AuditRecord]>) -> Result<(), StoreError>;

    /// The same, but what is appended may wait for what is made durable next: until then it survives the end of the
    /// process, and not that of the machine. A store for which that saves nothing makes it durable at once.
    async fn append_audit_loosely(&self, after: AuditChain, records: Arc<[AuditRecord]>) -> Result<(), StoreError> {
        self.append_audit(after, records).await
    }

    /// Up to `limit` records with their places in the list.
    async fn audit_records(
        &self,
        filter: AuditFilter,
        walk: AuditWalk,
        limit: u32,
    ) -> Result<Vec<(i64, AuditRecord)>, StoreError>;

    /// Counts refusals.
    async fn count_refusals(&self, which: RefusalSpans) -> Result<RefusalCounts, StoreError>;

    /// Every chain, by number.
    async fn audit_chains(&self) -> Result<Vec<AuditChain>, StoreError>;

    /// Up to `limit` records of a chain, from the one after `seq`.
    async fn audit_chain(&self, chain: i64, seq: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError>;

    /// How many records are in no chain. Nothing makes such.
    async fn stray_audit_records(&self) -> Result<u64, StoreError>;

    /// Forgets up to `limit` records, from the old end only, and notes where each chain goes on from. Says how many;
    /// none if that is for somebody else to do. Chains without records go with them, but for the latest. Records that a
    /// store keeps in one piece go together, once all of them may: a few more at a time, and some a little later.
    async fn forget_audit(&self, what: AuditRetention, limit: u32) -> Result<usize, StoreError>;
}

impl AuditChain {
    /// The chain that is begun after `latest`.
    pub(super) fn after(latest: Option<&Self>, opened_at: UnixSeconds, start: ChainStart) -> Self {
        let mut begun = Self {
            chain: latest.map_or(1, |latest| latest.chain + 1),
            opened_at,
            previous_seq: latest.map_or(0, |latest| latest.last_seq),
            previous_hash: latest.map_or([0; 32], |latest| latest.last_hash),
            anchor_seq: 0,
            anchor_hash: [0; 32],
            last_seq: 0,
            last_hash: [0; 32],
        };
        begun.anchor_hash = start(&begun);
        begun.last_hash = begun.anchor_hash;
        begun
    }
}
