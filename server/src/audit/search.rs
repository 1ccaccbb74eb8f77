//! Reading the trail: what somebody asks for, judged, and records as they are shown.

use std::sync::Arc;

use futures_util::{Stream, stream::try_unfold};
use roompass_wire::http::{self as wire, AuditQuery};
use token_gen::{AppId, UnixSeconds};
use tokio::sync::OwnedSemaphorePermit;

use super::verify;
use crate::{
    error::Error,
    limits::Places,
    store::{AuditFilter, AuditRecord, AuditWalk, Store},
};

/// How many records of an export are read at once.
const PAGE: u32 = 1_000;
/// No text of a record is longer.
const MAX_TEXT_BYTES: usize = 2_048;

/// What `query` asks for, in the app of the path if that names one.
///
/// # Errors
/// [`Error::BadRequest`].
pub fn filter(query: AuditQuery, of: Option<AppId>) -> Result<AuditFilter, Error> {
    let refuse = |reason: &str| Err(Error::BadRequest(reason.to_owned()));
    if of.is_some() && query.app_id.is_some() {
        return refuse("app_id is in the path already");
    }
    let asked = query.app_id.map(AppId::new).transpose().map_err(|error| Error::BadRequest(error.to_string()))?;
    let texts = [&query.reason, &query.actor, &query.user_id, &query.room_id, &query.token_id, &query.request_id];
    if texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT_BYTES || text.chars().any(char::is_control)) {
        return refuse("a parameter is too long or has control characters");
    }
    Ok(AuditFilter {
        app_id: of.or(asked),
        since: query.since.map(UnixSeconds::new),
        until: query.until.map(UnixSeconds::new),
        action: query.action.map(|action| action.as_str().to_owned()),
        result: query.result.map(|result| result.as_str().to_owned()),
        reason: query.reason,
        actor: query.actor,
        user_id: query.user_id,
        room_id: query.room_id,
        token_id: query.token_id,
        request_id: query.request_id,
    })
}

/// Up to `limit` records that `filter` lets through, if one of `searches` is free.
///
/// # Errors
/// [`Error::Busy`] if none is, [`Error::Store`].
pub async fn find(
    store: Arc<dyn Store>,
    searches: &Places,
    filter: AuditFilter,
    walk: AuditWalk,
    limit: u32,
) -> Result<Vec<(i64, AuditRecord)>, Error> {
    let place = searches.try_take().map_err(|_| Error::Busy)?;
    search(store, place, filter, walk, limit).await
}

/// Every record that `filter` lets through, the oldest first, a page at a time, each when one of `searches` is free.
pub fn export(
    store: Arc<dyn Store>,
    searches: Places,
    filter: AuditFilter,
) -> impl Stream<Item = Result<Vec<AuditRecord>, Error>> {
    try_unfold((store, searches, filter, 0), async |(store, searches, filter, after)| {
        // Given back with each page: who reads slowly keeps nobody waiting.
        let place = searches.take().await.map_err(|_| Error::Internal("places are not closed"))?;
        let page = search(Arc::clone(&store), place, filter.clone(), AuditWalk::Forth(after), PAGE).await?;
        let Some(&(last, _)) = page.last() else { return Ok(None) };
        Ok(Some((page.into_iter().map(|(_, record)| record).collect(), (store, searches, filter, last))))
    })
}

/// Searches to the end, also when nobody waits for it any more: the store is at work until then, and `place` is taken.
async fn search(
    store: Arc<dyn Store>,
    place: OwnedSemaphorePermit,
    filter: AuditFilter,
    walk: AuditWalk,
    limit: u32,
) -> Result<Vec<(i64, AuditRecord)>, Error> {
    let searching = tokio::spawn(async move {
        let found = store.audit_records(filter, walk, limit).await;
        drop(place);
        found
    });
    Ok(searching.await.map_err(|_| Error::Internal("a search panicked"))??)
}

/// A record as it is shown.
pub fn shown(record: AuditRecord) -> wire::AuditRecord {
    wire::AuditRecord {
        record: verify::name(record.chain, record.seq),
        at: record.at.get(),
        action: record.action.into_owned(),
        result: record.result.into_owned(),
        reason: record.reason.map(Into::into),
        app_id: record.app_id.map(AppId::get),
        actor: record.actor,
        source: record.source,
        user_id: record.user_id,
        room_id: record.room_id,
        token_id: record.token_id,
        target: record.target,
        rights: record.rights,
        expire_at: record.expire_at.map(UnixSeconds::get),
        request_id: record.request_id,
        session_id: record.session_id,
        details: record.details,
        hash: verify::hex(&record.hash),
    }
}
