//! How a client comes to a session: by logging in, by resuming one, or from another room.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use roompass_wire::{
    ErrorCode,
    gateway::{
        ClientMessage, CloseCode, ErrorMessage, GoneReason, Hello, Login, Resume, Resumed, RoomState, SUBPROTOCOL,
        ServerMessage, SwitchRoom,
    },
};
use token_gen::AppId;

use super::{
    End, Socket,
    frames::{Closing, Event},
    random,
};
use crate::{
    gateway::{
        Gateway, Visitor,
        entry::{self, Edge},
        kept,
        seats::ResumeKey,
        session,
        stay::Stay,
    },
    rooms::{Returned, SessionId},
};

/// How long a connection may take to hand a session over to the next.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(2);

impl Socket {
    /// Greets the client and waits for its login.
    pub(super) async fn welcome(&mut self) -> Result<Box<Stay>, Closing> {
        self.challenge = random()?;
        let now = self.gateway.clock.now();
        let login_timeout = self.gateway.config.login_timeout;
        let hello = Hello {
            protocol: SUBPROTOCOL.to_owned(),
            challenge: STANDARD.encode(self.challenge),
            server_time: now.get(),
            login_timeout_secs: u32::try_from(login_timeout.as_secs()).unwrap_or(u32::MAX),
        };
        self.send(&ServerMessage::Hello(hello), None).await?;
        let login_by = now.saturating_add(login_timeout);
        let mut may_resume = true;
        loop {
            match self.next(Some(login_by), None).await? {
                // One try a connection: a refused one ends it.
                Event::Heard(ClientMessage::Login(login)) => return Box::pin(self.login(&login)).await,
                // One try, so that keys cannot be guessed any faster than connections are opened.
                Event::Heard(ClientMessage::Resume(resume)) if may_resume => {
                    may_resume = false;
                    if let Some(stay) = Box::pin(self.resume(&resume)).await? {
                        return Ok(stay);
                    }
                }
                Event::Heard(message) => {
                    // A token is renewed for a room.
                    let is_renewal = matches!(message, ClientMessage::RenewToken(_));
                    let code = if is_renewal { ErrorCode::NotInThatRoom } else { ErrorCode::NotInRoom };
                    self.refuse(Some(message.id()), code, None).await?;
                }
                Event::Due => {
                    self.refuse(None, ErrorCode::LoginTimeout, None).await?;
                    return Err(Closing::because(CloseCode::LoginTimeout, ErrorCode::LoginTimeout));
                }
                Event::Draining(_) => return Err(Closing::because(CloseCode::GoingAway, ErrorCode::Unavailable)),
                Event::Delivered(_) | Event::MediaLost => {}
            }
        }
    }

    async fn login(&mut self, login: &Login) -> Result<Box<Stay>, Closing> {
        // Used now, whatever comes of it: the next proof on this connection is for the next one.
        let challenge = std::mem::replace(&mut self.challenge, random()?);
        let edge = Edge {
            visitor: &self.visitor,
            challenge: &challenge,
            session_id: SessionId::new(random()?),
            // 53 bits, so that every language can hold it as a number.
            room_session_id: (u64::from_be_bytes(random()?) >> 11).max(1),
            resume_key: ResumeKey::new(random()?),
            opened: None,
        };
        let now = self.gateway.clock.now();
        let (stay, mut answer) = match entry::enter(&self.gateway, login, edge, now).await {
            Ok(entered) => entered,
            Err(refusal) => {
                let message = ErrorMessage::new(Some(login.id), refusal.code);
                let reason = refusal.reason.map(str::to_owned);
                self.send(&ServerMessage::Error(ErrorMessage { reason, ..message }), None).await?;
                return Err(Closing::because(CloseCode::LoginRefused, refusal.code));
            }
        };
        self.waiting = None;
        answer.challenge = Some(STANDARD.encode(self.challenge));
        match self.send(&ServerMessage::LoggedIn(answer), None).await {
            Ok(()) => Ok(Box::new(stay)),
            Err(closing) => {
                // The client has no key to come back with.
                stay.log_leave(closing.reason());
                Err(closing)
            }
        }
    }

    /// Goes on with a session, or tells the client why not.
    async fn resume(&mut self, resume: &Resume) -> Result<Option<Box<Stay>>, Closing> {
        let key = ResumeKey::new(random()?);
        let (mut stay, adopted) = match find(&self.gateway, resume, &key, &self.visitor).await {
            Ok(found) => found,
            Err(code) => {
                tracing::info!(app_id = resume.app_id, %code, "resume refused");
                self.refuse(Some(resume.id), code, None).await?;
                return Ok(None);
            }
        };
        stay.comes_from(self.visitor.address);
        let now = self.gateway.clock.now();
        let is_enabled = self.gateway.directory.app(stay.app.app_id()).is_some_and(|app| app.settings().enabled);
        let shut_out = if is_enabled { stay.shut_out(&self.gateway) } else { Some(ErrorCode::AppDisabled) };
        let returned = match (shut_out, adopted) {
            (Some(code), _) => Err(code),
            (None, Some(returned)) => Ok(returned),
            (None, None) => {
                stay.seat.set_key(&key);
                stay.session.resumed();
                let returned = match &stay.place {
                    Some(place) => self.gateway.nodes.come_back(place, resume.seq, resume.mark).await,
                    None => None,
                };
                returned.ok_or(ErrorCode::ResumeRefused)
            }
        };
        let returned = match returned {
            Ok(returned) => returned,
            Err(code) => {
                let effects = stay.session.end(code);
                stay.perform(effects, now);
                stay.log_leave(code.as_str());
                self.refuse(Some(resume.id), code, None).await?;
                return Ok(None);
            }
        };
        stay.keep(&self.gateway);
        self.waiting = None;
        tracing::info!(
            app_id = resume.app_id, session_id = %stay.session_id, from_seq = resume.seq, seq = returned.seq, "resumed"
        );
        let (session, settings) = (&stay.session, stay.app.settings());
        let resumed = Resumed {
            id: resume.id,
            session_id: resume.session_id.clone(),
            room_id: session.room_id().as_str().to_owned(),
            room_session_id: returned.room_session_id.to_string(),
            resume_key: key.expose(),
            resume_within_secs: settings.heartbeat_timeout_secs,
            privileges: session.privileges(now),
            rights: session.session_rights(settings),
            expire_at: session.grant().token().map(|token| token.expire_at.get()),
            server_time: now.get(),
            seq: returned.seq,
            publishing: session.publishing(),
            playing: session.playing(),
            messages_missed: returned.messages_missed,
            state: returned.state.map(|state| RoomState {
                users: state.users,
                streams: state.streams,
                room_extra: state.extra,
            }),
        };
        match self.send(&ServerMessage::Resumed(resumed), Some(&stay.outbox)).await {
            Ok(()) => Ok(Some(stay)),
            Err(Closing::Stuck) if stay.outbox.ended().is_some() => Ok(Some(stay)),
            Err(closing) => {
                self.keep_or_end(stay, closing);
                Err(closing)
            }
        }
    }

    /// Leaves the room for another one. Once the old one is left, a refusal leaves the user in neither.
    pub(super) async fn switch_room(&mut self, stay: &mut Stay, switch: SwitchRoom) -> Result<(), End> {
        let now = self.gateway.clock.now();
        if let Err(refused) = stay.session.may_switch(&switch) {
            let ServerMessage::Error(error) = session::error(switch.id, refused) else { return Ok(()) };
            return Ok(self.send(&ServerMessage::Error(error), Some(&stay.outbox)).await?);
        }
        stay.leave(GoneReason::Stopped, now);
        stay.log_leave("switched_room");
        let login = Login {
            id: switch.id,
            app_id: stay.app.app_id().get(),
            user_id: stay.user_id.clone(),
            user_name: stay.user_name.clone(),
            room_id: switch.room_id,
            token: switch.token,
            app_sign_proof: switch.app_sign_proof,
            sdk: stay.sdk.clone(),
        };
        let mut entered = *self.login(&login).await.map_err(End::Over)?;
        entered.session.keep_pace_of(&stay.session);
        *stay = entered;
        Ok(())
    }
}

/// The session that `resume` names: from whoever holds it here, or else from another node. `key` opens it the next
/// time.
async fn find(
    gateway: &Gateway,
    resume: &Resume,
    key: &ResumeKey,
    visitor: &Visitor,
) -> Result<(Box<Stay>, Option<Returned>), ErrorCode> {
    let app = AppId::new(resume.app_id).ok().and_then(|app_id| gateway.directory.app(app_id));
    if app.is_some_and(|app| !visitor.comer.may_enter(app.settings())) {
        // Before the key is looked at, which is good once: a page of elsewhere cannot spend it.
        return Err(ErrorCode::Forbidden);
    }
    match called(gateway, resume).await {
        Ok(stay) => return Ok((stay, None)),
        Err(ErrorCode::ResumeRefused) if !gateway.nodes.bus().is_alone() => {}
        Err(code) => return Err(code),
    }
    let refused = ErrorCode::ResumeRefused;
    let app_id = AppId::new(resume.app_id).map_err(|_| refused)?;
    let session_id = SessionId::parse(&resume.session_id).ok_or(refused)?;
    let shown = ResumeKey::parse(&resume.resume_key).ok_or(refused)?;
    let app = gateway.directory.app(app_id).ok_or(refused)?;
    let patience = Duration::from_secs(app.settings().heartbeat_timeout_secs);
    let lost = gateway.nodes.lost(app_id, session_id, patience).await.ok_or(refused)?;
    let adopted = kept::adopt(gateway, (session_id, &shown), (lost, resume.mark), key, visitor.address).await?;
    Ok((adopted.0, Some(adopted.1)))
}

/// The session that `resume` names, from whoever holds it here.
async fn called(gateway: &Gateway, resume: &Resume) -> Result<Box<Stay>, ErrorCode> {
    let called = gateway.seats.call(resume.app_id, &resume.session_id, &resume.resume_key)?;
    let give_up_at = gateway.clock.now().saturating_add(HAND_OVER_LIMIT);
    tokio::select! {
        stay = called => stay.map_err(|_| ErrorCode::ResumeRefused),
        () = gateway.wheel.wait(give_up_at) => Err(ErrorCode::ResumeRefused),
    }
}
