//! Records of minting that follow one another, as one piece.

use serde::{Deserialize, Serialize};
use token_gen::{AppId, UnixSeconds};

use crate::store::{AuditFilter, AuditRecord, StoreError};

/// How many records are worth a pack.
pub(super) const LEAST: usize = 16;
/// How many are in one at most: whoever wants one of them reads them all.
pub(super) const MOST: usize = 128;

const ACTION: &str = "mint";
const RESULT: &str = "done";

/// What a record says besides its place and what all in a pack have in common. The order of the fields is stored: new
/// ones need a table of their own.
#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    at: i64,
    app_id: Option<u32>,
    actor: &'a str,
    source: Option<&'a str>,
    user_id: Option<&'a str>,
    room_id: Option<&'a str>,
    token_id: Option<&'a str>,
    target: Option<&'a str>,
    rights: Option<&'a str>,
    expire_at: Option<i64>,
    request_id: Option<&'a str>,
    session_id: Option<&'a str>,
    details: Option<&'a str>,
    hash: [u8; 32],
}

/// Whether such a record may be in a pack.
pub(super) fn takes(record: &AuditRecord) -> bool {
    record.action == ACTION && record.result == RESULT && record.reason.is_none()
}

/// Whether such records may be in packs.
pub(super) fn may_hold(filter: &AuditFilter) -> bool {
    let may_be = |wanted: &Option<String>, what| wanted.as_deref().is_none_or(|wanted| wanted == what);
    may_be(&filter.action, ACTION) && may_be(&filter.result, RESULT) && filter.reason.is_none()
}

/// The records as one piece.
pub(super) fn encode(records: &[AuditRecord]) -> Result<Vec<u8>, StoreError> {
    let packed: Vec<Packed<'_>> = records.iter().map(Packed::of).collect();
    postcard::to_allocvec(&packed).map_err(|error| StoreError::Unreadable(format!("audit records: {error}")))
}

/// The records of a piece; its last one is number `last_seq` of its chain. `None` if it is no such piece.
pub(super) fn decode(body: &[u8], chain: i64, last_seq: i64) -> Option<Vec<AuditRecord>> {
    let packed: Vec<Packed<'_>> = postcard::from_bytes(body).ok()?;
    let first_seq = last_seq.checked_sub(i64::try_from(packed.len()).ok()?)?.checked_add(1)?;
    (0..).zip(packed).map(|(place, packed)| packed.record(chain, first_seq.checked_add(place)?)).collect()
}

impl<'a> Packed<'a> {
    fn of(record: &'a AuditRecord) -> Self {
        Self {
            at: record.at.get(),
            app_id: record.app_id.map(AppId::get),
            actor: &record.actor,
            source: record.source.as_deref(),
            user_id: record.user_id.as_deref(),
            room_id: record.room_id.as_deref(),
            token_id: record.token_id.as_deref(),
            target: record.target.as_deref(),
            rights: record.rights.as_deref(),
            expire_at: record.expire_at.map(UnixSeconds::get),
            request_id: record.request_id.as_deref(),
            session_id: record.session_id.as_deref(),
            details: record.details.as_deref(),
            hash: record.hash,
        }
    }

    fn record(self, chain: i64, seq: i64) -> Option<AuditRecord> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Some(AuditRecord {
            chain,
            seq,
            at: UnixSeconds::new(self.at),
            action: ACTION.into(),
            result: RESULT.into(),
            reason: None,
            app_id: self.app_id.map(AppId::new).transpose().ok()?,
            actor: self.actor.to_owned(),
            source: text(self.source),
            user_id: text(self.user_id),
            room_id: text(self.room_id),
            token_id: text(self.token_id),
            target: text(self.target),
            rights: text(self.rights),
            expire_at: self.expire_at.map(UnixSeconds::new),
            request_id: text(self.request_id),
            session_id: text(self.session_id),
            details: text(self.details),
            hash: self.hash,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::bare_record;

    // What is stored is read by the versions to come.
    #[test]
    fn a_pack_is_written_the_same_way_forever() {
        let text = |text: &str| Some(text.to_owned());
        let minted = AuditRecord {
            app_id: AppId::new(1_700_000_000).ok(),
            actor: "key:k".to_owned(),
            user_id: text("ü"),
            expire_at: Some(UnixSeconds::new(-1)),
            details: text(""),
            ..bare_record(3, 8)
        };
        let records = [bare_record(3, 7), minted];
        let body = encode(&records).unwrap();
        let hashes = |seq: u8| vec![seq; 32];
        let plain = [&[2, 0xd6, 1, 0, 6][..], b"server", &[0; 10], &hashes(7)].concat();
        let full = [
            &[0xd8, 1, 1, 0x80, 0xe2, 0xcf, 0xaa, 6, 5][..],
            b"key:k",
            &[0, 1, 2],
            "ü".as_bytes(),
            &[0, 0, 0, 0, 1, 1, 0, 0, 1, 0],
            &hashes(8),
        ];
        assert_eq!(body, [plain, full.concat()].concat());
        assert_eq!(decode(&body, 3, 8).unwrap(), records);
        for broken in [&body[..body.len() - 1], &[], &[0xff; 10], &[&[3][..], &body[1..]].concat()] {
            assert_eq!(decode(broken, 3, 8), None);
        }
        assert_eq!(decode(&body, 3, i64::MIN), None);
    }
}
