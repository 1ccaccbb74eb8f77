//! The audit trail, in PostgreSQL. Chains keep nodes out of each other's way: each appends to its own.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use token_gen::UnixSeconds;
use tokio_postgres::{Row, error::SqlState};

use super::{Parameter, PostgresStore, app_id_of, execute, hash_of, number, pool::Fault, row, rows};
use crate::store::{
    AuditChain, AuditFilter, AuditRecord, AuditRetention, AuditStore, AuditWalk, ChainStart, RefusalCount,
    RefusalCounts, RefusalSpans, StoreError,
};

const RECORD: &str =
    "chain, seq, at, action, result, reason, app_id, actor, source, user_id, room_id, token_id, target,
    rights, expire_at, request_id, session_id, details, hash";
const CHAIN: &str = "chain, opened_at, previous_seq, previous_hash, anchor_seq, anchor_hash, last_seq, last_hash";

/// Chains are begun, and forgotten, one at a time.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtextextended('roompass audit', 0))";

/// Somebody waits for a page, but no longer than HTTP lets them.
const PAGE: &str = "SET LOCAL statement_timeout = '8s'";
/// Looking through a whole trail may take long.
const SEARCH: &str = "SET LOCAL statement_timeout = '60s'";
const SEARCH_LIMIT: Duration = Duration::from_secs(65);

#[async_trait]
impl AuditStore for PostgresStore {
    async fn begin_audit_chain(&self, opened_at: UnixSeconds, start: ChainStart) -> Result<AuditChain, StoreError> {
        let latest = format!("SELECT {CHAIN} FROM audit_chains ORDER BY chain DESC LIMIT 1");
        let insert = format!("INSERT INTO audit_chains ({CHAIN}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                row(&transaction, ONE_AT_A_TIME, &[], |_| Ok(())).await?;
                let latest = row(&transaction, &latest, &[], chain_of_row).await?;
                let begun = AuditChain::after(latest.as_ref(), opened_at, start);
                let parameters: &[Parameter<'_>] = &[
                    &begun.chain,
                    &begun.opened_at.get(),
                    &begun.previous_seq,
                    &&begun.previous_hash[..],
                    &begun.anchor_seq,
                    &&begun.anchor_hash[..],
                    &begun.last_seq,
                    &&begun.last_hash[..],
                ];
                execute(&transaction, &insert, parameters).await?;
                transaction.commit().await?;
                Ok(begun)
            })
            .await
    }

    async fn append_audit(&self, after: AuditChain, records: Arc<[AuditRecord]>) -> Result<(), StoreError> {
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                append(&transaction, &after, &records).await?;
                Ok(transaction.commit().await?)
            })
            .await
    }

    async fn audit_records(
        &self,
        filter: AuditFilter,
        walk: AuditWalk,
        limit: u32,
    ) -> Result<Vec<(i64, AuditRecord)>, StoreError> {
        let (from, order) = match walk {
            AuditWalk::Back(before) => (before.unwrap_or(i64::MAX), "id < $1 ORDER BY id DESC"),
            AuditWalk::Forth(after) => (after, "id > $1 ORDER BY id"),
        };
        let limit = i64::from(limit);
        let (app_id, since, until) =
            (filter.app_id.map(number), filter.since.map(UnixSeconds::get), filter.until.map(UnixSeconds::get));
        let given: [(&str, Option<Parameter<'_>>); 11] = [
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
        let (mut conditions, mut parameters) = (String::new(), vec![&from as Parameter<'_>, &limit]);
        for (condition, value) in given {
            if let Some(value) = value {
                parameters.push(value);
                conditions.push_str(&format!("{condition} ${} AND ", parameters.len()));
            }
        }
        let limits = if let AuditWalk::Back(_) = walk { PAGE } else { SEARCH };
        let query = format!("SELECT {RECORD}, id FROM audit WHERE {conditions}{order} LIMIT $2");
        self.pool
            .run_once(SEARCH_LIMIT, async |mut client| {
                let transaction = client.transaction().await?;
                transaction.batch_execute(limits).await?;
                rows(&transaction, &query, &parameters, |row| Ok((row.try_get(19)?, record_of_row(row)?))).await
            })
            .await
    }

    async fn count_refusals(&self, which: RefusalSpans) -> Result<RefusalCounts, StoreError> {
        self.pool
            .run_once(SEARCH_LIMIT, async |mut client| {
                let transaction = client.transaction().await?;
                transaction.batch_execute(PAGE).await?;
                count_refusals(&transaction, &which).await
            })
            .await
    }

    async fn audit_chains(&self) -> Result<Vec<AuditChain>, StoreError> {
        let query = format!("SELECT {CHAIN} FROM audit_chains ORDER BY chain");
        self.pool.run(async |client| rows(&client, &query, &[], chain_of_row).await).await
    }

    async fn audit_chain(&self, chain: i64, seq: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let query = format!("SELECT {RECORD} FROM audit WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3");
        let parameters: &[Parameter<'_>] = &[&chain, &seq, &i64::from(limit)];
        self.pool.run(async |client| rows(&client, &query, parameters, record_of_row).await).await
    }

    async fn stray_audit_records(&self) -> Result<u64, StoreError> {
        let query = "SELECT count(*) FROM audit WHERE NOT EXISTS
            (SELECT FROM audit_chains WHERE audit_chains.chain = audit.chain)";
        self.pool
            .run_once(SEARCH_LIMIT, async |mut client| {
                let transaction = client.transaction().await?;
                transaction.batch_execute(SEARCH).await?;
                let count = row(&transaction, query, &[], |row| Ok(row.try_get::<_, i64>(0)?)).await?;
                Ok(count.unwrap_or_default().unsigned_abs())
            })
            .await
    }

    async fn forget_audit(&self, what: AuditRetention, limit: u32) -> Result<usize, StoreError> {
        let forgotten = self.pool.run(async |mut client| {
            let transaction = client.transaction().await?;
            let forgotten = forget(&transaction, what, limit).await?;
            transaction.commit().await?;
            Ok(forgotten)
        });
        match forgotten.await {
            // The role of this node may not: the owner of the tables does it.
            Err(error) if may_not(&error) => Ok(0),
            forgotten => forgotten,
        }
    }
}

fn may_not(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    matches!(cause.downcast_ref(), Some(Fault::Sql { code, .. }) if *code == SqlState::INSUFFICIENT_PRIVILEGE)
}

async fn append(
    transaction: &impl GenericClient,
    after: &AuditChain,
    records: &[AuditRecord],
) -> Result<(), StoreError> {
    let Some(last) = records.last() else { return Ok(()) };
    let update = "UPDATE audit_chains SET last_seq = $4, last_hash = $5
        WHERE chain = $1 AND last_seq = $2 AND last_hash = $3";
    let parameters: &[Parameter<'_>] =
        &[&after.chain, &after.last_seq, &&after.last_hash[..], &last.seq, &&last.hash[..]];
    if execute(transaction, update, parameters).await? == 0 {
        let query = "SELECT last_seq, last_hash FROM audit_chains WHERE chain = $1";
        let read = |row: &Row| Ok((row.try_get::<_, i64>(0)?, hash_of(row, 1)?));
        return match row(transaction, query, &[&after.chain], read).await? {
            None => Err(StoreError::Missing),
            Some(end) if end == (last.seq, last.hash) => Ok(()),
            Some(_) => Err(StoreError::Conflict),
        };
    }
    // A column at a time: one statement, however many records.
    let insert = "INSERT INTO audit (chain, seq, at, action, result, reason, app_id, actor, source, user_id, room_id,
            token_id, target, rights, expire_at, request_id, session_id, details, hash)
        SELECT $1::bigint, records.* FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[],
            $16::text[], $17::text[], $18::text[], $19::bytea[]) AS records
        ORDER BY 2";
    let texts = |read: fn(&AuditRecord) -> Option<&str>| records.iter().map(read).collect::<Vec<_>>();
    let numbers = |read: fn(&AuditRecord) -> i64| records.iter().map(read).collect::<Vec<_>>();
    let maybe_numbers = |read: fn(&AuditRecord) -> Option<i64>| records.iter().map(read).collect::<Vec<_>>();
    let parameters: &[Parameter<'_>] = &[
        &after.chain,
        &numbers(|record| record.seq),
        &numbers(|record| record.at.get()),
        &texts(|record| Some(&record.action)),
        &texts(|record| Some(&record.result)),
        &texts(|record| record.reason.as_deref()),
        &maybe_numbers(|record| record.app_id.map(number)),
        &texts(|record| Some(&record.actor)),
        &texts(|record| record.source.as_deref()),
        &texts(|record| record.user_id.as_deref()),
        &texts(|record| record.room_id.as_deref()),
        &texts(|record| record.token_id.as_deref()),
        &texts(|record| record.target.as_deref()),
        &texts(|record| record.rights.as_deref()),
        &maybe_numbers(|record| record.expire_at.map(UnixSeconds::get)),
        &texts(|record| record.request_id.as_deref()),
        &texts(|record| record.session_id.as_deref()),
        &texts(|record| record.details.as_deref()),
        &records.iter().map(|record| &record.hash[..]).collect::<Vec<_>>(),
    ];
    execute(transaction, insert, parameters).await.map(drop)
}

/// The words `refused` and `leave_out` stand in the queries as they stand in the indexes, so that these serve.
async fn count_refusals(transaction: &impl GenericClient, which: &RefusalSpans) -> Result<RefusalCounts, StoreError> {
    let app_id = which.app_id.map(number);
    let (since, until, span_secs) = (which.since.get(), which.until.get(), i64::from(which.span_secs));
    let mut parameters: Vec<Parameter<'_>> = vec![&since, &until, &span_secs];
    let mut conditions = String::new();
    for (column, value) in [
        ("app_id", app_id.as_ref().map(|value| value as Parameter<'_>)),
        ("action", which.action.as_ref().map(|value| value as Parameter<'_>)),
    ] {
        if let Some(value) = value {
            parameters.push(value);
            conditions.push_str(&format!("AND {column} = ${} ", parameters.len()));
        }
    }
    let query = format!(
        "SELECT (at - $1) / $3, action, coalesce(reason, ''), count(*) FROM audit
         WHERE result = 'refused' AND at >= $1 AND at < $2 {conditions}GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    );
    let counts = rows(transaction, &query, &parameters, |row| {
        Ok(RefusalCount {
            // Not before the first one: that is what was asked for.
            span: usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default(),
            action: row.try_get(1)?,
            reason: row.try_get(2)?,
            count: row.try_get::<_, i64>(3)?.unsigned_abs(),
        })
    })
    .await?;
    let query = "SELECT EXISTS (SELECT FROM audit WHERE action = 'leave_out' AND at >= $1 AND at < $2)";
    let some_left_out = row(transaction, query, &[&since, &until], |row| Ok(row.try_get(0)?)).await?;
    Ok(RefusalCounts { counts, some_left_out: some_left_out.unwrap_or_default() })
}

async fn forget(transaction: &impl GenericClient, what: AuditRetention, limit: u32) -> Result<usize, StoreError> {
    let keep = i64::try_from(what.keep).unwrap_or(i64::MAX);
    row(transaction, ONE_AT_A_TIME, &[], |_| Ok(())).await?;
    // A run from the old end: in each chain, what goes is a beginning of it.
    let oldest = "SELECT id, at < $1 OR id <= (SELECT coalesce(max(id), 0) FROM audit) - $2
        FROM audit ORDER BY id LIMIT $3";
    let parameters: &[Parameter<'_>] = &[&what.before.get(), &keep, &i64::from(limit)];
    let read = |row: &Row| Ok((row.try_get::<_, i64>(0)?, row.try_get::<_, bool>(1)?));
    let oldest = rows(transaction, oldest, parameters, read).await?;
    let gone: Vec<i64> = oldest.into_iter().take_while(|(_, may_go)| *may_go).map(|(id, _)| id).collect();
    if let Some(last) = gone.last() {
        let anchor = "UPDATE audit_chains SET anchor_seq = gone.seq, anchor_hash = gone.hash
            FROM (SELECT DISTINCT ON (chain) chain, seq, hash FROM audit WHERE id <= $1 ORDER BY chain, seq DESC) AS gone
            WHERE audit_chains.chain = gone.chain";
        execute(transaction, anchor, &[last]).await?;
        execute(transaction, "DELETE FROM audit WHERE id <= $1", &[last]).await?;
    }
    let chains = "DELETE FROM audit_chains WHERE opened_at < $1 AND chain <
        coalesce((SELECT min(chain) FROM audit_chains WHERE anchor_seq < last_seq),
                 (SELECT max(chain) FROM audit_chains))";
    execute(transaction, chains, &[&what.before.get()]).await?;
    Ok(gone.len())
}

fn record_of_row(row: &Row) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        chain: row.try_get(0)?,
        seq: row.try_get(1)?,
        at: UnixSeconds::new(row.try_get(2)?),
        action: Cow::Owned(row.try_get(3)?),
        result: Cow::Owned(row.try_get(4)?),
        reason: row.try_get::<_, Option<String>>(5)?.map(Cow::Owned),
        app_id: row.try_get::<_, Option<i64>>(6)?.map(|_| app_id_of(row, 6)).transpose()?,
        actor: row.try_get(7)?,
        source: row.try_get(8)?,
        user_id: row.try_get(9)?,
        room_id: row.try_get(10)?,
        token_id: row.try_get(11)?,
        target: row.try_get(12)?,
        rights: row.try_get(13)?,
        expire_at: row.try_get::<_, Option<i64>>(14)?.map(UnixSeconds::new),
        request_id: row.try_get(15)?,
        session_id: row.try_get(16)?,
        details: row.try_get(17)?,
        hash: hash_of(row, 18)?,
    })
}

fn chain_of_row(row: &Row) -> Result<AuditChain, StoreError> {
    Ok(AuditChain {
        chain: row.try_get(0)?,
        opened_at: UnixSeconds::new(row.try_get(1)?),
        previous_seq: row.try_get(2)?,
        previous_hash: hash_of(row, 3)?,
        anchor_seq: row.try_get(4)?,
        anchor_hash: hash_of(row, 5)?,
        last_seq: row.try_get(6)?,
        last_hash: hash_of(row, 7)?,
    })
}
