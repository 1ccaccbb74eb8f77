//! `/v1/apps/{app_id}/rooms`, `…/sessions` and `…/streams`: live rooms and the operator's hand in them

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use roompass_wire::http::{
    CloseRoomRequest, KickRequest, KickResponse, ListQuery, LiveSessionsQuery, LiveSessionsResponse, ReachedResponse,
    RoomMessageRequest, RoomQuery, RoomResponse, RoomSummary, RoomsResponse, SearchQuery, StopStreamRequest, Unreached,
    WithholdRequest,
};
use token_gen::RoomId;

use super::{
    auth::AppCaller,
    extract::{Json, Page, Query, searched},
    origin::Asking,
};
use crate::{
    app::Service,
    error::Error,
    keys::Caller,
    lifecycle, nodes,
    operator::{self, Kick, Kicked, Reached, RoomNow, Who},
    rooms::{Overview, SessionId},
};

/// Lists rooms.
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<SearchQuery>,
) -> Result<Answer<RoomsResponse>, Error> {
    let (query, search) = query.split();
    let (page, search) = (Page::of(&query, |cursor| RoomId::new(cursor).ok())?, searched(search)?);
    let after = page.after.as_ref().map_or("", RoomId::as_str);
    let limit = page.limit as usize + 1;
    let Reached { what: mut found, unreached } = operator::rooms(&service, &caller, &search, after, limit).await?;
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|last| last.room_id.clone());
    let summary = |room: Overview| RoomSummary {
        room_id: room.room_id,
        user_count: room.user_count as u64,
        stream_count: room.stream_count as u64,
    };
    let rooms = found.into_iter().map(summary).collect();
    let server_time = service.clock.now().get();
    Ok(Answer(RoomsResponse { rooms, cursor, unreached: missing(&unreached), server_time }))
}

/// Shows a room.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<RoomQuery>,
) -> Result<Answer<RoomResponse>, Error> {
    let room_id = reached(&caller, query.room_id)?;
    let Reached { what: RoomNow { users, streams }, unreached } = operator::room(&service, &caller, &room_id).await?;
    let server_time = service.clock.now().get();
    Ok(Answer(RoomResponse { room_id, users, streams, unreached: missing(&unreached), server_time }))
}

/// Lists live sessions.
pub(super) async fn sessions(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<LiveSessionsQuery>,
) -> Result<Answer<LiveSessionsResponse>, Error> {
    let LiveSessionsQuery { room_id, user_id, search, limit, cursor } = query;
    let search = searched(search.unwrap_or_default())?;
    let page = Page::of(&ListQuery { limit, cursor }, |cursor| is_session_id(cursor).then(|| cursor.to_owned()))?;
    let who = match (user_id, room_id) {
        (Some(user_id), room_id) => Who::User { user_id, room_id },
        (None, Some(room_id)) => Who::Room { room_id },
        (None, None) => Who::All,
    };
    let (after, limit) = (page.after.as_deref().unwrap_or_default(), page.limit as usize + 1);
    let Reached { what: mut sessions, unreached } =
        operator::sessions(&service, &caller, &who, &search, after, limit).await?;
    let more = page.cut(&mut sessions);
    let cursor = sessions.last().filter(|_| more).map(|last| last.session_id.clone());
    let server_time = service.clock.now().get();
    Ok(Answer(LiveSessionsResponse { sessions, cursor, unreached: missing(&unreached), server_time }))
}

/// Removes users from rooms.
pub(super) async fn kick(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<KickRequest>,
) -> Result<Answer<KickResponse>, Error> {
    let KickRequest { session_id, user_id, room_id, reason, keep_token, ban_secs } = request;
    let who = match (session_id, user_id, room_id) {
        (Some(session_id), None, None) => Who::Session { session_id },
        (None, Some(user_id), room_id) => Who::User { user_id, room_id },
        (Some(_), ..) => return Err(Error::field("session_id", "cannot go together with user_id or room_id")),
        (None, None, _) => return Err(Error::field("user_id", "is needed, or session_id")),
    };
    let now = service.clock.now();
    let kick = Kick {
        who,
        reason: lifecycle::reason(reason.as_deref())?,
        keep_tokens: keep_token,
        ban_until: match ban_secs {
            None => None,
            secs => lifecycle::duration(secs, now)
                .map_err(|_| Error::field("ban_secs", "must be at least 1, and no more than a hundred years"))?,
        },
    };
    let kicked = operator::kick(Arc::clone(&service), (*caller).clone(), origin, kick).await?;
    Ok(Answer(response(kicked, &service)))
}

/// Removes everybody from a room.
pub(super) async fn close(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<CloseRoomRequest>,
) -> Result<Answer<KickResponse>, Error> {
    let CloseRoomRequest { room_id, reason, keep_tokens } = request;
    let who = Who::Room { room_id: reached(&caller, room_id)? };
    let kick = Kick { who, reason: lifecycle::reason(reason.as_deref())?, keep_tokens, ban_until: None };
    let kicked = operator::kick(Arc::clone(&service), (*caller).clone(), origin, kick).await?;
    Ok(Answer(response(kicked, &service)))
}

/// Takes privileges from a live session, or gives them back.
pub(super) async fn withhold(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<WithholdRequest>,
) -> Result<Answer<ReachedResponse>, Error> {
    let reached =
        operator::withhold(Arc::clone(&service), (*caller).clone(), origin, request.session_id, request.withhold)
            .await?;
    Ok(Answer(done(&reached, &service)))
}

/// Stops a stream.
pub(super) async fn stop_stream(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<StopStreamRequest>,
) -> Result<Answer<ReachedResponse>, Error> {
    let reached = operator::stop_stream(Arc::clone(&service), (*caller).clone(), origin, request.stream_id).await?;
    Ok(Answer(done(&reached, &service)))
}

/// Says something to a room or to a user in it.
pub(super) async fn message(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<RoomMessageRequest>,
) -> Result<Answer<ReachedResponse>, Error> {
    let RoomMessageRequest { room_id, user_id, text } = request;
    let who = match user_id {
        Some(user_id) => Who::User { user_id, room_id: Some(room_id) },
        None => Who::Room { room_id },
    };
    let reached = operator::say(Arc::clone(&service), (*caller).clone(), origin, who, text).await?;
    Ok(Answer(done(&reached, &service)))
}

/// A room that the caller's key reaches.
fn reached(caller: &Caller, room_id: String) -> Result<String, Error> {
    if room_id.starts_with(&caller.scope.room_prefix) { Ok(room_id) } else { Err(Error::Missing("room")) }
}

fn is_session_id(text: &str) -> bool {
    SessionId::parse(text).is_some()
}

fn response(kicked: Kicked, service: &Service) -> KickResponse {
    KickResponse {
        session_ids: kicked.session_ids,
        revoked_tokens: kicked.revoked as u64,
        unreached: missing(&kicked.unreached),
        server_time: service.clock.now().get(),
    }
}

fn done(reached: &Reached<usize>, service: &Service) -> ReachedResponse {
    ReachedResponse {
        session_count: reached.what as u64,
        unreached: missing(&reached.unreached),
        server_time: service.clock.now().get(),
    }
}

/// Whom an answer lacks, if anybody.
pub(super) fn missing(nodes::Unreached { silent, bus_away }: &nodes::Unreached) -> Option<Unreached> {
    let is_whole = silent.is_empty() && !bus_away;
    let silent_nodes = silent.iter().map(ToString::to_string).collect();
    (!is_whole).then_some(Unreached { silent_nodes, bus_away: *bus_away })
}
