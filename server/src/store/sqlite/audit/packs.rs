//! The packs of the trail, in their tables.

use rusqlite::{Connection, OptionalExtension, Row, params};
use token_gen::UnixSeconds;

use super::{names, pack};
use crate::store::{AuditFilter, AuditRecord, AuditWalk, StoreError};

const HEADER: &str = "last_id, count, chain, last_seq, names";

/// What is known of a pack without reading it.
struct Header {
    last_id: i64,
    count: i64,
    chain: i64,
    last_seq: i64,
    names: Vec<u8>,
}

impl Header {
    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (last_id, count, chain) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Self { last_id, count, chain, last_seq: row.get(3)?, names: row.get(4)? })
    }

    fn first_id(&self) -> i64 {
        self.last_id - self.count + 1
    }

    fn first_seq(&self) -> i64 {
        self.last_seq - self.count + 1
    }

    fn read(&self, connection: &Connection) -> Result<Vec<AuditRecord>, StoreError> {
        let damaged = || StoreError::Unreadable(format!("audit pack {} has no such body", self.last_id));
        let mut query = connection.prepare_cached("SELECT body FROM audit_pack_bodies WHERE last_id = ?1")?;
        let body: Option<Vec<u8>> = query.query_row([self.last_id], |row| row.get(0)).optional()?;
        let records = pack::decode(&body.ok_or_else(damaged)?, self.chain, self.last_seq)?;
        if i64::try_from(records.len()) == Ok(self.count) { Ok(records) } else { Err(damaged()) }
    }
}

/// Puts records in that follow one another, after all that is in the trail.
pub(super) fn put(connection: &Connection, records: &[AuditRecord]) -> Result<(), StoreError> {
    let Some(last) = records.last() else { return Ok(()) };
    let ats = || records.iter().map(|record| record.at.get());
    let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
    let last_id = take_ids(connection, count)?;
    let query = "INSERT INTO audit_packs (last_id, count, chain, last_seq, last_hash, first_at, last_at, names)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(query)?.execute(params![
        last_id,
        count,
        last.chain,
        last.seq,
        last.hash,
        ats().min(),
        ats().max(),
        names::of(records),
    ])?;
    let query = "INSERT INTO audit_pack_bodies (last_id, body) VALUES (?1, ?2)";
    connection.prepare_cached(query)?.execute(params![last_id, pack::encode(records)?])?;
    Ok(())
}

/// The last of so many places in the list, which are taken from where single records get theirs, too.
fn take_ids(connection: &Connection, count: i64) -> Result<i64, StoreError> {
    let query = "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'audit' RETURNING seq";
    let taken = connection.prepare_cached(query)?.query_row([count], |row| row.get(0)).optional()?;
    if let Some(last_id) = taken {
        return Ok(last_id);
    }
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('audit', ?1)", [count])?;
    Ok(count)
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
        AuditWalk::Back(before) => (before.unwrap_or(i64::MAX), "last_id - count + 1 < ?1 ORDER BY last_id DESC"),
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
    for header in query.query_map(params![from, since, until], Header::of_row)? {
        let header = header?;
        if found.len() >= limit || is_beyond(&header) {
            break;
        }
        if names::may_hold(&header.names, &searched) {
            let records = (header.first_id()..).zip(header.read(connection)?);
            found.extend(records.filter(|(id, record)| is_in_reach(*id) && filter.takes(record)));
        }
    }
    Ok(found)
}

/// Up to `limit` records in packs of a chain, or a few more, from the one after `seq` to `bound`.
pub(super) fn of_chain(
    connection: &Connection,
    (chain, seq): (i64, i64),
    limit: usize,
    bound: Option<i64>,
) -> Result<Vec<AuditRecord>, StoreError> {
    let query = format!("SELECT {HEADER} FROM audit_packs WHERE chain = ?1 AND last_seq > ?2 ORDER BY last_seq");
    let mut query = connection.prepare_cached(&query)?;
    let mut found = vec![];
    for header in query.query_map([chain, seq], Header::of_row)? {
        let header = header?;
        if found.len() >= limit || bound.is_some_and(|bound| header.first_seq() > bound) {
            break;
        }
        found.extend(header.read(connection)?.into_iter().filter(|record| record.seq > seq));
    }
    Ok(found)
}
