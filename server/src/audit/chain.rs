//! The hash of a record: SHA-256 over the hash before it and every field, each with its length, so that no two records
//! are written the same way. The operator's guide spells it out for whoever checks an export.

use sha2::{Digest, Sha256};
use token_gen::UnixSeconds;

use crate::store::{AuditChain, AuditRecord};

/// What is hashed of a mint has less.
const USUAL_LEN: usize = 512;

/// What a chain starts from.
pub(super) fn start(chain: &AuditChain) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(b"roompass audit chain\n");
    hasher.update(chain.chain.to_be_bytes());
    hasher.update(chain.opened_at.get().to_be_bytes());
    hasher.update(chain.previous_seq.to_be_bytes());
    hasher.update(chain.previous_hash);
    hasher.finalize().into()
}

/// The hash of `record` in its place after the record with the hash `previous`.
pub(super) fn hash(record: &AuditRecord, previous: &[u8; 32]) -> [u8; 32] {
    // Written down first: many short pieces take longer to hash than one long.
    let mut written = Vec::with_capacity(USUAL_LEN);
    written.extend_from_slice(b"roompass audit record\n");
    written.extend_from_slice(previous);
    for number in [record.chain, record.seq, record.at.get()] {
        written.extend_from_slice(&number.to_be_bytes());
    }
    let (app_id, expire_at) = (record.app_id.map(|app_id| app_id.to_string()), record.expire_at.map(decimal));
    for text in [
        Some(&*record.action),
        Some(&*record.result),
        record.reason.as_deref(),
        app_id.as_deref(),
        Some(&*record.actor),
        record.source.as_deref(),
        record.user_id.as_deref(),
        record.room_id.as_deref(),
        record.token_id.as_deref(),
        record.target.as_deref(),
        record.rights.as_deref(),
        expire_at.as_deref(),
        record.request_id.as_deref(),
        record.session_id.as_deref(),
        record.details.as_deref(),
    ] {
        // Nothing is not the same as an empty text.
        let length = text.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap_or(u32::MAX - 1));
        written.extend_from_slice(&length.to_be_bytes());
        written.extend_from_slice(text.unwrap_or_default().as_bytes());
    }
    Sha256::digest(&written).into()
}

fn decimal(at: UnixSeconds) -> String {
    at.get().to_string()
}
