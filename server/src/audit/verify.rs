//! Walks the chains: an edited, removed, added or moved record is found, and named.

use serde::Serialize;

use super::chain;
use crate::store::{AuditChain, AuditRecord, Store, StoreError};

/// How many records are read at once.
const PAGE: u32 = 1_000;
/// How many faults are named. After so many, more tell nothing new.
const MAX_FAULTS: usize = 100;

/// What the walk has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Walked {
    /// How many records there are.
    pub records: u64,
    /// The end of each chain. Kept elsewhere, it shows later whether records at an end were taken away.
    pub ends: Vec<End>,
    /// What is wrong; empty when all is sound.
    pub faults: Vec<String>,
}

/// The end of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct End {
    /// The last record, as `chain-number`.
    pub record: String,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
}

/// Walks every chain of `store` from its oldest record to its latest. Records that are appended meanwhile are left for
/// the next time.
///
/// # Errors
/// [`StoreError`] if it cannot be read.
pub async fn walk(store: &dyn Store) -> Result<Walked, StoreError> {
    let walked = walk_once(store).await?;
    // Old records may have been forgotten under our feet. What is really wrong stays so.
    if walked.faults.is_empty() { Ok(walked) } else { walk_once(store).await }
}

async fn walk_once(store: &dyn Store) -> Result<Walked, StoreError> {
    let mut walked = Walked::default();
    let chains = store.audit_chains().await?;
    let mut before: Option<&AuditChain> = None;
    for chain in &chains {
        check_start(store, before, chain, &mut walked).await?;
        walk_one(store, chain, &mut walked).await?;
        walked.ends.push(End { record: name(chain.chain, chain.last_seq), hash: hex(&chain.last_hash) });
        before = Some(chain);
    }
    let strays = store.stray_audit_records().await?;
    if strays > 0 {
        walked.fault(format!("{strays} audit records are in chains that do not exist"));
    }
    Ok(walked)
}

/// Whether a chain follows on the one begun before it.
async fn check_start(
    store: &dyn Store,
    before: Option<&AuditChain>,
    chain: &AuditChain,
    walked: &mut Walked,
) -> Result<(), StoreError> {
    let number = chain.chain;
    if chain.anchor_seq == 0 && chain.anchor_hash != chain::start(chain) {
        walked.fault(format!("the start of audit chain {number} was changed"));
    }
    let Some(before) = before else { return Ok(()) };
    if before.chain + 1 != number {
        walked.fault(format!("audit chains {} to {} are missing", before.chain + 1, number - 1));
        return Ok(());
    }
    if chain.previous_seq < before.anchor_seq {
        return Ok(());
    }
    let hash = if chain.previous_seq == before.anchor_seq {
        Some(before.anchor_hash)
    } else {
        let record = store.audit_chain(before.chain, chain.previous_seq - 1, 1).await?.pop();
        record.filter(|record| record.seq == chain.previous_seq).map(|record| record.hash)
    };
    if hash != Some(chain.previous_hash) {
        let name = name(before.chain, chain.previous_seq);
        walked.fault(format!("audit record {name} is not the one that chain {number} was begun after"));
    }
    Ok(())
}

async fn walk_one(store: &dyn Store, chain: &AuditChain, walked: &mut Walked) -> Result<(), StoreError> {
    let number = chain.chain;
    let (mut seq, mut hash) = (chain.anchor_seq, chain.anchor_hash);
    loop {
        let page = store.audit_chain(number, seq, PAGE).await?;
        let Some(last) = page.last() else { break };
        let complete = last.seq >= chain.last_seq;
        for record in page.into_iter().take_while(|record| record.seq <= chain.last_seq) {
            if record.seq != seq + 1 {
                walked.missing(number, seq + 1, record.seq - 1);
            } else if record.hash != chain::hash(&record, &hash) {
                let name = name(number, record.seq);
                walked.fault(format!("audit record {name} does not fit its hash: it was changed or moved"));
            }
            walked.records += 1;
            AuditRecord { seq, hash, .. } = record;
        }
        if complete {
            break;
        }
    }
    if seq < chain.last_seq {
        walked.missing(number, seq + 1, chain.last_seq);
    } else if hash != chain.last_hash {
        let name = name(number, seq);
        walked.fault(format!("audit record {name} is not the last one that its chain had: it was changed or moved"));
    }
    Ok(())
}

impl Walked {
    fn fault(&mut self, what: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(what);
        }
    }

    fn missing(&mut self, chain: i64, first: i64, last: i64) {
        let (first_name, last_name) = (name(chain, first), name(chain, last));
        self.fault(match last - first {
            0 => format!("audit record {first_name} is missing"),
            _ => format!("audit records {first_name} to {last_name} are missing"),
        });
    }
}

/// How a record is named wherever people see it.
pub(super) fn name(chain: i64, seq: i64) -> String {
    format!("{chain}-{seq}")
}

/// A hash as people see it.
pub(super) fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
