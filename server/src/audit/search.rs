//! Reading the trail: what somebody asks for, judged, records as they are shown, and refusals as they are counted.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use futures_util::{Stream, stream::try_unfold};
use roompass_wire::http::{self as wire, AuditQuery, RefusalReason, RefusalsQuery, RefusalsResponse};
use token_gen::{AppId, UnixSeconds};
use tokio::sync::OwnedSemaphorePermit;

use super::{reasons, verify};
use crate::{
    error::Error,
    limits::Places,
    store::{AuditFilter, AuditRecord, AuditWalk, RefusalCounts, RefusalSpans, Store},
};

/// How many records of an export are read at once.
const PAGE: u32 = 1_000;
/// No text of a record is longer.
const MAX_TEXT_BYTES: usize = 2_048;
/// How far back refusals are counted if nobody says.
const USUAL_SECS: i64 = 3_600;
/// The most spans that refusals are counted in.
const MAX_SPANS: i64 = 500;
/// Spans that people can read off a clock, and how many of them make a good picture.
const GOOD_SPANS: [u32; 8] = [10, 30, 60, 300, 900, 3_600, 21_600, 86_400];
const GOOD_NUMBER: i64 = 120;

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

/// What was refused over time, if one of `searches` is free.
///
/// # Errors
/// [`Error::BadRequest`], [`Error::Busy`], [`Error::Store`].
pub async fn count_refusals(
    store: Arc<dyn Store>,
    searches: &Places,
    query: &RefusalsQuery,
    of: Option<AppId>,
    now: UnixSeconds,
) -> Result<RefusalsResponse, Error> {
    let which = spans(query, of, now)?;
    let place = searches.try_take().map_err(|_| Error::Busy)?;
    let asked = which.clone();
    let counted = to_the_end(place, async move { store.count_refusals(asked).await }).await?;
    Ok(refusals(&which, counted, now))
}

/// Which spans of time, judged: from a full one to a full one.
fn spans(query: &RefusalsQuery, of: Option<AppId>, now: UnixSeconds) -> Result<RefusalSpans, Error> {
    let refuse = |reason: &str| Err(Error::BadRequest(reason.to_owned()));
    if of.is_some() && query.app_id.is_some() {
        return refuse("app_id is in the path already");
    }
    let asked = query.app_id.map(AppId::new).transpose().map_err(|error| Error::BadRequest(error.to_string()))?;
    let until = query.until.unwrap_or(now.get() + 1);
    let since = query.since.unwrap_or(until.saturating_sub(USUAL_SECS));
    let whole = until.checked_sub(since).filter(|&whole| whole > 0 && since >= 0);
    let Some(whole) = whole else { return refuse("until must be later than since, and neither before 1970") };
    let good = || GOOD_SPANS.into_iter().find(|&span| whole <= GOOD_NUMBER * i64::from(span));
    let Some(span_secs) = query.span_secs.or_else(good) else {
        return refuse("so long a time needs span_secs");
    };
    if !(1..=86_400).contains(&span_secs) || whole / i64::from(span_secs) >= MAX_SPANS {
        return refuse("span_secs must be 1 to 86400, and long enough for at most 500 spans");
    }
    let span = i64::from(span_secs);
    let (since, until) = (since - since % span, until.saturating_add((span - until % span) % span));
    let action = query.action.map(|action| action.as_str().to_owned());
    Ok(RefusalSpans { app_id: of.or(asked), since: since.into(), until: until.into(), span_secs, action })
}

fn refusals(which: &RefusalSpans, counted: RefusalCounts, now: UnixSeconds) -> RefusalsResponse {
    let (since, until) = (which.since.get(), which.until.get());
    let spans = usize::try_from((until - since) / i64::from(which.span_secs)).unwrap_or_default();
    let mut by_reason = BTreeMap::<(String, String), Vec<u64>>::new();
    for one in counted.counts {
        let counts = by_reason.entry((one.action, one.reason)).or_insert_with(|| vec![0; spans]);
        if let Some(count) = counts.get_mut(one.span) {
            *count = one.count;
        }
    }
    let reason = |((action, reason), counts): ((String, String), Vec<u64>)| {
        let meaning = reasons::meaning(&reason);
        let (title, remedy) = (meaning.title.to_owned(), meaning.remedy.to_owned());
        RefusalReason { action, reason, title, remedy, count: counts.iter().sum(), counts }
    };
    let mut reasons: Vec<RefusalReason> = by_reason.into_iter().map(reason).collect();
    reasons.sort_by_key(|reason| Reverse(reason.count));
    let is_complete = !counted.some_left_out;
    RefusalsResponse { since, until, span_secs: which.span_secs, reasons, is_complete, server_time: now.get() }
}

/// Searches to the end, also when nobody waits for it any more: the store is at work until then, and `place` is taken.
async fn search(
    store: Arc<dyn Store>,
    place: OwnedSemaphorePermit,
    filter: AuditFilter,
    walk: AuditWalk,
    limit: u32,
) -> Result<Vec<(i64, AuditRecord)>, Error> {
    to_the_end(place, async move { store.audit_records(filter, walk, limit).await }).await
}

/// Searches, and keeps `place` until the store has done so, even if nobody waits for it any more.
///
/// # Errors
/// Those of the search.
pub async fn to_the_end<T: Send + 'static, E: Into<Error> + Send + 'static>(
    place: OwnedSemaphorePermit,
    search: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Error> {
    let searching = tokio::spawn(async move {
        let found = search.await;
        drop(place);
        found
    });
    searching.await.map_err(|_| Error::Internal("a search panicked"))?.map_err(Into::into)
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = UnixSeconds::new(1_800_000_123);

    fn asked(since: i64, until: i64, span_secs: Option<u32>) -> Result<(i64, i64, u32), Error> {
        let query = RefusalsQuery { since: Some(since), until: Some(until), span_secs, ..RefusalsQuery::default() };
        spans(&query, None, NOW).map(|which| (which.since.get(), which.until.get(), which.span_secs))
    }

    #[test]
    fn spans_are_whole_and_as_long_as_the_time_needs() {
        let usual = spans(&RefusalsQuery::default(), None, NOW).unwrap();
        assert_eq!((usual.since.get(), usual.until.get(), usual.span_secs), (1_799_996_520, 1_800_000_150, 30));
        for (since, until, span_secs, expected) in [
            (1_000, 1_001, None, (1_000, 1_010, 10)),
            (1_000, 2_000, Some(600), (600, 2_400, 600)),
            (0, 86_400, None, (0, 86_400, 900)),
            (0, 7 * 86_400, None, (0, 7 * 86_400, 21_600)),
            (0, 400 * 86_400, Some(86_400), (0, 400 * 86_400, 86_400)),
        ] {
            assert_eq!(asked(since, until, span_secs).unwrap(), expected);
        }
        for (since, until, span_secs) in [
            (5, 5, None),
            (6, 5, None),
            (-1, 5, None),
            (i64::MIN, i64::MAX, None),
            (0, i64::MAX, Some(86_400)),
            (0, 10, Some(0)),
            (0, 500, Some(1)),
            (0, 400 * 86_400, None),
        ] {
            assert!(asked(since, until, span_secs).is_err(), "{since} {until} {span_secs:?}");
        }
    }
}
