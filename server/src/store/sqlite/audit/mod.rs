//! The audit trail, in SQLite: most records are rows, and those of much minting are packed.

mod names;
mod pack;
mod packs;

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, slice, sync::Arc};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, Statement, ToSql, params};
use token_gen::{AppId, UnixSeconds};

use super::{SqliteStore, app_id_of, rows};
use crate::store::{
    AuditChain, AuditFilter, AuditRecord, AuditRetention, AuditStore, AuditWalk, ChainStart, RefusalCount,
    RefusalCounts, RefusalSpans, StoreError,
};

const RECORD: &str =
    "chain, seq, at, action, result, reason, app_id, actor, source, user_id, room_id, token_id, target,
    rights, expire_at, request_id, session_id, details, hash";
const COLUMNS: usize = 19;
/// How many records one statement inserts: a fifth less work than one by one.
const TOGETHER: usize = 16;
const CHAIN: &str = "chain, opened_at, previous_seq, previous_hash, anchor_seq, anchor_hash, last_seq, last_hash";

#[async_trait]
impl AuditStore for SqliteStore {
    async fn begin_audit_chain(&self, opened_at: UnixSeconds, start: ChainStart) -> Result<AuditChain, StoreError> {
        self.writer
            .write(move |connection| {
                let latest = format!("SELECT {CHAIN} FROM audit_chains ORDER BY chain DESC LIMIT 1");
                let latest = connection.query_row(&latest, [], chain_of_row).optional()?;
                let begun = AuditChain::after(latest.as_ref(), opened_at, start);
                let insert = format!("INSERT INTO audit_chains ({CHAIN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
                connection.execute(
                    &insert,
                    params![
                        begun.chain,
                        begun.opened_at.get(),
                        begun.previous_seq,
                        begun.previous_hash,
                        begun.anchor_seq,
                        begun.anchor_hash,
                        begun.last_seq,
                        begun.last_hash
                    ],
                )?;
                Ok(begun)
            })
            .await
    }

    async fn append_audit(&self, after: AuditChain, records: Arc<[AuditRecord]>) -> Result<(), StoreError> {
        self.writer.write(move |connection| append(connection, &after, &records)).await
    }

    async fn append_audit_loosely(&self, after: AuditChain, records: Arc<[AuditRecord]>) -> Result<(), StoreError> {
        self.writer.write_loosely(move |connection| append(connection, &after, &records)).await
    }

    async fn audit_records(
        &self,
        filter: AuditFilter,
        walk: AuditWalk,
        limit: u32,
    ) -> Result<Vec<(i64, AuditRecord)>, StoreError> {
        self.searcher.read(move |connection| find(connection, &filter, walk, limit)).await
    }

    async fn count_refusals(&self, which: RefusalSpans) -> Result<RefusalCounts, StoreError> {
        self.searcher.read(move |connection| count_refusals(connection, &which)).await
    }

    async fn audit_chains(&self) -> Result<Vec<AuditChain>, StoreError> {
        let query = format!("SELECT {CHAIN} FROM audit_chains ORDER BY chain");
        self.reader.read(move |connection| rows(connection, &query, [], chain_of_row)).await
    }

    async fn audit_chain(&self, chain: i64, seq: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        self.reader.read(move |connection| of_chain(connection, (chain, seq), limit)).await
    }

    async fn stray_audit_records(&self) -> Result<u64, StoreError> {
        let query = "SELECT (SELECT count(*) FROM audit WHERE chain NOT IN (SELECT chain FROM audit_chains))
            + (SELECT coalesce(sum(count), 0) FROM audit_packs WHERE chain NOT IN (SELECT chain FROM audit_chains))";
        self.reader
            .read(move |connection| Ok(connection.query_row(query, [], |row| row.get::<_, i64>(0))?.unsigned_abs()))
            .await
    }

    async fn forget_audit(&self, what: AuditRetention, limit: u32) -> Result<usize, StoreError> {
        self.writer.write(move |connection| forget(connection, what, limit)).await
    }
}

fn append(connection: &Connection, after: &AuditChain, records: &[AuditRecord]) -> Result<(), StoreError> {
    let Some(last) = records.last() else { return Ok(()) };
    let query =
        "UPDATE audit_chains SET last_seq = ?4, last_hash = ?5 WHERE chain = ?1 AND last_seq = ?2 AND last_hash = ?3";
    let mut update = connection.prepare_cached(query)?;
    if update.execute(params![after.chain, after.last_seq, after.last_hash, last.seq, last.hash])? == 0 {
        let query = "SELECT last_seq, last_hash FROM audit_chains WHERE chain = ?1";
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?));
        return match connection.query_row(query, [after.chain], read).optional()? {
            None => Err(StoreError::Missing),
            Some(end) if end == (last.seq, last.hash) => Ok(()),
            Some(_) => Err(StoreError::Conflict),
        };
    }
    for run in records.chunk_by(|one, next| pack::takes(one) == pack::takes(next)) {
        if run.len() >= pack::LEAST && pack::takes(&run[0]) {
            run.chunks(pack::MOST).try_for_each(|records| packs::put(connection, records))?;
        } else {
            insert_all(connection, run)?;
        }
    }
    Ok(())
}

fn insert_all(connection: &Connection, records: &[AuditRecord]) -> Result<(), StoreError> {
    let (together, rest) = records.as_chunks::<TOGETHER>();
    let mut statement = connection.prepare_cached(&insertion(TOGETHER))?;
    together.iter().try_for_each(|records| insert(&mut statement, records))?;
    let mut statement = connection.prepare_cached(&insertion(1))?;
    rest.iter().try_for_each(|record| insert(&mut statement, slice::from_ref(record)))
}

/// What inserts so many records.
fn insertion(count: usize) -> String {
    let row = format!("(?{})", ", ?".repeat(COLUMNS - 1));
    format!("INSERT INTO audit ({RECORD}) VALUES {}", vec![row; count].join(", "))
}

/// Inserts as many records as the statement is for.
fn insert(statement: &mut Statement<'_>, records: &[AuditRecord]) -> Result<(), StoreError> {
    let mut place = 0;
    let mut bind = |value: &dyn ToSql| {
        place += 1;
        statement.raw_bind_parameter(place, value)
    };
    for record in records {
        bind(&record.chain)?;
        bind(&record.seq)?;
        bind(&record.at.get())?;
        bind(&record.action)?;
        bind(&record.result)?;
        bind(&record.reason)?;
        bind(&record.app_id.map(AppId::get))?;
        bind(&record.actor)?;
        bind(&record.source)?;
        bind(&record.user_id)?;
        bind(&record.room_id)?;
        bind(&record.token_id)?;
        bind(&record.target)?;
        bind(&record.rights)?;
        bind(&record.expire_at.map(UnixSeconds::get))?;
        bind(&record.request_id)?;
        bind(&record.session_id)?;
        bind(&record.details)?;
        bind(&record.hash)?;
    }
    statement.raw_execute()?;
    Ok(())
}

fn find(
    connection: &Connection,
    filter: &AuditFilter,
    walk: AuditWalk,
    limit: u32,
) -> Result<Vec<(i64, AuditRecord)>, StoreError> {
    let (from, order) = match walk {
        AuditWalk::Back(before) => (before.unwrap_or(i64::MAX), "id < ?1 ORDER BY id DESC"),
        AuditWalk::Forth(after) => (after, "id > ?1 ORDER BY id"),
    };
    let (app_id, since, until) =
        (filter.app_id.map(AppId::get), filter.since.map(UnixSeconds::get), filter.until.map(UnixSeconds::get));
    let given: [(&str, Option<&dyn ToSql>); 11] = [
        ("app_id =", app_id.as_ref().map(|value| value as _)),
        ("at >=", since.as_ref().map(|value| value as _)),
        ("at <", until.as_ref().map(|value| value as _)),
        ("action =", filter.action.as_ref().map(|value| value as _)),
        ("result =", filter.result.as_ref().map(|value| value as _)),
        ("reason =", filter.reason.as_ref().map(|value| value as _)),
        ("actor =", filter.actor.as_ref().map(|value| value as _)),
        ("user_id =", filter.user_id.as_ref().map(|value| value as _)),
        ("room_id =", filter.room_id.as_ref().map(|value| value as _)),
        ("token_id =", filter.token_id.as_ref().map(|value| value as _)),
        ("request_id =", filter.request_id.as_ref().map(|value| value as _)),
    ];
    let (mut conditions, mut parameters) = (String::new(), vec![&from as &dyn ToSql, &limit]);
    for (condition, value) in given {
        if let Some(value) = value {
            parameters.push(value);
            conditions.push_str(&format!("{condition} ?{} AND ", parameters.len()));
        }
    }
    // Both are read as of one moment, or what is written in between would be passed by.
    let _snapshot = connection.unchecked_transaction()?;
    let query = format!("SELECT id, {RECORD} FROM audit WHERE {conditions}{order} LIMIT ?2");
    let mut found = rows(connection, &query, &*parameters, |row| Ok((row.get(0)?, record_of_row(row, 1)?)))?;
    let limit = limit as usize;
    let bound = if found.len() < limit { None } else { found.last().map(|(id, _)| *id) };
    found.extend(packs::find(connection, filter, walk, limit, bound)?);
    match walk {
        AuditWalk::Back(_) => found.sort_unstable_by_key(|(id, _)| Reverse(*id)),
        AuditWalk::Forth(_) => found.sort_unstable_by_key(|(id, _)| *id),
    }
    found.truncate(limit);
    Ok(found)
}

fn of_chain(connection: &Connection, from: (i64, i64), limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
    let _snapshot = connection.unchecked_transaction()?;
    let query = format!("SELECT {RECORD} FROM audit WHERE chain = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
    let mut found = rows(connection, &query, params![from.0, from.1, limit], |row| record_of_row(row, 0))?;
    let limit = limit as usize;
    let bound = if found.len() < limit { None } else { found.last().map(|record| record.seq) };
    found.extend(packs::of_chain(connection, from, limit, bound)?);
    found.sort_unstable_by_key(|record| record.seq);
    let mut found = without_doubles(found);
    found.truncate(limit);
    Ok(found)
}

/// Of two records with one number, somebody has put one in, and nobody knows which: the walk misses both.
fn without_doubles(records: Vec<AuditRecord>) -> Vec<AuditRecord> {
    let runs = records.chunk_by(|one, next| one.seq == next.seq);
    let doubles: Vec<i64> = runs.filter(|run| run.len() > 1).map(|run| run[0].seq).collect();
    if doubles.is_empty() {
        return records;
    }
    records.into_iter().filter(|record| doubles.binary_search(&record.seq).is_err()).collect()
}

/// The words `refused` and `leave_out` stand in the queries as they stand in the indexes, so that these serve.
fn count_refusals(connection: &Connection, which: &RefusalSpans) -> Result<RefusalCounts, StoreError> {
    let app_id = which.app_id.map(AppId::get);
    let (since, until) = (which.since.get(), which.until.get());
    let mut parameters: Vec<&dyn ToSql> = vec![&since, &until, &which.span_secs];
    let mut conditions = String::new();
    for (column, value) in [
        ("app_id", app_id.as_ref().map(|value| value as &dyn ToSql)),
        ("action", which.action.as_ref().map(|value| value as &dyn ToSql)),
    ] {
        if let Some(value) = value {
            parameters.push(value);
            conditions.push_str(&format!("AND {column} = ?{} ", parameters.len()));
        }
    }
    let query = format!(
        "SELECT (at - ?1) / ?3, action, coalesce(reason, ''), count(*) FROM audit
         WHERE result = 'refused' AND at >= ?1 AND at < ?2 {conditions}GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    );
    let counts = rows(connection, &query, &*parameters, |row| {
        Ok(RefusalCount {
            // Not before the first one: that is what was asked for.
            span: usize::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
            action: row.get(1)?,
            reason: row.get(2)?,
            count: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    })?;
    let query = "SELECT EXISTS (SELECT 1 FROM audit WHERE action = 'leave_out' AND at >= ?1 AND at < ?2)";
    let some_left_out = connection.prepare_cached(query)?.query_row([since, until], |row| row.get(0))?;
    Ok(RefusalCounts { counts, some_left_out })
}

fn forget(connection: &Connection, what: AuditRetention, limit: u32) -> Result<usize, StoreError> {
    let beyond = packs::newest_id(connection)?.saturating_sub(i64::try_from(what.keep).unwrap_or(i64::MAX));
    // A run from the old end: in each chain, what goes is a beginning of it. A pack goes as a whole.
    let oldest = "SELECT id, 1, at < ?1 OR id <= ?2, chain, seq, hash FROM audit
        UNION ALL SELECT last_id, count, last_at < ?1 OR last_id <= ?2, chain, last_seq, last_hash FROM audit_packs
        ORDER BY 1 LIMIT ?3";
    let oldest = rows(connection, oldest, params![what.before.get(), beyond, limit], Piece::of_row)?;
    let (mut count, mut last_id, mut anchors) = (0, None, BTreeMap::new());
    for piece in oldest.into_iter().take_while(|piece| piece.may_go) {
        if count >= limit {
            break;
        }
        count = count.saturating_add(piece.count);
        last_id = Some(piece.last_id);
        anchors.insert(piece.chain, piece.end);
    }
    if let Some(last_id) = last_id {
        let query = "UPDATE audit_chains SET anchor_seq = ?2, anchor_hash = ?3 WHERE chain = ?1";
        for (chain, (seq, hash)) in anchors {
            connection.execute(query, params![chain, seq, hash])?;
        }
        connection.execute("DELETE FROM audit WHERE id <= ?1", [last_id])?;
        connection.execute("DELETE FROM audit_packs WHERE last_id <= ?1", [last_id])?;
    }
    connection.execute(
        "DELETE FROM audit_chains WHERE opened_at < ?1 AND chain <
             coalesce((SELECT min(chain) FROM audit_chains WHERE anchor_seq < last_seq),
                      (SELECT max(chain) FROM audit_chains))",
        [what.before.get()],
    )?;
    Ok(count as usize)
}

/// A record or a pack, as far as forgetting it needs.
struct Piece {
    last_id: i64,
    count: u32,
    may_go: bool,
    chain: i64,
    /// Its last number and hash.
    end: (i64, [u8; 32]),
}

impl Piece {
    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (last_id, count, may_go) = (row.get(0)?, row.get::<_, i64>(1)?, row.get(2)?);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Self { last_id, count, may_go, chain: row.get(3)?, end: (row.get(4)?, row.get(5)?) })
    }
}

fn record_of_row(row: &Row<'_>, first: usize) -> rusqlite::Result<AuditRecord> {
    let column = |offset: usize| first + offset;
    Ok(AuditRecord {
        chain: row.get(column(0))?,
        seq: row.get(column(1))?,
        at: UnixSeconds::new(row.get(column(2))?),
        action: Cow::Owned(row.get(column(3))?),
        result: Cow::Owned(row.get(column(4))?),
        reason: row.get::<_, Option<String>>(column(5))?.map(Cow::Owned),
        app_id: row.get::<_, Option<u32>>(column(6))?.map(|_| app_id_of(row, column(6))).transpose()?,
        actor: row.get(column(7))?,
        source: row.get(column(8))?,
        user_id: row.get(column(9))?,
        room_id: row.get(column(10))?,
        token_id: row.get(column(11))?,
        target: row.get(column(12))?,
        rights: row.get(column(13))?,
        expire_at: row.get::<_, Option<i64>>(column(14))?.map(UnixSeconds::new),
        request_id: row.get(column(15))?,
        session_id: row.get(column(16))?,
        details: row.get(column(17))?,
        hash: row.get(column(18))?,
    })
}

fn chain_of_row(row: &Row<'_>) -> rusqlite::Result<AuditChain> {
    Ok(AuditChain {
        chain: row.get(0)?,
        opened_at: UnixSeconds::new(row.get(1)?),
        previous_seq: row.get(2)?,
        previous_hash: row.get(3)?,
        anchor_seq: row.get(4)?,
        anchor_hash: row.get(5)?,
        last_seq: row.get(6)?,
        last_hash: row.get(7)?,
    })
}
