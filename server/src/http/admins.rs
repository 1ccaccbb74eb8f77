//! `/v1/admin/…`: set-up, sign-in, sessions and admins.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::{Path, State},
    http::{StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Response},
};
use roompass_wire::http::{
    AdminsResponse, DoneResponse, EnrolmentResponse, InviteRequest, InviteResponse, PasswordRequest,
    ReAuthenticateRequest, RolesRequest, SearchQuery, SessionItem, SessionResponse, SessionsResponse,
    SetupBeginRequest, SetupRequest, SetupResponse, SignInRequest, TotpRequest,
};

use super::{
    extract::{Json, Page, Query, searched},
    origin::Asking,
    session::{self, Admin, From},
};
use crate::{
    admins::{Confirmed, Enrolment, SetupCode, SignedIn, is_name},
    app::Service,
    error::Error,
    store::SessionRecord,
};

type Here = State<Arc<Service>>;

pub(super) async fn is_set_up(State(service): Here) -> Result<Answer<SetupResponse>, Error> {
    let done = service.admins.exist().await?;
    Ok(Answer(SetupResponse { done, server_time: service.clock.now().get() }))
}

pub(super) async fn begin_setup(
    State(service): Here,
    Json(request): Json<SetupBeginRequest>,
) -> Result<Answer<EnrolmentResponse>, Error> {
    let enrolment = service.admins.begin_setup(&SetupCode::new(&request.code)).await?;
    Ok(enrolment_answer(&service, enrolment))
}

pub(super) async fn finish_setup(
    State(service): Here,
    Asking(origin): Asking,
    From(source): From,
    Json(request): Json<SetupRequest>,
) -> Result<Response, Error> {
    let SetupRequest { code, name, password, enrolment, totp } = &request;
    let confirmed = Confirmed { ticket: enrolment, totp };
    let signed_in =
        service.admins.by(origin).finish_setup(&SetupCode::new(code), name, password, confirmed, source).await?;
    session_begins(&service, &signed_in, StatusCode::CREATED)
}

pub(super) async fn sign_in(
    State(service): Here,
    Asking(origin): Asking,
    From(source): From,
    Json(SignInRequest { name, password, totp }): Json<SignInRequest>,
) -> Result<Response, Error> {
    let signed_in = service.admins.by(origin).sign_in(&name, &password, &totp, source).await?;
    session_begins(&service, &signed_in, StatusCode::OK)
}

pub(super) async fn sign_out(
    State(service): Here,
    Asking(origin): Asking,
    Admin(signed_in): Admin,
) -> Result<Response, Error> {
    service.admins.by(origin).end_session(&signed_in, &signed_in.session.session_id).await?;
    tracing::info!(admin = signed_in.name, "admin signed out");
    session_ended(&service)
}

pub(super) async fn session(State(service): Here, Admin(signed_in): Admin) -> Answer<SessionResponse> {
    Answer(session_body(&service, &signed_in))
}

pub(super) async fn sessions(State(service): Here, Admin(signed_in): Admin) -> Result<Answer<SessionsResponse>, Error> {
    let item = |session: SessionRecord| SessionItem {
        current: session.session_id == signed_in.session.session_id,
        session_id: session.session_id,
        source: session.source,
        created_at: session.created_at.get(),
        seen_at: session.seen_at.get(),
        expire_at: session.expire_at.get(),
    };
    let sessions = service.admins.sessions(&signed_in).await?.into_iter().map(item).collect();
    Ok(Answer(SessionsResponse { sessions, server_time: service.clock.now().get() }))
}

pub(super) async fn end_session(
    State(service): Here,
    Asking(origin): Asking,
    Admin(signed_in): Admin,
    Path(session_id): Path<String>,
) -> Result<Answer<DoneResponse>, Error> {
    service.admins.by(origin).end_session(&signed_in, &session_id).await?;
    Ok(done(&service))
}

pub(super) async fn re_authenticate(
    State(service): Here,
    Asking(origin): Asking,
    From(source): From,
    Admin(mut signed_in): Admin,
    Json(ReAuthenticateRequest { password, totp }): Json<ReAuthenticateRequest>,
) -> Result<Answer<SessionResponse>, Error> {
    signed_in.session.sudo_until =
        service.admins.by(origin).re_authenticate(&signed_in, &password, &totp, source).await?;
    Ok(Answer(session_body(&service, &signed_in)))
}

pub(super) async fn set_password(
    State(service): Here,
    Asking(origin): Asking,
    Admin(signed_in): Admin,
    Json(request): Json<PasswordRequest>,
) -> Result<Response, Error> {
    service.admins.by(origin).replace_password(&signed_in, &request.password).await?;
    session_ended(&service)
}

pub(super) async fn begin_totp(
    State(service): Here,
    Admin(signed_in): Admin,
) -> Result<Answer<EnrolmentResponse>, Error> {
    let enrolment = service.admins.begin_totp(&signed_in)?;
    Ok(enrolment_answer(&service, enrolment))
}

pub(super) async fn set_totp(
    State(service): Here,
    Asking(origin): Asking,
    Admin(signed_in): Admin,
    Json(TotpRequest { enrolment, totp }): Json<TotpRequest>,
) -> Result<Response, Error> {
    service.admins.by(origin).replace_totp(&signed_in, Confirmed { ticket: &enrolment, totp: &totp }).await?;
    session_ended(&service)
}

pub(super) async fn list(
    State(service): Here,
    Query(query): Query<SearchQuery>,
) -> Result<Answer<AdminsResponse>, Error> {
    let (query, search) = query.split();
    let page = Page::of(&query, |cursor| is_name(cursor).then(|| cursor.to_owned()))?;
    let after = page.after.as_deref().unwrap_or_default();
    let mut admins = service.admins.list(&searched(search)?, after, page.limit + 1).await?;
    let more = page.cut(&mut admins);
    let cursor = admins.last().filter(|_| more).map(|last| last.name.clone());
    Ok(Answer(AdminsResponse { admins, cursor, server_time: service.clock.now().get() }))
}

pub(super) async fn invite(
    State(service): Here,
    Asking(origin): Asking,
    Admin(signed_in): Admin,
    Json(InviteRequest { name, roles }): Json<InviteRequest>,
) -> Result<(StatusCode, Answer<InviteResponse>), Error> {
    let (code, expire_at) = service.admins.by(origin).invite(&name, &roles).await?;
    tracing::info!(admin = signed_in.name, invited = name, "admin invited");
    let answer = InviteResponse {
        setup_link: service.setup_link(&code),
        expire_at: expire_at.get(),
        server_time: service.clock.now().get(),
    };
    Ok((StatusCode::CREATED, Answer(answer)))
}

pub(super) async fn set_roles(
    State(service): Here,
    Asking(origin): Asking,
    Path(name): Path<String>,
    Json(request): Json<RolesRequest>,
) -> Result<Answer<DoneResponse>, Error> {
    service.admins.by(origin).set_roles(&name, &request.roles).await?;
    Ok(done(&service))
}

pub(super) async fn remove(
    State(service): Here,
    Asking(origin): Asking,
    Path(name): Path<String>,
) -> Result<Answer<DoneResponse>, Error> {
    service.admins.by(origin).remove(&name).await?;
    Ok(done(&service))
}

fn done(service: &Service) -> Answer<DoneResponse> {
    Answer(DoneResponse { server_time: service.clock.now().get() })
}

fn enrolment_answer(service: &Service, enrolment: Enrolment) -> Answer<EnrolmentResponse> {
    Answer(EnrolmentResponse {
        totp_secret: enrolment.totp_secret,
        totp_uri: enrolment.totp_uri,
        enrolment: enrolment.ticket,
        server_time: service.clock.now().get(),
    })
}

fn session_body(service: &Service, signed_in: &SignedIn) -> SessionResponse {
    SessionResponse {
        session_id: signed_in.session.session_id.clone(),
        name: signed_in.name.clone(),
        roles: signed_in.roles.clone(),
        csrf_token: signed_in.token.csrf_token(),
        expire_at: signed_in.session.expire_at.get(),
        sudo_until: signed_in.session.sudo_until.get(),
        server_time: service.clock.now().get(),
    }
}

fn session_begins(service: &Service, signed_in: &SignedIn, status: StatusCode) -> Result<Response, Error> {
    let cookie = session::begin(service, &signed_in.token)?;
    Ok((status, [(SET_COOKIE, cookie)], Answer(session_body(service, signed_in))).into_response())
}

fn session_ended(service: &Service) -> Result<Response, Error> {
    Ok(([(SET_COOKIE, session::end(service)?)], done(service)).into_response())
}
