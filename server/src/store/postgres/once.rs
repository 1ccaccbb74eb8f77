//! Requests that are done once, in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::GenericClient;
use token_gen::UnixSeconds;

use super::{Parameter, PostgresStore, execute, hash_of, row};
use crate::store::{Claim, Claimed, OnceStore, RequestName, StoreError};

#[async_trait]
impl OnceStore for PostgresStore {
    async fn claim_request(&self, claim: Claim) -> Result<Claimed, StoreError> {
        self.pool
            .run(async |mut client| {
                let transaction = client.transaction().await?;
                // A row that is not there yet cannot be locked, so its name is.
                let query = "SELECT pg_advisory_xact_lock(hashtextextended('claim ' || $1::text, $2))";
                let parameters: &[Parameter<'_>] = &[&claim.name.request_id, &i64::from(claim.name.app_id)];
                row(&transaction, query, parameters, |_| Ok(())).await?;
                let claimed = claim_request(&transaction, &claim).await?;
                transaction.commit().await?;
                Ok(claimed)
            })
            .await
    }

    async fn answer_request(&self, name: RequestName, attempt: i64, answer: Vec<u8>) -> Result<bool, StoreError> {
        let query = "UPDATE idempotent_requests SET answer = $4, size_bytes = octet_length($4::bytea)
            WHERE app_id = $1 AND request_id = $2 AND attempt = $3 AND answer IS NULL";
        let parameters: &[Parameter<'_>] = &[&i64::from(name.app_id), &name.request_id, &attempt, &answer];
        self.pool.run(async |client| Ok(execute(&client, query, parameters).await? == 1)).await
    }

    async fn release_request(&self, name: RequestName, attempt: i64) -> Result<(), StoreError> {
        let query = "DELETE FROM idempotent_requests
            WHERE app_id = $1 AND request_id = $2 AND attempt = $3 AND answer IS NULL";
        let parameters: &[Parameter<'_>] = &[&i64::from(name.app_id), &name.request_id, &attempt];
        self.pool.run(async |client| execute(&client, query, parameters).await.map(drop)).await
    }

    async fn delete_ended_requests(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.delete_ended("idempotent_requests", "app_id, request_id", now, limit).await
    }
}

struct Known {
    fingerprint: [u8; 32],
    attempt: i64,
    claimed_at: i64,
    expire_at: i64,
    answer: Option<Vec<u8>>,
}

async fn claim_request(transaction: &impl GenericClient, claim: &Claim) -> Result<Claimed, StoreError> {
    let attempt = match known(transaction, &claim.name).await? {
        Some(known) if known.expire_at <= claim.now.get() => known.attempt,
        Some(known) if known.fingerprint != claim.fingerprint => return Ok(Claimed::Differs),
        Some(Known { answer: Some(answer), .. }) => return Ok(Claimed::Done(answer)),
        Some(known) if known.claimed_at >= claim.given_up_before.get() => return Ok(Claimed::Busy),
        Some(known) => known.attempt,
        None if !has_room(transaction, claim).await? => return Ok(Claimed::Full),
        None => 0,
    } + 1;
    let query = "INSERT INTO idempotent_requests
            (app_id, request_id, fingerprint, attempt, claimed_at, expire_at, answer, size_bytes)
        VALUES ($1, $2, $3, $4, $5, $6, NULL, 0)
        ON CONFLICT (app_id, request_id) DO UPDATE SET
            fingerprint = excluded.fingerprint, attempt = excluded.attempt, claimed_at = excluded.claimed_at,
            expire_at = excluded.expire_at, answer = NULL, size_bytes = 0";
    let parameters: &[Parameter<'_>] = &[
        &i64::from(claim.name.app_id),
        &claim.name.request_id,
        &&claim.fingerprint[..],
        &attempt,
        &claim.now.get(),
        &claim.expire_at.get(),
    ];
    execute(transaction, query, parameters).await?;
    Ok(Claimed::Mine(attempt))
}

async fn known(transaction: &impl GenericClient, name: &RequestName) -> Result<Option<Known>, StoreError> {
    let query = "SELECT fingerprint, attempt, claimed_at, expire_at, answer FROM idempotent_requests
        WHERE app_id = $1 AND request_id = $2";
    row(transaction, query, &[&i64::from(name.app_id), &name.request_id], |row| {
        Ok(Known {
            fingerprint: hash_of(row, 0)?,
            attempt: row.try_get(1)?,
            claimed_at: row.try_get(2)?,
            expire_at: row.try_get(3)?,
            answer: row.try_get(4)?,
        })
    })
    .await
}

/// Claims of one app at one moment may pass together: the bound can be exceeded by as many as there are connections.
async fn has_room(transaction: &impl GenericClient, claim: &Claim) -> Result<bool, StoreError> {
    let query = "SELECT count(*) < $2 AND coalesce(sum(size_bytes), 0)::bigint < $3
        FROM idempotent_requests WHERE app_id = $1";
    let max_bytes = i64::try_from(claim.max_bytes).unwrap_or(i64::MAX);
    let parameters: &[Parameter<'_>] = &[&i64::from(claim.name.app_id), &i64::from(claim.max_requests), &max_bytes];
    Ok(row(transaction, query, parameters, |row| Ok(row.try_get(0)?)).await?.unwrap_or_default())
}
