//! Requests that are done once, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use token_gen::UnixSeconds;

use super::SqliteStore;
use crate::store::{Claim, Claimed, OnceStore, RequestName, StoreError};

#[async_trait]
impl OnceStore for SqliteStore {
    async fn claim_request(&self, claim: Claim) -> Result<Claimed, StoreError> {
        self.writer.write(move |connection| claim_request(connection, &claim)).await
    }

    async fn answer_request(&self, name: RequestName, attempt: i64, answer: Vec<u8>) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                let size = i64::try_from(answer.len()).unwrap_or(i64::MAX);
                let query = "UPDATE idempotent_requests SET answer = ?4, size_bytes = ?5
                    WHERE app_id = ?1 AND request_id = ?2 AND attempt = ?3 AND answer IS NULL";
                Ok(connection.execute(query, params![name.app_id, name.request_id, attempt, answer, size])? == 1)
            })
            .await
    }

    async fn release_request(&self, name: RequestName, attempt: i64) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM idempotent_requests
                    WHERE app_id = ?1 AND request_id = ?2 AND attempt = ?3 AND answer IS NULL";
                connection.execute(query, params![name.app_id, name.request_id, attempt])?;
                Ok(())
            })
            .await
    }

    async fn delete_ended_requests(&self, now: UnixSeconds, limit: u32) -> Result<usize, StoreError> {
        self.writer
            .write(move |connection| {
                let query = "DELETE FROM idempotent_requests WHERE (app_id, request_id) IN
                    (SELECT app_id, request_id FROM idempotent_requests WHERE expire_at <= ?1 LIMIT ?2)";
                Ok(connection.execute(query, params![now.get(), limit])?)
            })
            .await
    }
}

struct Known {
    fingerprint: [u8; 32],
    attempt: i64,
    claimed_at: i64,
    expire_at: i64,
    answer: Option<Vec<u8>>,
}

fn claim_request(connection: &Connection, claim: &Claim) -> Result<Claimed, StoreError> {
    let known = known(connection, &claim.name)?;
    let attempt = match known {
        Some(known) if known.expire_at <= claim.now.get() => known.attempt,
        Some(known) if known.fingerprint != claim.fingerprint => return Ok(Claimed::Differs),
        Some(Known { answer: Some(answer), .. }) => return Ok(Claimed::Done(answer)),
        Some(known) if known.claimed_at >= claim.given_up_before.get() => return Ok(Claimed::Busy),
        Some(known) => known.attempt,
        None if !has_room(connection, claim)? => return Ok(Claimed::Full),
        None => 0,
    } + 1;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotent_requests
                 (app_id, request_id, fingerprint, attempt, claimed_at, expire_at, answer, size_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, 0)",
        )?
        .execute(params![
            claim.name.app_id,
            claim.name.request_id,
            claim.fingerprint,
            attempt,
            claim.now.get(),
            claim.expire_at.get()
        ])?;
    Ok(Claimed::Mine(attempt))
}

fn known(connection: &Connection, name: &RequestName) -> Result<Option<Known>, StoreError> {
    let query = "SELECT fingerprint, attempt, claimed_at, expire_at, answer FROM idempotent_requests
        WHERE app_id = ?1 AND request_id = ?2";
    let known = connection.prepare_cached(query)?.query_row(params![name.app_id, name.request_id], |row| {
        Ok(Known {
            fingerprint: row.get(0)?,
            attempt: row.get(1)?,
            claimed_at: row.get(2)?,
            expire_at: row.get(3)?,
            answer: row.get(4)?,
        })
    });
    Ok(known.optional()?)
}

fn has_room(connection: &Connection, claim: &Claim) -> Result<bool, StoreError> {
    let query = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM idempotent_requests WHERE app_id = ?1";
    let (requests, bytes): (u32, i64) =
        connection.prepare_cached(query)?.query_row([claim.name.app_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(requests < claim.max_requests && u64::try_from(bytes).unwrap_or_default() < claim.max_bytes)
}
