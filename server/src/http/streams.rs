//! `/v1/apps/{app_id}/streams`: the streams being published, with what is measured of their sound and pictures; and, of one,
//! who receives it

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use roompass_wire::http::{ListQuery, ReceiversQuery, ReceiversResponse, StreamsQuery, StreamsResponse};
use token_gen::{StreamId, UserId};

use super::{
    auth::AppCaller,
    extract::{Page, Query, searched},
    rooms::missing,
};
use crate::{
    app::Service,
    error::Error,
    operator::{self, Reached},
};

/// Lists streams.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<StreamsQuery>,
) -> Result<Answer<StreamsResponse>, Error> {
    let StreamsQuery { room_id, user_id, search, limit, cursor } = query;
    let search = searched(search.unwrap_or_default())?;
    let page = Page::of(&ListQuery { limit, cursor }, |cursor| StreamId::new(cursor).ok())?;
    let after = page.after.as_ref().map_or("", StreamId::as_str);
    let limit = page.limit as usize + 1;
    let Reached { what: mut streams, unreached } =
        operator::streams(&service, &caller, (room_id, user_id), &search, after, limit).await?;
    let more = page.cut(&mut streams);
    let cursor = streams.last().filter(|_| more).map(|last| last.stream_id.clone());
    let server_time = service.clock.now().get();
    Ok(Answer(StreamsResponse { streams, cursor, unreached: missing(&unreached), server_time }))
}

/// Lists who receives a stream.
pub(super) async fn receivers(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<ReceiversQuery>,
) -> Result<Answer<ReceiversResponse>, Error> {
    let ReceiversQuery { stream_id, search, limit, cursor } = query;
    let search = searched(search.unwrap_or_default())?;
    let page = Page::of(&ListQuery { limit, cursor }, |cursor| UserId::new(cursor).ok())?;
    let after = page.after.as_ref().map_or("", UserId::as_str);
    let limit = page.limit as usize + 1;
    let Reached { what: mut receivers, unreached } =
        operator::receivers(&service, &caller, stream_id, &search, after, limit).await?;
    let more = page.cut(&mut receivers);
    let cursor = receivers.last().filter(|_| more).map(|last| last.user_id.clone());
    let server_time = service.clock.now().get();
    Ok(Answer(ReceiversResponse { receivers, cursor, unreached: missing(&unreached), server_time }))
}
