//! Reading the trail: what somebody asks for, judged, and records as they are shown.

use futures_util::{Stream, stream::try_unfold};
use roompass_wire::http::{self as wire, AuditQuery};
use token_gen::{AppId, UnixSeconds};

use super::verify;
use crate::{
    error::Error,
    store::{AuditFilter, AuditRecord, AuditWalk, Store, StoreError},
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

/// Every record that `filter` lets through, the oldest first, a page at a time.
pub fn export<S: std::ops::Deref<Target = dyn Store>>(
    store: S,
    filter: AuditFilter,
) -> impl Stream<Item = Result<Vec<AuditRecord>, StoreError>> {
    try_unfold((store, filter, 0), async |(store, filter, after)| {
        let page = store.audit_records(filter.clone(), AuditWalk::Forth(after), PAGE).await?;
        let Some(&(last, _)) = page.last() else { return Ok(None) };
        Ok(Some((page.into_iter().map(|(_, record)| record).collect(), (store, filter, last))))
    })
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
