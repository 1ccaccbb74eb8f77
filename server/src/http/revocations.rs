//! `/v1/apps/{app_id}/tokens/revoke`, `…/revocations` and `…/bans`

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::{RawPathParams, State},
};
use roompass_wire::http::{
    Ban, BanKind, BanRequest, BanResponse, BansResponse, LiftBanResponse, Revocation, RevocationKind,
    RevocationsResponse, RevokeRequest, RevokeResponse, SearchQuery,
};
use token_gen::UnixSeconds;

use super::{
    auth::AppCaller,
    extract::{Json, Page, Query, searched},
    origin::Asking,
};
use crate::{
    app::Service,
    audit, bans,
    entry_id::EntryId,
    error::Error,
    keys::Caller,
    lifecycle::{self, Ending},
    revocations::{self, Target},
    tokens::{Attempt, Checked},
};

/// Ends tokens early.
pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<RevokeRequest>,
) -> Result<Answer<RevokeResponse>, Error> {
    let now = service.clock.now();
    let shown = request.token.as_deref().and_then(|token| checked(&service, &caller, token, now));
    let target = lifecycle::revocation_target(&caller.scope, &request, shown.as_ref())?;
    let ending = Ending {
        issued_before: lifecycle::issued_before(&target, request.issued_before, now)?,
        // Past its own end the token is refused anyway. Only a tag proves what that end is.
        expire_at: shown.filter(Checked::is_authentic).map(|checked| checked.claims.expire_at),
        reason: lifecycle::reason(request.reason.as_deref())?,
        target,
    };
    let kept = service.lifecycle.by(origin).revoke(&caller, ending, now).await?;
    Ok(Answer(RevokeResponse { revocation: revocation(kept), server_time: now.get() }))
}

/// The token, if it is good.
fn checked(service: &Service, caller: &Caller, token: &str, now: UnixSeconds) -> Option<Checked> {
    let app = service.directory.app(caller.app_id)?;
    let token = token.split_once('#').map_or(token, |(token, _)| token);
    service.tokens.check(&app, token, Attempt { source: Some(&caller.key_id), ..Attempt::default() }, now).ok()
}

/// The lists tell of every room, so a key that is bound to some does not read them.
fn reads_every_room(caller: &Caller) -> Result<(), Error> {
    if caller.scope.room_prefix.is_empty() {
        return Ok(());
    }
    Err(Error::NotAllowed("this key is bound to rooms, and the lists tell of all"))
}

/// A list from the store. Looking for a text goes through all there is, so there are few places for that.
pub(super) async fn listed<T: Send + 'static>(
    service: &Service,
    is_search: bool,
    list: impl Future<Output = Result<Vec<T>, Error>> + Send + 'static,
) -> Result<Vec<T>, Error> {
    if !is_search {
        return list.await;
    }
    let place = service.limits.searches().try_take().map_err(|_| Error::Busy)?;
    audit::to_the_end(place, list).await
}

/// Lists live revocations.
pub(super) async fn revocations(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<SearchQuery>,
) -> Result<Answer<RevocationsResponse>, Error> {
    reads_every_room(&caller)?;
    let (query, search) = query.split();
    let (page, search) = (Page::of(&query, EntryId::parse)?, searched(search)?);
    let (asked, app_id, after, limit) = (Arc::clone(&service), caller.app_id, page.after, page.limit + 1);
    let is_search = !search.is_empty();
    let list = async move { asked.lifecycle.revocations(app_id, after, &search, limit).await };
    let mut found = listed(&service, is_search, list).await?;
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|last| last.target.entry_id().to_string());
    let revocations = found.into_iter().map(revocation).collect();
    Ok(Answer(RevocationsResponse { revocations, cursor, server_time: service.clock.now().get() }))
}

/// Keeps somebody out.
pub(super) async fn ban_target(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    Json(request): Json<BanRequest>,
) -> Result<Answer<BanResponse>, Error> {
    let now = service.clock.now();
    let target = lifecycle::ban_target(&caller.scope, &request)?;
    let expire_at = lifecycle::duration(request.duration_secs, now)?;
    let reason = lifecycle::reason(request.reason.as_deref())?;
    let kept = service.lifecycle.by(origin).ban(&caller, target, expire_at, reason, now).await?;
    Ok(Answer(BanResponse { ban: ban(&kept), server_time: now.get() }))
}

/// Lists bans.
pub(super) async fn bans(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Query(query): Query<SearchQuery>,
) -> Result<Answer<BansResponse>, Error> {
    reads_every_room(&caller)?;
    let (query, search) = query.split();
    let (page, search) = (Page::of(&query, EntryId::parse)?, searched(search)?);
    let (asked, app_id, after, limit) = (Arc::clone(&service), caller.app_id, page.after, page.limit + 1);
    let is_search = !search.is_empty();
    let list = async move { asked.lifecycle.bans(app_id, after, &search, limit).await };
    let mut found = listed(&service, is_search, list).await?;
    let more = page.cut(&mut found);
    let cursor = found.last().filter(|_| more).map(|last| last.target.entry_id().to_string());
    let bans = found.iter().map(ban).collect();
    Ok(Answer(BansResponse { bans, cursor, server_time: service.clock.now().get() }))
}

/// Lifts a ban.
pub(super) async fn lift_ban(
    State(service): State<Arc<Service>>,
    AppCaller(caller): AppCaller,
    Asking(origin): Asking,
    path: RawPathParams,
) -> Result<Answer<LiftBanResponse>, Error> {
    let ban_id = path.iter().find_map(|(name, value)| (name == "ban_id").then_some(value));
    let id = ban_id.and_then(EntryId::parse).ok_or(Error::Missing("ban"))?;
    service.lifecycle.by(origin).lift(&caller, id).await?;
    Ok(Answer(LiftBanResponse { server_time: service.clock.now().get() }))
}

/// A revocation as it is shown.
pub(super) fn revocation(kept: revocations::Revocation) -> Revocation {
    let revocation_id = kept.target.entry_id().to_string();
    let (kind, token_id, user_id, room_id) = match kept.target {
        Target::Token(token_id) => (RevocationKind::Token, Some(token_id.into()), None, None),
        Target::User(user_id) => (RevocationKind::User, None, Some(user_id), None),
        Target::Room(room_id) => (RevocationKind::Room, None, None, Some(room_id)),
        Target::UserInRoom { user_id, room_id } => (RevocationKind::UserInRoom, None, Some(user_id), Some(room_id)),
        Target::App => (RevocationKind::App, None, None, None),
    };
    Revocation {
        revocation_id,
        kind,
        token_id,
        user_id,
        room_id,
        issued_before: Some(kept.issued_before.get()).filter(|&at| at != i64::MAX),
        expire_at: kept.expire_at.get(),
        created_at: kept.created_at.get(),
        created_by: kept.created_by,
        reason: kept.reason,
    }
}

/// A ban as it is shown.
pub(super) fn ban(kept: &bans::Ban) -> Ban {
    let (kind, user_id, room_id, ip_range) = match kept.target.clone() {
        bans::Target::User(user_id) => (BanKind::User, Some(user_id), None, None),
        bans::Target::Room(room_id) => (BanKind::Room, None, Some(room_id), None),
        bans::Target::UserInRoom { user_id, room_id } => (BanKind::UserInRoom, Some(user_id), Some(room_id), None),
        bans::Target::IpRange(range) => (BanKind::IpRange, None, None, Some(range.to_string())),
    };
    Ban {
        ban_id: kept.target.entry_id().to_string(),
        kind,
        user_id,
        room_id,
        ip_range,
        expire_at: kept.expire_at.map(UnixSeconds::get),
        created_at: kept.created_at.get(),
        created_by: kept.created_by.clone(),
        reason: kept.reason.clone(),
    }
}
