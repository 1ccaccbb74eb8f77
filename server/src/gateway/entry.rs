//! From a login message to a place in a room: the checks in their order, the first failure answers.

use std::{net::IpAddr, sync::Arc};

use roompass_wire::{
    ErrorCode,
    gateway::{LoggedIn, Login, SessionRights},
};
use token_gen::{AppId, CHALLENGE_LEN, RoomId, TokenId, UnixSeconds, UserId, UserName};

use super::{
    Gateway,
    roll::{Entry, Line, PresentToken},
    session::{Session, privilege_names},
    source_of,
};
use crate::{
    apps::App,
    login::{self, Presented, ProofContext, Refusal, SessionToken},
    rooms::{Newcomer, Outbox, Place, SessionId},
    tokens::Attempt,
};

/// The longest `sdk` text that goes to the log.
const MAX_SDK_BYTES: usize = 64;

/// A login that succeeded: the stay it began, and the answer.
pub(super) struct Entered {
    pub(super) app: Arc<App>,
    pub(super) user_id: UserId,
    pub(super) session: Session,
    pub(super) place: Place,
    pub(super) outbox: Arc<Outbox>,
    pub(super) line: Line,
    pub(super) answer: LoggedIn,
}

/// Judges `login` and, if it passes, enters the room. Says the result once, in the log.
pub(super) fn enter(
    gateway: &Gateway,
    login: &Login,
    address: IpAddr,
    challenge: &[u8; CHALLENGE_LEN],
    session_id: SessionId,
    now: UnixSeconds,
) -> Result<Entered, Refusal> {
    let Names { user_id, user_name, room_id } = Names::of(login)
        .inspect_err(|refusal| tracing::info!(app_id = login.app_id, reason = refusal.exact, "login refused"))?;
    let token_id = login.token.as_deref().map(TokenId::of);
    let outbox = Arc::new(Outbox::new(gateway.config.outbox));

    let entered = app(gateway, login.app_id).and_then(|app| {
        let presented = present(gateway, &app, login, challenge, address, now);
        let admission = login::decide(app.settings(), presented)?;
        // On the roll before in the room: from here on no revocation and no ban goes unheard.
        let entry = Entry {
            user_id: login.user_id.clone(),
            room_id: login.room_id.clone(),
            address,
            token: admission.grant.token().map(PresentToken::from),
            outbox: Arc::clone(&outbox),
        };
        let line = gateway.roll.enter(app.app_id(), session_id, entry);
        if let Some(code) = line.shut_out(gateway.lists(), now) {
            return Err(Refusal::of(code));
        }
        let newcomer = Newcomer {
            session_id,
            room_id: room_id.clone(),
            user_id: user_id.clone(),
            user_name,
            auth: admission.grant.auth(),
            outbox: Arc::clone(&outbox),
        };
        let (place, snapshot) = gateway.rooms.enter(app.settings(), newcomer).map_err(Refusal::of)?;
        Ok((app, admission, line, place, snapshot))
    });
    let (app, admission, line, place, snapshot) = entered.inspect_err(|refusal| {
        tracing::info!(
            app_id = login.app_id, %room_id, %user_id, token_id = token_id.map(tracing::field::display),
            code = %refusal.code, reason = refusal.exact, "login refused"
        );
    })?;
    tracing::info!(
        app_id = login.app_id, %room_id, %user_id, %session_id, token_id = token_id.map(tracing::field::display),
        auth = admission.grant.auth().as_str(), other_credential = admission.other_credential.map(|refusal| refusal.exact),
        sdk = login.sdk.as_deref(), "logged in"
    );

    let answer = LoggedIn {
        id: login.id,
        session_id: session_id.to_string(),
        room_id: login.room_id.clone(),
        user_id: login.user_id.clone(),
        auth: admission.grant.auth(),
        other_credential: admission.other_credential.map(|refusal| refusal.code),
        privileges: privilege_names(&admission.grant),
        rights: SessionRights::default(),
        expire_at: admission.grant.token().map(|token| token.expire_at.get()),
        metadata: None,
        resume_key: None,
        resume_within_secs: 0,
        server_time: now.get(),
        room_session_id: String::new(),
        seq: snapshot.seq,
        users: snapshot.users,
        streams: snapshot.streams,
        room_extra: Vec::new(),
    };
    let session = Session::new(room_id, admission.grant, gateway.config.streams);
    Ok(Entered { app, user_id, session, place, outbox, line, answer })
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

/// Checks each credential on its own.
fn present(
    gateway: &Gateway,
    app: &App,
    login: &Login,
    challenge: &[u8; CHALLENGE_LEN],
    address: IpAddr,
    now: UnixSeconds,
) -> Presented {
    let context = ProofContext {
        server_origins: &gateway.config.server_origins,
        challenge,
        user_id: &login.user_id,
        room_id: &login.room_id,
        now,
    };
    Presented {
        token: login.token.as_deref().map(|token| {
            let source = source_of(address);
            let attempt =
                Attempt { user_id: Some(&login.user_id), room_id: Some(&login.room_id), source: Some(&source) };
            let token = SessionToken::open(&gateway.tokens, app, token, attempt, now)?;
            token.permit_login(&login.room_id, now)?;
            Ok(token)
        }),
        // Refused unread: such an app has no use for the answer, and a guesser none for the question.
        app_sign: login.app_sign_proof.as_ref().map(|proof| {
            if !app.settings().takes_app_sign_from(login.sdk.as_deref()) {
                return Err(Refusal::of(ErrorCode::AppSignRefused));
            }
            login::check_app_sign(app, proof, context)
        }),
    }
}
