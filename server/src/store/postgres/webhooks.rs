//! Webhook endpoints and their queues, in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use token_gen::{AppId, UnixSeconds};
use tokio_postgres::Row;

use super::{Parameter, PostgresStore, app_id_of, execute, number, row, rows, unreadable};
use crate::store::{
    ClaimedDelivery, DeliveryClaim, DeliveryFilter, DeliveryRecord, DeliveryState, EndpointRecord, FinishedAttempt,
    NewDelivery, StoreError, WebhookStore,
};

const ENDPOINT: &str = "SELECT app_id, endpoint_id, version, settings, enabled, signing_key, previous_key,
    previous_key_until, dropped, created_at, updated_at FROM webhook_endpoints";
const DELIVERY: &str = "SELECT app_id, endpoint_id, delivery_id, event, body, state, tries, next_attempt_at, attempts,
    created_at FROM webhook_deliveries";

#[async_trait]
impl WebhookStore for PostgresStore {
    async fn endpoints(&self, app_id: Option<AppId>) -> Result<Vec<EndpointRecord>, StoreError> {
        let query = format!("{ENDPOINT} WHERE $1::bigint IS NULL OR app_id = $1 ORDER BY app_id, endpoint_id");
        let parameters: &[Parameter<'_>] = &[&app_id.map(number)];
        self.pool.run(async |client| rows(&client, &query, parameters, endpoint_of_row).await).await
    }

    async fn insert_endpoint(&self, endpoint: EndpointRecord) -> Result<(), StoreError> {
        let query = "INSERT INTO webhook_endpoints (app_id, endpoint_id, version, settings, enabled, signing_key,
                previous_key, previous_key_until, created_at, updated_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let (previous_key, until) = previous_key(&endpoint);
        let parameters: &[Parameter<'_>] = &[
            &number(endpoint.app_id),
            &endpoint.endpoint_id,
            &endpoint.version,
            &endpoint.settings,
            &endpoint.enabled,
            &endpoint.signing_key,
            &previous_key,
            &until,
            &endpoint.created_at.get(),
            &endpoint.updated_at.get(),
        ];
        self.pool.run(async |client| execute(&client, query, parameters).await.map(drop)).await
    }

    async fn update_endpoint(&self, endpoint: EndpointRecord) -> Result<(), StoreError> {
        let query = "UPDATE webhook_endpoints SET version = version + 1, settings = $4, enabled = $5, signing_key = $6,
                previous_key = $7, previous_key_until = $8, updated_at = $9
            WHERE app_id = $1 AND endpoint_id = $2 AND version = $3";
        let (previous_key, until) = previous_key(&endpoint);
        let parameters: &[Parameter<'_>] = &[
            &number(endpoint.app_id),
            &endpoint.endpoint_id,
            &endpoint.version,
            &endpoint.settings,
            &endpoint.enabled,
            &endpoint.signing_key,
            &previous_key,
            &until,
            &endpoint.updated_at.get(),
        ];
        let changed = self.pool.run(async |client| execute(&client, query, parameters).await).await?;
        if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn delete_endpoint(&self, app_id: AppId, endpoint_id: &str) -> Result<bool, StoreError> {
        let query = "DELETE FROM webhook_endpoints WHERE app_id = $1 AND endpoint_id = $2";
        let parameters: &[Parameter<'_>] = &[&number(app_id), &endpoint_id];
        self.pool.run(async |client| Ok(execute(&client, query, parameters).await? == 1)).await
    }

    async fn queue_deliveries(&self, mut deliveries: Vec<NewDelivery>, max_pending: u32) -> Result<u64, StoreError> {
        // In one order everywhere, so that two nodes that queue for the same endpoints never wait in a ring.
        deliveries.sort_by(|a, b| (a.app_id, &a.endpoint_id).cmp(&(b.app_id, &b.endpoint_id)));
        let of_one = |a: &NewDelivery, b: &NewDelivery| (a.app_id, &a.endpoint_id) == (b.app_id, &b.endpoint_id);
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                let mut dropped = 0;
                for chunk in deliveries.chunk_by(of_one) {
                    dropped += queue(&transaction, chunk, max_pending).await?;
                }
                transaction.commit().await?;
                Ok(dropped)
            })
            .await
    }

    async fn claim_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<ClaimedDelivery>, StoreError> {
        // The conditions outside are looked at again when another node was faster, those inside are not.
        let query = "UPDATE webhook_deliveries SET claim_id = $1, claimed_until = $2
            WHERE state = 'pending' AND claimed_until <= $3 AND next_attempt_at <= $3
                AND (app_id, endpoint_id, delivery_id) IN
                (SELECT app_id, endpoint_id, delivery_id FROM
                    (SELECT due.*, row_number() OVER
                        (PARTITION BY app_id, endpoint_id ORDER BY tries, next_attempt_at, delivery_id) AS place
                    FROM webhook_deliveries AS due
                    WHERE state = 'pending' AND next_attempt_at <= $3 AND claimed_until <= $3
                        AND app_id || ' ' || endpoint_id <> ALL ($4)
                        AND EXISTS (SELECT FROM webhook_endpoints AS endpoint WHERE enabled
                            AND endpoint.app_id = due.app_id AND endpoint.endpoint_id = due.endpoint_id)) AS ranked
                WHERE place <= $5 ORDER BY tries, next_attempt_at LIMIT $6)";
        let name = |(app_id, endpoint_id): &(AppId, String)| format!("{app_id} {endpoint_id}");
        let except: Vec<String> = claim.except.iter().map(name).collect();
        let parameters: &[Parameter<'_>] = &[
            &claim.claim_id,
            &claim.until.get(),
            &claim.now.get(),
            &except,
            &i64::from(claim.per_endpoint),
            &i64::from(claim.limit),
        ];
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                let mut claimed = Vec::new();
                if execute(&transaction, query, parameters).await? > 0 {
                    let query = format!("{DELIVERY} WHERE claim_id = $1 AND state = 'pending' ORDER BY delivery_id");
                    for delivery in rows(&transaction, &query, &[&claim.claim_id], delivery_of_row).await? {
                        let query = format!("{ENDPOINT} WHERE app_id = $1 AND endpoint_id = $2");
                        let key: &[Parameter<'_>] = &[&number(delivery.app_id), &delivery.endpoint_id];
                        // Gone in this moment, and its deliveries go with it.
                        let Some(endpoint) = row(&transaction, &query, key, endpoint_of_row).await? else { continue };
                        claimed.push(ClaimedDelivery { delivery, endpoint });
                    }
                }
                transaction.commit().await?;
                Ok(claimed)
            })
            .await
    }

    async fn finish_attempt(&self, attempt: FinishedAttempt) -> Result<bool, StoreError> {
        let FinishedAttempt { claim_id, delivery } = attempt;
        let query = "UPDATE webhook_deliveries SET state = $5, tries = $6, next_attempt_at = $7, attempts = $8,
                claim_id = NULL, claimed_until = 0
            WHERE app_id = $1 AND endpoint_id = $2 AND delivery_id = $3 AND claim_id = $4";
        let parameters: &[Parameter<'_>] = &[
            &number(delivery.app_id),
            &delivery.endpoint_id,
            &delivery.delivery_id,
            &claim_id,
            &delivery.state.as_str(),
            &i64::from(delivery.tries),
            &delivery.next_attempt_at.get(),
            &delivery.attempts,
        ];
        self.pool.run(async |client| Ok(execute(&client, query, parameters).await? == 1)).await
    }

    async fn deliveries(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError> {
        let query = format!(
            "{DELIVERY} WHERE app_id = $1 AND endpoint_id = $2 AND ($3::text IS NULL OR delivery_id < $3)
                ORDER BY delivery_id DESC LIMIT $4"
        );
        let parameters: &[Parameter<'_>] = &[&number(app_id), &endpoint_id, &before, &i64::from(limit)];
        self.pool.run(async |client| rows(&client, &query, parameters, delivery_of_row).await).await
    }

    async fn find_deliveries(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError> {
        let query = format!(
            "{DELIVERY} WHERE app_id = $1 AND endpoint_id = $2 AND ($3::text IS NULL OR delivery_id < $3)
                AND ($5::text IS NULL OR state = $5)
                AND ($6::text = '' OR delivery_id = $6 OR strpos(event, $6) > 0 OR strpos(body, $6) > 0)
                ORDER BY delivery_id DESC LIMIT $4"
        );
        let (state, search) = (filter.state.map(DeliveryState::as_str), &filter.search);
        let parameters: &[Parameter<'_>] = &[&number(app_id), &endpoint_id, &before, &i64::from(limit), &state, search];
        self.pool.run(async |client| rows(&client, &query, parameters, delivery_of_row).await).await
    }

    async fn requeue_delivery(
        &self,
        app_id: AppId,
        endpoint_id: &str,
        delivery_id: &str,
        now: UnixSeconds,
    ) -> Result<bool, StoreError> {
        let query = "UPDATE webhook_deliveries SET state = 'pending', tries = 0, next_attempt_at = $4,
                claim_id = NULL, claimed_until = 0
            WHERE app_id = $1 AND endpoint_id = $2 AND delivery_id = $3";
        let parameters: &[Parameter<'_>] = &[&number(app_id), &endpoint_id, &delivery_id, &now.get()];
        self.pool.run(async |client| Ok(execute(&client, query, parameters).await? == 1)).await
    }

    async fn forget_deliveries(&self, before: UnixSeconds, keep: u32, limit: u32) -> Result<usize, StoreError> {
        let aged = "DELETE FROM webhook_deliveries WHERE (app_id, endpoint_id, delivery_id) IN
            (SELECT app_id, endpoint_id, delivery_id FROM webhook_deliveries WHERE created_at < $1
                LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let beyond = "DELETE FROM webhook_deliveries WHERE state <> 'pending' AND (app_id, endpoint_id, delivery_id) IN
            (SELECT app_id, endpoint_id, delivery_id FROM
                (SELECT app_id, endpoint_id, delivery_id, row_number() OVER
                    (PARTITION BY app_id, endpoint_id ORDER BY delivery_id DESC) AS place
                FROM webhook_deliveries WHERE state <> 'pending') AS ranked
            WHERE place > $1 LIMIT $2)";
        let limit = i64::from(limit);
        let parameters: &[Parameter<'_>] = &[&before.get(), &limit];
        let aged = self.pool.run(async |client| execute(&client, aged, parameters).await).await?;
        let left = limit - i64::try_from(aged).unwrap_or(limit);
        let parameters: &[Parameter<'_>] = &[&i64::from(keep), &left];
        let beyond = self.pool.run(async |client| execute(&client, beyond, parameters).await).await?;
        Ok(usize::try_from(aged + beyond).unwrap_or(usize::MAX))
    }
}

/// Queues deliveries of one endpoint; says how many had no room. Nodes that queue at one moment may pass together: the
/// bound can be exceeded by what each of them writes at once.
async fn queue(
    transaction: &impl GenericClient,
    deliveries: &[NewDelivery],
    max_pending: u32,
) -> Result<u64, StoreError> {
    let Some(first) = deliveries.first() else { return Ok(0) };
    let endpoint: &[Parameter<'_>] = &[&number(first.app_id), &first.endpoint_id];
    let query = "SELECT (SELECT count(*) FROM webhook_deliveries
            WHERE app_id = $1 AND endpoint_id = $2 AND state = 'pending')
        FROM webhook_endpoints WHERE app_id = $1 AND endpoint_id = $2 FOR KEY SHARE";
    let waiting = row(transaction, query, endpoint, |row| Ok(row.try_get::<_, i64>(0)?)).await?;
    let Some(waiting) = waiting else { return Ok(0) };
    let room = usize::try_from(i64::from(max_pending) - waiting).unwrap_or_default();
    let (fitting, dropped) = deliveries.split_at(room.min(deliveries.len()));
    let column = |text: fn(&NewDelivery) -> &str| fitting.iter().map(text).collect::<Vec<&str>>();
    let ids = column(|delivery| &delivery.delivery_id);
    let (events, bodies) = (column(|delivery| &delivery.event), column(|delivery| &delivery.body));
    let times: Vec<i64> = fitting.iter().map(|delivery| delivery.now.get()).collect();
    let query = "INSERT INTO webhook_deliveries
            (app_id, endpoint_id, delivery_id, event, body, state, next_attempt_at, created_at)
        SELECT $1, $2, id, event, body, 'pending', at, at
        FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[]) AS new (id, event, body, at)
        ON CONFLICT DO NOTHING";
    let parameters: &[Parameter<'_>] = &[&number(first.app_id), &first.endpoint_id, &ids, &events, &bodies, &times];
    execute(transaction, query, parameters).await?;
    let dropped = dropped.len() as u64;
    if dropped > 0 {
        let query = "UPDATE webhook_endpoints SET dropped = dropped + $3 WHERE app_id = $1 AND endpoint_id = $2";
        let parameters: &[Parameter<'_>] = &[&number(first.app_id), &first.endpoint_id, &dropped.cast_signed()];
        execute(transaction, query, parameters).await?;
    }
    Ok(dropped)
}

fn previous_key(endpoint: &EndpointRecord) -> (Option<&[u8]>, Option<i64>) {
    endpoint.previous_key.as_ref().map(|(sealed, until)| (&sealed[..], until.get())).unzip()
}

fn endpoint_of_row(row: &Row) -> Result<EndpointRecord, StoreError> {
    let previous: Option<Vec<u8>> = row.try_get(6)?;
    let until: Option<i64> = row.try_get(7)?;
    Ok(EndpointRecord {
        app_id: app_id_of(row, 0)?,
        endpoint_id: row.try_get(1)?,
        version: row.try_get(2)?,
        settings: row.try_get(3)?,
        enabled: row.try_get(4)?,
        signing_key: row.try_get(5)?,
        previous_key: previous.zip(until.map(UnixSeconds::new)),
        dropped: row.try_get::<_, i64>(8)?.cast_unsigned(),
        created_at: UnixSeconds::new(row.try_get(9)?),
        updated_at: UnixSeconds::new(row.try_get(10)?),
    })
}

fn delivery_of_row(row: &Row) -> Result<DeliveryRecord, StoreError> {
    Ok(DeliveryRecord {
        app_id: app_id_of(row, 0)?,
        endpoint_id: row.try_get(1)?,
        delivery_id: row.try_get(2)?,
        event: row.try_get(3)?,
        body: row.try_get(4)?,
        state: DeliveryState::parse(row.try_get(5)?).ok_or_else(|| unreadable(row, 5))?,
        tries: u32::try_from(row.try_get::<_, i64>(6)?).map_err(|_| unreadable(row, 6))?,
        next_attempt_at: UnixSeconds::new(row.try_get(7)?),
        attempts: row.try_get(8)?,
        created_at: UnixSeconds::new(row.try_get(9)?),
    })
}
