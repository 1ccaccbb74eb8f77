//! `/v1/apps/{app_id}/rooms`, `…/sessions` and `…/streams`: live rooms and the operator's hand in them

use std::sync::Arc;

use axum::{Json as Answer, extract::State};
use roompass_wire::{
    gateway::AuthKind,
    http::{
        AuthName, CloseRoomRequest, KickRequest, KickResponse, ListQuery, LiveSession, LiveSessionsQuery,
        LiveSessionsResponse, ReachedResponse, RoomMessageRequest, RoomQuery, RoomResponse, RoomStream, RoomSummary,
        RoomUser, RoomsResponse, SearchQuery, StopStreamRequest, WithholdRequest,
    },
};
use token_gen::RoomId;

use super::{
    auth::AppCaller,
    extract::{Json, Page, Query, searched},
    origin::Asking,
    streams,
};
use crate::{
    app::Service,
    apps::names::privileges,
    error::Error,
    gateway::SessionView,
    keys::Caller,
    lifecycle,
    media::Look,
    operator::{self, Kick, Kicked, Who},
    rooms::SessionId,
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
    let is_wanted = |room_id: &str| room_id.starts_with(&caller.scope.room_prefix) && room_id.contains(&search);
    let mut found = service.gateway.rooms().overview(caller.app_id, is_wanted, after, limit);
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|last| last.room_id.clone());
    let summary = |room: crate::rooms::Overview| RoomSummary {
        room_id: room.room_id,
        user_count: room.user_count as u64,
        stream_count: room.stream_count as u64,
    };
    let rooms = found.into_iter().map(summary).collect();
    Ok(Answer(RoomsResponse { rooms, cursor, server_time: service.clock.now().get() }))
}

/// Shows a room.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<RoomQuery>,
) -> Result<Answer<RoomResponse>, Error> {
    let room_id = reached(&caller, query.room_id)?;
    let found = service.gateway.rooms().snapshot(caller.app_id, &room_id).ok_or(Error::Missing("room"))?;
    let user = |user: roompass_wire::gateway::User| RoomUser { user_id: user.user_id, user_name: user.user_name };
    let stream =
        |stream: roompass_wire::gateway::Stream| RoomStream { stream_id: stream.stream_id, user_id: stream.user_id };
    Ok(Answer(RoomResponse {
        room_id,
        users: found.users.into_iter().map(user).collect(),
        streams: found.streams.into_iter().map(stream).collect(),
        server_time: service.clock.now().get(),
    }))
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
    let mut found = operator::sessions(&service, &caller, &who);
    let is_on_page = |session: &SessionView| page.after.as_ref().is_none_or(|after| session.session_id > *after);
    found.retain(|session| session.user_id.contains(&search) && is_on_page(session));
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|last| last.session_id.clone());
    let look = service.media.look(caller.app_id).await;
    let sessions = found.into_iter().map(|view| session(view, &look)).collect();
    Ok(Answer(LiveSessionsResponse { sessions, cursor, server_time: service.clock.now().get() }))
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
    let kicked = operator::kick(&service, &caller, origin, kick).await?;
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
    let kicked = operator::kick(&service, &caller, origin, kick).await?;
    Ok(Answer(response(kicked, &service)))
}

/// Takes privileges from a live session, or gives them back.
pub(super) async fn withhold(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<WithholdRequest>,
) -> Result<Answer<ReachedResponse>, Error> {
    let count = operator::withhold(&service, &caller, origin, request.session_id, request.withhold)?;
    Ok(Answer(done(count, &service)))
}

/// Stops a stream.
pub(super) async fn stop_stream(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<StopStreamRequest>,
) -> Result<Answer<ReachedResponse>, Error> {
    let count = operator::stop_stream(&service, &caller, origin, request.stream_id)?;
    Ok(Answer(done(count, &service)))
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
    let count = operator::say(&service, &caller, origin, who, text)?;
    Ok(Answer(done(count, &service)))
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
        session_ids: kicked.sessions.into_iter().map(|session| session.session_id).collect(),
        revoked_tokens: kicked.revoked.len() as u64,
        server_time: service.clock.now().get(),
    }
}

fn done(count: usize, service: &Service) -> ReachedResponse {
    ReachedResponse { session_count: count as u64, server_time: service.clock.now().get() }
}

fn session(view: SessionView, look: &Look) -> LiveSession {
    LiveSession {
        media: look.session(&view.room_id, &view.user_id).map(streams::of_session),
        session_id: view.session_id,
        user_id: view.user_id,
        room_id: view.room_id,
        auth: match view.auth {
            AuthKind::AppSign => AuthName::AppSign,
            _ => AuthName::Token,
        },
        since: view.since.get(),
        source: view.address.to_string(),
        privileges: view.privileges.iter().map(privileges::name).collect(),
        withheld: view.withheld,
        token_id: view.token.map(|token| token.token_id.into()),
        expire_at: view.token.map(|token| token.expire_at.get()),
    }
}
