//! The packs of the trail, in their tables.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use token_gen::UnixSeconds;

use super::{names, pack};
use crate::store::{AuditFilter, AuditRecord, AuditWalk, StoreError};

const HEADER: &str = "last_id, count, chain, last_seq, last_hash, first_at, last_at, names";

/// What is known of a pack without reading it.
#[derive(Debug, PartialEq)]
struct Header {
    last_id: i64,
    count: i64,
    chain: i64,
    last_seq: i64,
    last_hash: [u8; 32],
    first_at: i64,
    last_at: i64,
    names: Vec<u8>,
}

impl Header {
    /// What is known of these records. `None` if there are none.
    fn of(records: &[AuditRecord], last_id: i64) -> Option<Self> {
        let last = records.last()?;
        let ats = || records.iter().map(|record| record.at.get());
        Some(Self {
            last_id,
            count: i64::try_from(records.len()).ok()?,
            chain: last.chain,
            last_seq: last.seq,
            last_hash: last.hash,
            first_at: ats().min()?,
            last_at: ats().max()?,
            names: names::of(records),
        })
    }

    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            last_id: row.get(0)?,
            count: row.get(1)?,
            chain: row.get(2)?,
            last_seq: row.get(3)?,
            last_hash: row.get(4)?,
            first_at: row.get(5)?,
            last_at: row.get(6)?,
            names: row.get(7)?,
        })
    }

    fn first_id(&self) -> i64 {
        self.last_id.saturating_sub(self.count) + 1
    }

    fn first_seq(&self) -> i64 {
        self.last_seq.saturating_sub(self.count) + 1
    }

    /// The records; none if somebody has damaged them, so that the others can still be read. The walk over the chain
    /// misses them.
    fn read(&self, connection: &Connection) -> Result<Vec<AuditRecord>, StoreError> {
        let mut query = connection.prepare_cached("SELECT body FROM audit_pack_bodies WHERE last_id = ?1")?;
        let body: Option<Vec<u8>> = query.query_row([self.last_id], |row| row.get(0)).optional()?;
        let records = body.and_then(|body| pack::decode(&body, self.chain, self.last_seq)).unwrap_or_default();
        if i64::try_from(records.len()) == Ok(self.count) {
            return Ok(records);
        }
        self.complain();
        Ok(vec![])
    }

    fn complain(&self) {
        let (chain, first, last) = (self.chain, self.first_seq(), self.last_seq);
        tracing::error!(chain, first, last, "packed audit records were damaged: run `roompass audit verify`");
    }
}

/// Puts records in that follow one another, after all that is in the trail.
pub(super) fn put(connection: &Connection, records: &[AuditRecord]) -> Result<(), StoreError> {
    let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
    let Some(header) = Header::of(records, take_ids(connection, count)?) else { return Ok(()) };
    let Header { last_id, count, chain, last_seq, last_hash, first_at, last_at, names } = header;
    let query = format!("INSERT INTO audit_packs ({HEADER}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    let values = params![last_id, count, chain, last_seq, last_hash, first_at, last_at, names];
    connection.prepare_cached(&query)?.execute(values)?;
    let query = "INSERT INTO audit_pack_bodies (last_id, body) VALUES (?1, ?2)";
    connection.prepare_cached(query)?.execute(params![last_id, pack::encode(records)?])?;
    Ok(())
}

/// The last of so many places in the list, which are taken from where single records get theirs, too.
fn take_ids(connection: &Connection, count: i64) -> Result<i64, StoreError> {
    // RETURNING would make a temporary table for one number.
    let query = "SELECT seq FROM sqlite_sequence WHERE name = 'audit'";
    let sequence: Option<i64> = connection.prepare_cached(query)?.query_row([], |row| row.get(0)).optional()?;
    // A database that was put together by hand may have lost the sequence.
    let last_id = sequence.unwrap_or(0).max(newest_id(connection)?).checked_add(count).ok_or(StoreError::Conflict)?;
    let query = match sequence {
        Some(_) => "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'audit'",
        None => "INSERT INTO sqlite_sequence (name, seq) VALUES ('audit', ?1)",
    };
    connection.prepare_cached(query)?.execute([last_id])?;
    Ok(last_id)
}

/// The place of the newest record, packed or not; 0 if there is none.
pub(super) fn newest_id(connection: &Connection) -> Result<i64, StoreError> {
    let query =
        "SELECT max((SELECT coalesce(max(id), 0) FROM audit), (SELECT coalesce(max(last_id), 0) FROM audit_packs))";
    Ok(connection.prepare_cached(query)?.query_row([], |row| row.get(0))?)
}

/// Up to `limit` records in packs with their places in the list; those that lie beyond `bound` are not wanted.
pub(super) fn find(
    connection: &Connection,
    filter: &AuditFilter,
    walk: AuditWalk,
    limit: usize,
    bound: Option<i64>,
) -> Result<Vec<(i64, AuditRecord)>, StoreError> {
    let mut found = vec![];
    if !pack::may_hold(filter) {
        return Ok(found);
    }
    let (from, reach) = match walk {
        // The first condition follows from the second, and can be looked up.
        AuditWalk::Back(before) => {
            (before.unwrap_or(i64::MAX), "last_id < ?4 AND last_id - count + 1 < ?1 ORDER BY last_id DESC")
        }
        AuditWalk::Forth(after) => (after, "last_id > ?1 ORDER BY last_id"),
    };
    let is_in_reach = |id: i64| match walk {
        AuditWalk::Back(_) => id < from,
        AuditWalk::Forth(_) => id > from,
    };
    let is_beyond = |header: &Header| match walk {
        AuditWalk::Back(_) => bound.is_some_and(|bound| header.last_id < bound),
        AuditWalk::Forth(_) => bound.is_some_and(|bound| header.first_id() > bound),
    };
    let query = format!("SELECT {HEADER} FROM audit_packs WHERE last_at >= ?2 AND first_at < ?3 AND {reach}");
    let mut query = connection.prepare_cached(&query)?;
    let since = filter.since.map_or(i64::MIN, UnixSeconds::get);
    let until = filter.until.map_or(i64::MAX, UnixSeconds::get);
    let searched = names::searched(filter);
    let reach = from.saturating_add(pack::MOST as i64 - 1);
    let parameters: &[&dyn ToSql] = match walk {
        AuditWalk::Back(_) => &[&from, &since, &until, &reach],
        AuditWalk::Forth(_) => &[&from, &since, &until],
    };
    for header in query.query_map(parameters, Header::of_row)? {
        let header = header?;
        if found.len() >= limit || is_beyond(&header) {
            break;
        }
        if names::may_hold(&header.names, &searched) {
            let first_id = header.first_id();
            let records = (0..).zip(header.read(connection)?);
            let records = records.map(|(place, record)| (first_id.saturating_add(place), record));
            found.extend(records.filter(|(id, record)| is_in_reach(*id) && filter.takes(record)));
        }
    }
    Ok(found)
}

/// Up to `limit` records in packs of a chain, or a few more, from the one after `seq` to `bound`. This is what the walk
/// over the chain reads. If a pack does not say truly what is in it, which may hide records from a search, its last one
/// is left out, so that the walk misses that.
pub(super) fn of_chain(
    connection: &Connection,
    (chain, seq): (i64, i64),
    limit: usize,
    bound: Option<i64>,
) -> Result<Vec<AuditRecord>, StoreError> {
    let query = format!("SELECT {HEADER} FROM audit_packs WHERE chain = ?1 AND last_seq > ?2 ORDER BY last_seq");
    let mut query = connection.prepare_cached(&query)?;
    let (mut found, mut last_id) = (vec![], 0);
    for header in query.query_map([chain, seq], Header::of_row)? {
        let header = header?;
        if found.len() >= limit || bound.is_some_and(|bound| header.first_seq() > bound) {
            break;
        }
        let mut records = header.read(connection)?;
        let is_true = Header::of(&records, header.last_id).is_none_or(|found| found == header);
        if !is_true || header.first_id() <= last_id {
            header.complain();
            records.pop();
        }
        last_id = header.last_id;
        found.extend(records.into_iter().filter(|record| record.seq > seq));
    }
    Ok(found)
}
