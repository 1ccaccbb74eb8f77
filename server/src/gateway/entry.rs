//! From a login message to a place in a room: the checks in their order, the first failure answers.

use std::{net::IpAddr, sync::Arc, time::Instant};

use roompass_wire::{
    ErrorCode,
    gateway::{LoggedIn, Login},
    webhook::RefusedOperation,
};
use token_gen::{AppId, CHALLENGE_LEN, RoomId, TokenId, UnixSeconds, UserId, UserName};

use tracing::{Instrument, field::Empty};

use super::{
    Gateway, Visitor,
    announce::About,
    operate::Standing,
    roll::{Entry, PresentToken},
    seats::ResumeKey,
    session::{Session, privileges},
    source_of,
    stay::Stay,
    trail,
};
use crate::{
    apps::{App, CountedAppSign},
    login::{self, Admission, Presented, ProofContext, Refusal, SessionToken},
    media::StayMedia,
    metrics::Limit,
    revocations::Subject,
    rooms::{Newcomer, Outbox, SessionId},
    single_use::Claim,
    telemetry::traces::TARGET,
    tokens::Attempt,
};

/// The longest `sdk` text that goes to the log.
const MAX_SDK_BYTES: usize = 64;
/// The token is about to be revoked, and told so on another node perhaps already.
const CONDEMNED: Refusal = Refusal { code: ErrorCode::TokenRevoked, reason: None, exact: "condemned" };

/// What the edge gives to a login: randomness, and where it comes from.
pub(super) struct Edge<'a> {
    pub(super) visitor: &'a Visitor,
    pub(super) challenge: &'a [u8; CHALLENGE_LEN],
    pub(super) session_id: SessionId,
    pub(super) room_session_id: u64,
    pub(super) resume_key: ResumeKey,
    /// The token, if it had to be opened to learn whose it is.
    pub(super) opened: Option<SessionToken>,
}

/// Judges `login` and, if it passes, enters the room. Says the result once, in the log and in the audit trail, and counts
/// it.
pub(super) async fn enter(
    gateway: &Gateway,
    login: &Login,
    edge: Edge<'_>,
    now: UnixSeconds,
) -> Result<(Stay, LoggedIn), Refusal> {
    let begun = Instant::now();
    let span = tracing::info_span!(target: TARGET, "login", app_id = login.app_id, reason = Empty);
    let entered = try_enter(gateway, login, edge, now).instrument(span.clone()).await;
    match &entered {
        Ok((stay, answer)) => gateway.metrics.gateway.logged_in(stay.app.app_id(), answer.auth, begun),
        Err(refusal) => {
            span.record("reason", refusal.exact);
            count_refused(gateway, login, refusal, begun);
        }
    }
    entered
}

fn count_refused(gateway: &Gateway, login: &Login, refusal: &Refusal, begun: Instant) {
    let is_there = |&app_id: &AppId| gateway.directory.holds(app_id);
    let app_id = AppId::new(login.app_id).ok().filter(is_there);
    let shown = (login.token.is_some(), login.app_sign_proof.is_some());
    gateway.metrics.gateway.login_refused(app_id, shown, refusal.exact, begun);
}

/// Says that a login was refused before its user was known: as [`enter`] says it.
pub(super) fn refused(
    gateway: &Gateway,
    login: &Login,
    address: IpAddr,
    refusal: &Refusal,
    begun: Instant,
    now: UnixSeconds,
) {
    let token = login.token.as_deref();
    tracing::info!(
        app_id = login.app_id, token_id = token.map(TokenId::of).map(tracing::field::display), code = %refusal.code,
        reason = refusal.exact, "login refused"
    );
    trail::refused(&gateway.audit, login, address, refusal);
    let about = About { token, ..About::default() };
    gateway.announce_refused(login.app_id, RefusedOperation::Login, refusal, about, now);
    count_refused(gateway, login, refusal, begun);
}

async fn try_enter(
    gateway: &Gateway,
    login: &Login,
    edge: Edge<'_>,
    now: UnixSeconds,
) -> Result<(Stay, LoggedIn), Refusal> {
    let (address, session_id) = (edge.visitor.address, edge.session_id);
    let told = |refusal: &Refusal, about| {
        trail::refused(&gateway.audit, login, address, refusal);
        gateway.announce_refused(login.app_id, RefusedOperation::Login, refusal, about, now);
    };
    let names = Names::of(login).inspect_err(|refusal| {
        tracing::info!(app_id = login.app_id, reason = refusal.exact, "login refused");
        told(refusal, About::default());
    })?;
    let token_id = login.token.as_deref().map(TokenId::of);
    let entered = judge_and_enter(gateway, login, &names, edge, now).await;
    let Names { user_id, room_id, .. } = &names;
    match &entered {
        Ok((stay, (_, other_credential))) => {
            let grant = stay.session.grant();
            tracing::info!(
                app_id = login.app_id, %room_id, %user_id, %session_id,
                token_id = token_id.map(tracing::field::display), auth = grant.auth().as_str(), other_credential,
                sdk = login.sdk.as_deref(), "logged in"
            );
            trail::logged_in(&gateway.audit, login, address, session_id, grant, *other_credential);
        }
        Err(refusal) => {
            tracing::info!(
                app_id = login.app_id, %room_id, %user_id, token_id = token_id.map(tracing::field::display),
                code = %refusal.code, reason = refusal.exact, "login refused"
            );
            let (user_id, room_id) = (Some(user_id.as_str()), Some(room_id.as_str()));
            told(refusal, About { user_id, room_id, token: login.token.as_deref() });
        }
    }
    entered.map(|(stay, (answer, _))| (stay, answer))
}

/// The answer, and the exact reason why the other credential did not count.
type Answer = (LoggedIn, Option<&'static str>);

async fn judge_and_enter(
    gateway: &Gateway,
    login: &Login,
    names: &Names,
    mut edge: Edge<'_>,
    now: UnixSeconds,
) -> Result<(Stay, Answer), Refusal> {
    let app = app(gateway, login.app_id)?;
    if !edge.visitor.comer.may_enter(app.settings()) {
        // Before any credential is looked at: a page cannot try them out from elsewhere.
        return Err(Refusal { code: ErrorCode::Forbidden, reason: None, exact: "origin" });
    }
    let presented = present(gateway, &app, login, &mut edge, now);
    let admission = login::decide(app.settings(), presented)?;
    let token = admission.grant.token();
    if token.is_some_and(|token| gateway.condemned.holds(app.app_id(), token.token_id, now)) {
        return Err(CONDEMNED);
    }
    let Some((claim, expire_at)) = token.filter(|token| token.rights.terms().single_use).map(|token| {
        let claim = Claim { app_id: app.app_id(), token_id: token.token_id, session_id: edge.session_id };
        (claim, token.expire_at)
    }) else {
        return enter_room(gateway, app, login, names, admission, edge, now).await;
    };
    let claimed = gateway.single_use.claim(claim, expire_at).await;
    // The store took its time: what counts is now.
    let now = gateway.clock.now();
    if let Err(code) = claimed {
        let (app, admission) = without_token(gateway, login, &admission, &edge, code, now)?;
        return enter_room(gateway, app, login, names, admission, edge, now).await;
    }
    let entered = enter_room(gateway, app, login, names, admission, edge, now).await;
    if entered.is_err() {
        gateway.single_use.release(claim).await;
    }
    entered
}

/// What is left to a login whose token is good but could not be used up for it, because of `code`: the AppSign beside it,
/// where the mode takes that as well.
fn without_token(
    gateway: &Gateway,
    login: &Login,
    refused: &Admission,
    edge: &Edge<'_>,
    code: ErrorCode,
    now: UnixSeconds,
) -> Result<(Arc<App>, Admission), Refusal> {
    if code != ErrorCode::TokenUsed {
        // Nobody can say whether the token is good: its user shall ask again, and not come in with less.
        return Err(Refusal::of(code));
    }
    // Rules apply as they are now.
    let app = app(gateway, login.app_id)?;
    if let Some(token) = refused.grant.token() {
        let (user_id, room_id) = (&*login.user_id, Some(&*login.room_id));
        let subject = Subject { token_id: token.token_id, user_id, room_id, issued_at: token.issued_at };
        if gateway.condemned.holds(app.app_id(), token.token_id, now) {
            return Err(CONDEMNED);
        }
        if gateway.tokens.revocations().find(app.app_id(), &subject).is_some() {
            return Err(Refusal::of(ErrorCode::TokenRevoked));
        }
    }
    let proven = proven_app_sign(gateway, &app, login, edge, now);
    // Where nothing else was wrong, the proof was good before, and was counted.
    if let Some(Ok(app_sign)) = proven
        && refused.other_credential.is_some()
    {
        count_proven(gateway, app_sign, now);
    }
    let app_sign = proven.map(|proven| proven.map(drop));
    let presented = Presented { token: Some(Err(Refusal::of(code))), app_sign };
    let admission = login::decide(app.settings(), presented)?;
    Ok((app, admission))
}

async fn enter_room(
    gateway: &Gateway,
    app: Arc<App>,
    login: &Login,
    names: &Names,
    Admission { grant, other_credential }: Admission,
    edge: Edge<'_>,
    now: UnixSeconds,
) -> Result<(Stay, Answer), Refusal> {
    let Edge { visitor, session_id, room_session_id, resume_key, .. } = edge;
    let Names { user_id, user_name, room_id } = names;
    let outbox = Arc::new(Outbox::new(gateway.config.outbox));
    // On the roll before in the room: from here on no revocation and no ban goes unheard.
    let entry = Entry {
        user_id: login.user_id.clone(),
        room_id: login.room_id.clone(),
        address: visitor.address,
        token: grant.token().map(PresentToken::from),
        outbox: Arc::clone(&outbox),
        auth: grant.auth(),
        since: now,
        rights: grant.rights().clone(),
        stay_until: grant.rights().terms().max_stay.map(|max_stay| now.saturating_add(max_stay)),
        other_credential: other_credential.as_ref().map(|refusal| refusal.code),
        standing: Standing::default(),
    };
    let limits = (gateway.config.max_stays, gateway.config.max_stays_per_app);
    let replaces = gateway.rooms().stay_of(app.app_id(), user_id).is_some();
    let Some(line) = gateway.roll.enter_within(limits, replaces, (app.app_id(), session_id), entry) else {
        gateway.metrics.limited(Limit::Sessions);
        return Err(Refusal::of(ErrorCode::TooManySessions));
    };
    if let Some(code) = line.shut_out(gateway.lists(), now) {
        return Err(Refusal::of(code));
    }
    let terms = grant.rights().terms();
    let (sealed_name, metadata) = (terms.user_name.clone(), terms.metadata.clone());
    let newcomer = Newcomer {
        session_id,
        room_id: room_id.clone(),
        room_session_id,
        user_id: user_id.clone(),
        // What the token says of the name counts more than what the client says.
        user_name: sealed_name.and_then(|name| UserName::new(name).ok()).unwrap_or_else(|| user_name.clone()),
        metadata: metadata.clone(),
        auth: grant.auth(),
        // Once it is in.
        kept: "".into(),
        outbox: Arc::clone(&outbox),
    };
    let (place, snapshot) = gateway.nodes.enter(app.settings(), newcomer, now).await.map_err(Refusal::of)?;
    let seat = gateway.seats.take(app.app_id(), session_id, &resume_key, Arc::clone(&outbox));
    let session = Session::new(room_id.clone(), grant, gateway.config.streams, gateway.config.texts, now);
    let resume_within_secs = app.settings().heartbeat_timeout_secs;
    let answer = LoggedIn {
        id: login.id,
        session_id: session_id.to_string(),
        room_id: login.room_id.clone(),
        user_id: login.user_id.clone(),
        auth: session.grant().auth(),
        other_credential: other_credential.map(|refusal| refusal.code),
        privileges: privileges(session.grant().rights(), now),
        rights: session.session_rights(app.settings()),
        expire_at: session.grant().token().map(|token| token.expire_at.get()),
        metadata,
        resume_key: (resume_within_secs > 0).then(|| resume_key.expose()),
        resume_within_secs,
        // Whoever holds the connection gives it.
        challenge: None,
        server_time: now.get(),
        room_session_id: snapshot.room_session_id.to_string(),
        seq: snapshot.seq,
        mark: snapshot.mark,
        users: snapshot.users,
        streams: snapshot.streams,
        room_extra: snapshot.extra,
    };
    let media = StayMedia::new(&gateway.media, app.app_id(), room_id, &login.user_id);
    let stay = Stay {
        app,
        user_id: login.user_id.clone(),
        user_name: login.user_name.clone(),
        sdk: login.sdk.clone(),
        session_id,
        session,
        media,
        place: Some(place),
        outbox,
        line,
        seat,
    };
    stay.keep(gateway);
    Ok((stay, (answer, other_credential.map(|refusal| refusal.exact))))
}

/// The names of a login, checked: from here on they may be logged.
struct Names {
    user_id: UserId,
    user_name: UserName,
    room_id: RoomId,
}

impl Names {
    fn of(login: &Login) -> Result<Self, Refusal> {
        let refuse = |code| move |_| Refusal::of(code);
        let is_loggable = |sdk: &String| sdk.len() <= MAX_SDK_BYTES && !sdk.chars().any(char::is_control);
        if !login.sdk.iter().all(is_loggable) {
            return Err(Refusal::of(ErrorCode::FieldInvalid));
        }
        let user_name = login.user_name.as_ref().unwrap_or(&login.user_id);
        Ok(Self {
            user_id: UserId::new(&*login.user_id).map_err(refuse(ErrorCode::UserIdInvalid))?,
            user_name: UserName::new(&**user_name).map_err(refuse(ErrorCode::UserNameInvalid))?,
            room_id: RoomId::new(&*login.room_id).map_err(refuse(ErrorCode::RoomIdInvalid))?,
        })
    }
}

fn app(gateway: &Gateway, app_id: u32) -> Result<Arc<App>, Refusal> {
    let app = AppId::new(app_id).ok().and_then(|app_id| gateway.directory.app(app_id));
    match app {
        None => Err(Refusal::of(ErrorCode::AppUnknown)),
        Some(app) if !app.settings().enabled => Err(Refusal::of(ErrorCode::AppDisabled)),
        Some(app) => Ok(app),
    }
}

/// Checks each credential on its own, and counts what it proves.
fn present(gateway: &Gateway, app: &App, login: &Login, edge: &mut Edge<'_>, now: UnixSeconds) -> Presented {
    let proven = proven_app_sign(gateway, app, login, edge, now);
    Presented {
        app_sign: proven.map(|proven| proven.map(|app_sign| count_proven(gateway, app_sign, now))),
        token: login.token.as_deref().map(|token| {
            let source = source_of(edge.visitor.address);
            let attempt =
                Attempt { user_id: Some(&login.user_id), room_id: Some(&login.room_id), source: Some(&source) };
            let opened = edge.opened.take().map(Ok);
            let token = opened.unwrap_or_else(|| SessionToken::open(&gateway.tokens, app, token, attempt, now))?;
            token.permit_login(&login.room_id, now)?;
            Ok(token)
        }),
    }
}

/// Checks the proof of an AppSign, if there is one, and says of which.
fn proven_app_sign<'a>(
    gateway: &Gateway,
    app: &'a App,
    login: &Login,
    edge: &Edge<'_>,
    now: UnixSeconds,
) -> Option<Result<&'a CountedAppSign, Refusal>> {
    let context = ProofContext {
        server_origins: &gateway.config.server_origins,
        challenge: edge.challenge,
        user_id: &login.user_id,
        room_id: &login.room_id,
        now,
    };
    login.app_sign_proof.as_ref().map(|proof| {
        // Refused unread: such an app has no use for the answer, and a guesser none for the question.
        if !app.settings().takes_app_sign_from(login.sdk.as_deref()) {
            return Err(Refusal::of(ErrorCode::AppSignRefused));
        }
        gateway.tokens.know_revocations(now)?;
        login::check_app_sign(app, proof, context)
    })
}

/// Counts a login that has proven an AppSign, whatever becomes of it. Once for each login.
fn count_proven(gateway: &Gateway, app_sign: &CountedAppSign, now: UnixSeconds) {
    app_sign.proven(now);
    gateway.metrics.gateway.app_sign_proven(app_sign.is_present());
}
