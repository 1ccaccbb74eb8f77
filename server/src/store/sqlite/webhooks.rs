//! Webhook endpoints and their queues, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use token_gen::{AppId, UnixSeconds};

use super::{SqliteStore, app_id_of, rows};
use crate::store::{
    ClaimedDelivery, DeliveryClaim, DeliveryFilter, DeliveryRecord, DeliveryState, EndpointRecord, FinishedAttempt,
    NewDelivery, StoreError, WebhookStore,
};

const ENDPOINT: &str = "SELECT app_id, endpoint_id, version, settings, enabled, signing_key, previous_key,
    previous_key_until, dropped, created_at, updated_at FROM webhook_endpoints";
const DELIVERY: &str = "SELECT app_id, endpoint_id, delivery_id, event, body, state, tries, next_attempt_at, attempts,
    created_at FROM webhook_deliveries";

#[async_trait]
impl WebhookStore for SqliteStore {
    async fn endpoints(&self, app_id: Option<AppId>) -> Result<Vec<EndpointRecord>, StoreError> {
        let query = format!("{ENDPOINT} WHERE ?1 IS NULL OR app_id = ?1 ORDER BY app_id, endpoint_id");
        let app_id = app_id.map(AppId::get);
        self.reader.read(move |connection| rows(connection, &query, [app_id], endpoint_of_row)).await
    }

    async fn insert_endpoint(&self, endpoint: EndpointRecord) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                connection.execute(
                    "INSERT INTO webhook_endpoints (app_id, endpoint_id, version, settings, enabled, signing_key,
                         previous_key, previous_key_until, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    params![
                        endpoint.app_id.get(),
                        endpoint.endpoint_id,
                        endpoint.version,
                        endpoint.settings,
                        endpoint.enabled,
                        endpoint.signing_key,
                        endpoint.previous_key.as_ref().map(|(sealed, _)| sealed),
                        endpoint.previous_key.as_ref().map(|(_, until)| until.get()),
                        endpoint.created_at.get(),
                        endpoint.updated_at.get()
                    ],
                )?;
                Ok(())
            })
            .await
    }

    async fn update_endpoint(&self, endpoint: EndpointRecord) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let changed = connection.execute(
                    "UPDATE webhook_endpoints SET version = version + 1, settings = ?4, enabled = ?5,
                         signing_key = ?6, previous_key = ?7, previous_key_until = ?8, updated_at = ?9
                     WHERE app_id = ?1 AND endpoint_id = ?2 AND version = ?3",
                    params![
                        endpoint.app_id.get(),
                        endpoint.endpoint_id,
                        endpoint.version,
                        endpoint.settings,
                        endpoint.enabled,
                        endpoint.signing_key,
                        endpoint.previous_key.as_ref().map(|(sealed, _)| sealed),
                        endpoint.previous_key.as_ref().map(|(_, until)| until.get()),
                        endpoint.updated_at.get()
                    ],
                )?;
                if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
            })
            .await
    }

    async fn delete_endpoint(&self, app_id: AppId, endpoint_id: &str) -> Result<bool, StoreError> {
        let endpoint_id = endpoint_id.to_owned();
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM webhook_endpoints WHERE app_id = ?1 AND endpoint_id = ?2";
                Ok(connection.execute(query, params![app_id.get(), endpoint_id])? == 1)
            })
            .await
    }

    async fn queue_deliveries(&self, deliveries: Vec<NewDelivery>, max_pending: u32) -> Result<u64, StoreError> {
        self.writer
            .write(move |connection| {
                let of_one =
                    |a: &NewDelivery, b: &NewDelivery| (a.app_id, &a.endpoint_id) == (b.app_id, &b.endpoint_id);
                let dropped = deliveries.chunk_by(of_one).map(|chunk| queue(connection, chunk, max_pending));
                dropped.sum()
            })
            .await
    }

    async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<ClaimedDelivery>, StoreError> {
        self.writer.write(move |connection| claim_deliveries(connection, &claim)).await
    }

    async fn finish_attempt(&self, attempt: FinishedAttempt) -> Result<bool, StoreError> {
        let FinishedAttempt { claim_id, delivery } = attempt;
        self.writer
            .write(move |connection| {
                let query = "UPDATE webhook_deliveries SET state = ?5, tries = ?6, next_attempt_at = ?7, attempts = ?8,
                         claim_id = NULL, claimed_until = 0
                     WHERE app_id = ?1 AND endpoint_id = ?2 AND delivery_id = ?3 AND claim_id = ?4";
                let changed = connection.prepare_cached(query)?.execute(params![
                    delivery.app_id.get(),
                    delivery.endpoint_id,
                    delivery.delivery_id,
                    claim_id,
                    delivery.state.as_str(),
                    delivery.tries,
                    delivery.next_attempt_at.get(),
                    delivery.attempts
                ])?;
                Ok(changed == 1)
            })
            .await
    }

    async fn deliveries(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError> {
        let (endpoint_id, before) = (endpoint_id.to_owned(), before.map(str::to_owned));
        let query = format!(
            "{DELIVERY} WHERE app_id = ?1 AND endpoint_id = ?2 AND (?3 IS NULL OR delivery_id < ?3)
                ORDER BY delivery_id DESC LIMIT ?4"
        );
        self.reader
            .read(move |connection| {
                rows(connection, &query, params![app_id.get(), endpoint_id, before, limit], delivery_of_row)
            })
            .await
    }

    async fn find_deliveries(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError> {
        let (endpoint_id, before) = (endpoint_id.to_owned(), before.map(str::to_owned));
        let (state, search) = (filter.state.map(DeliveryState::as_str), filter.search.clone());
        let query = format!(
            "{DELIVERY} WHERE app_id = ?1 AND endpoint_id = ?2 AND (?3 IS NULL OR delivery_id < ?3)
                AND (?5 IS NULL OR state = ?5)
                AND (?6 = '' OR delivery_id = ?6 OR instr(event, ?6) > 0 OR instr(body, ?6) > 0)
                ORDER BY delivery_id DESC LIMIT ?4"
        );
        self.searcher
            .read(move |connection| {
                let of = params![app_id.get(), endpoint_id, before, limit, state, search];
                rows(connection, &query, of, delivery_of_row)
            })
            .await
    }

    async fn requeue_delivery(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        delivery_id: &str,
        now: UnixSeconds,
    ) -> Result<bool, StoreError> {
        let (endpoint_id, delivery_id) = (endpoint_id.to_owned(), delivery_id.to_owned());
        self.writer
            .write(move |connection| {
                let query = "UPDATE webhook_deliveries SET state = 'pending', tries = 0, next_attempt_at = ?4,
                         claim_id = NULL, claimed_until = 0
                     WHERE app_id = ?1 AND endpoint_id = ?2 AND delivery_id = ?3";
                Ok(connection.execute(query, params![app_id.get(), endpoint_id, delivery_id, now.get()])? == 1)
            })
            .await
    }

    async fn forget_deliveries(&self, before: UnixSeconds, keep: u32, limit: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM webhook_deliveries WHERE (app_id, endpoint_id, delivery_id) IN
                    (SELECT app_id, endpoint_id, delivery_id FROM webhook_deliveries WHERE created_at < ?1 LIMIT ?2)";
                let aged = connection.execute(query, params![before.get(), limit])?;
                let query = "DELETE FROM webhook_deliveries WHERE (app_id, endpoint_id, delivery_id) IN
                    (SELECT app_id, endpoint_id, delivery_id FROM
                        (SELECT app_id, endpoint_id, delivery_id, row_number() OVER
                            (PARTITION BY app_id, endpoint_id ORDER BY delivery_id DESC) AS place
                        FROM webhook_deliveries WHERE state <> 'pending')
                    WHERE place > ?1 LIMIT ?2)";
                let left = limit.saturating_sub(u32::try_from(aged).unwrap_or(limit));
                Ok(aged + connection.execute(query, params![keep, left])?)
            })
            .await
    }
}

/// Queues deliveries of one endpoint; says how many had no room.
fn queue(connection: &Connection, deliveries: &[NewDelivery], max_pending: u32) -> Result<u64, StoreError> {
    let Some(first) = deliveries.first() else { return Ok(0) };
    let endpoint = params![first.app_id.get(), first.endpoint_id];
    let query = "SELECT (SELECT count(*) FROM webhook_deliveries
            WHERE app_id = ?1 AND endpoint_id = ?2 AND state = 'pending')
        FROM webhook_endpoints WHERE app_id = ?1 AND endpoint_id = ?2";
    let waiting = connection.prepare_cached(query)?.query_row(endpoint, |row| row.get::<_, u32>(0)).optional()?;
    let Some(mut waiting) = waiting else { return Ok(0) };
    let mut dropped = 0_i64;
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhook_deliveries
             (app_id, endpoint_id, delivery_id, event, body, state, next_attempt_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6, ?6) ON CONFLICT DO NOTHING",
    )?;
    for delivery in deliveries {
        if waiting >= max_pending {
            dropped += 1;
            continue;
        }
        let inserted = insert.execute(params![
            delivery.app_id.get(),
            delivery.endpoint_id,
            delivery.delivery_id,
            delivery.event,
            delivery.body,
            delivery.now.get()
        ])?;
        waiting += u32::from(inserted == 1);
    }
    if dropped > 0 {
        let query = "UPDATE webhook_endpoints SET dropped = dropped + ?3 WHERE app_id = ?1 AND endpoint_id = ?2";
        connection.execute(query, params![first.app_id.get(), first.endpoint_id, dropped])?;
    }
    Ok(dropped.cast_unsigned())
}

fn claim_deliveries(connection: &Connection, claim: &DeliveryClaim) -> Result<Vec<ClaimedDelivery>, StoreError> {
    let except: Vec<String> =
        claim.except.iter().map(|(app_id, endpoint_id)| format!("{app_id} {endpoint_id}")).collect();
    // Plain text: serde_json has no way to fail here.
    let except = serde_json::to_string(&except).unwrap_or_default();
    let query = "UPDATE webhook_deliveries SET claim_id = ?1, claimed_until = ?2
        WHERE (app_id, endpoint_id, delivery_id) IN
            (SELECT app_id, endpoint_id, delivery_id FROM
                (SELECT due.*, row_number() OVER
                    (PARTITION BY app_id, endpoint_id ORDER BY tries, next_attempt_at, delivery_id) AS place
                FROM webhook_deliveries AS due
                WHERE state = 'pending' AND next_attempt_at <= ?3 AND claimed_until <= ?3
                    AND app_id || ' ' || endpoint_id NOT IN (SELECT value FROM json_each(?4))
                    AND EXISTS (SELECT 1 FROM webhook_endpoints AS endpoint WHERE enabled
                        AND endpoint.app_id = due.app_id AND endpoint.endpoint_id = due.endpoint_id))
            WHERE place <= ?5 ORDER BY tries, next_attempt_at LIMIT ?6)";
    let claimed = connection.prepare_cached(query)?.execute(params![
        claim.claim_id,
        claim.until.get(),
        claim.now.get(),
        except,
        claim.per_endpoint,
        claim.limit
    ])?;
    if claimed == 0 {
        return Ok(Vec::new());
    }
    let query = format!("{DELIVERY} WHERE claim_id = ?1 AND state = 'pending' ORDER BY delivery_id");
    let deliveries = rows(connection, &query, [&claim.claim_id], delivery_of_row)?;
    let query = format!("{ENDPOINT} WHERE app_id = ?1 AND endpoint_id = ?2");
    let mut endpoint = connection.prepare_cached(&query)?;
    let with_endpoint = |delivery: DeliveryRecord| {
        let endpoint = endpoint.query_row(params![delivery.app_id.get(), delivery.endpoint_id], endpoint_of_row)?;
        Ok(ClaimedDelivery { delivery, endpoint })
    };
    deliveries.into_iter().map(with_endpoint).collect()
}

fn endpoint_of_row(row: &Row<'_>) -> rusqlite::Result<EndpointRecord> {
    Ok(EndpointRecord {
        app_id: app_id_of(row, 0)?,
        endpoint_id: row.get(1)?,
        version: row.get(2)?,
        settings: row.get(3)?,
        enabled: row.get(4)?,
        signing_key: row.get(5)?,
        previous_key: row.get::<_, Option<_>>(6)?.zip(row.get::<_, Option<i64>>(7)?.map(UnixSeconds::new)),
        dropped: row.get::<_, i64>(8)?.cast_unsigned(),
        created_at: UnixSeconds::new(row.get(9)?),
        updated_at: UnixSeconds::new(row.get(10)?),
    })
}

fn delivery_of_row(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    let state: String = row.get(5)?;
    Ok(DeliveryRecord {
        app_id: app_id_of(row, 0)?,
        endpoint_id: row.get(1)?,
        delivery_id: row.get(2)?,
        event: row.get(3)?,
        body: row.get(4)?,
        state: DeliveryState::parse(&state).ok_or(rusqlite::Error::InvalidQuery)?,
        tries: row.get(6)?,
        next_attempt_at: UnixSeconds::new(row.get(7)?),
        attempts: row.get(8)?,
        created_at: UnixSeconds::new(row.get(9)?),
    })
}
