//! `/v1/audit`, `/v1/apps/{app_id}/audit`, and `…/export`

use std::sync::Arc;

use axum::{
    Json as Answer,
    body::Body,
    extract::State,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;
use roompass_wire::http::{AuditQuery, AuditResponse, ListQuery};
use token_gen::AppId;

use super::{
    auth::AppCaller,
    extract::{Page, Query},
};
use crate::{
    app::Service,
    audit,
    error::Error,
    keys::Caller,
    limits::Places,
    store::{AuditRecord, AuditWalk},
};

const JSON_LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// Lists what happened, whatever app it was about.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Query(query): Query<AuditQuery>,
) -> Result<Answer<AuditResponse>, Error> {
    page(&service, query, None).await
}

/// Lists what happened in an app.
pub(super) async fn list_of_app(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<AuditQuery>,
) -> Result<Answer<AuditResponse>, Error> {
    page(&service, query, Some(app_of(&caller)?)).await
}

/// Hands out all of it.
pub(super) async fn export(
    State(service): State<Arc<Service>>,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Error> {
    lines(&service, query, None)
}

/// Hands out all of an app.
pub(super) async fn export_of_app(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Error> {
    lines(&service, query, Some(app_of(&caller)?))
}

/// The trail tells of every room, so a key that is bound to some does not read it.
pub(super) fn app_of(caller: &Caller) -> Result<AppId, Error> {
    if caller.scope.room_prefix.is_empty() {
        return Ok(caller.app_id);
    }
    Err(Error::NotAllowed("this key is bound to rooms, and the audit trail tells of all"))
}

async fn page(service: &Service, query: AuditQuery, of: Option<AppId>) -> Result<Answer<AuditResponse>, Error> {
    let list = ListQuery { limit: query.limit, cursor: query.cursor.clone() };
    let page = Page::of(&list, |cursor| cursor.parse::<i64>().ok().filter(|&place| place > 0))?;
    let filter = audit::filter(query, of)?;
    let (store, searches) = (Arc::clone(&service.store), searches(service, of));
    let mut found = audit::find(store, searches, filter, AuditWalk::Back(page.after), page.limit + 1).await?;
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|(place, _)| place.to_string());
    let records = found.into_iter().map(|(_, record)| audit::shown(record)).collect();
    Ok(Answer(AuditResponse { records, cursor, server_time: service.clock.now().get() }))
}

fn lines(service: &Service, query: AuditQuery, of: Option<AppId>) -> Result<Response, Error> {
    if query.limit.is_some() || query.cursor.is_some() {
        return Err(Error::BadRequest("an export is whole: it has no limit and no cursor".to_owned()));
    }
    let searches = searches(service, of).clone();
    let pages = audit::export(Arc::clone(&service.store), searches, audit::filter(query, of)?);
    let body = Body::from_stream(pages.map_ok(|page| page.into_iter().map(line).collect::<String>()));
    Ok(([(CONTENT_TYPE, JSON_LINES)], body).into_response())
}

/// The places for searches in an app, or in all.
fn searches(service: &Service, of: Option<AppId>) -> &Places {
    if of.is_some() { service.limits.searches() } else { service.limits.operator_searches() }
}

/// A record as a line of JSON.
pub(crate) fn line(record: AuditRecord) -> String {
    // Names, numbers and texts into memory: serde_json has no way to fail here.
    serde_json::to_string(&audit::shown(record)).unwrap_or_default() + "\n"
}
