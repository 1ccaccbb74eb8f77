//! One connection: messages ⇄ sessions, deadlines, resuming, leaving. Performs what the session decides.
//!
//! Knows no rules of rooms and tokens: those are in `session` and [`crate::login`]. Frames are in `frames.rs`.

mod fragments;
mod frames;
mod media;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rand::{TryRng, rngs::SysRng};
use roompass_wire::{
    ErrorCode,
    gateway::{
        ClientMessage, CloseCode, ErrorMessage, GoneReason, Hello, Login, MediaLost, Reconnect, Resume, Resumed,
        RoomState, SUBPROTOCOL, ServerMessage, SwitchRoom,
    },
    webhook::RefusedOperation,
};
use token_gen::{AppId, CHALLENGE_LEN, UnixSeconds};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;

use super::{
    Gateway, Visitor,
    announce::About,
    entry::{self, Edge},
    kept,
    pace::{Heartbeat, Pace},
    seats::ResumeKey,
    session::{self, Departure, Effect, Operation, Request},
    source_of,
    stay::{self, Stay},
    trail,
    waiting::Waiting,
};
use crate::{
    login::{Refusal, SessionToken},
    rooms::{Delivery, Returned, SessionId},
    single_use::Claim,
    tokens::Attempt,
};
use frames::{Closing, Event};

pub(super) use fragments::Counted;

/// The socket beneath.
pub(super) type WebSocket = WebSocketStream<Counted<TokioIo<Upgraded>>>;

/// How long a connection may take to hand a session over to the next.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(2);

/// How much earlier than they have to clients are told to leave a stopping server, so that the last to go still find
/// their sessions: clocks here count whole seconds, and coming back takes a moment.
const LEAVE_MARGIN_SECS: u64 = 3;

/// Serves one connection from the upgrade to its end.
pub(super) async fn run(
    gateway: Arc<Gateway>,
    ws: WebSocket,
    visitor: Visitor,
    draining: watch::Receiver<Option<UnixSeconds>>,
    waiting: Waiting,
) {
    let now = gateway.clock.now();
    let config = &gateway.config;
    let mut socket = Socket {
        pace: Pace::new(config.messages_per_sec, config.message_burst, now),
        heartbeat: Heartbeat::new(config.ping_interval, config.pong_timeout, now),
        gateway,
        ws,
        visitor,
        challenge: [0; CHALLENGE_LEN],
        draining,
        leaves_at: None,
        ends_by: None,
        waiting: Some(waiting),
    };
    let closing = match socket.welcome().await {
        Ok(stay) => socket.attend(stay).await,
        Err(closing) => closing,
    };
    socket.gateway.metrics.gateway.closed(closing.reason());
    Box::pin(socket.close(closing)).await;
}

/// One connection.
struct Socket {
    gateway: Arc<Gateway>,
    ws: WebSocket,
    visitor: Visitor,
    /// What the next AppSign proof is for: sent with the hello, and a new one after every login.
    challenge: [u8; CHALLENGE_LEN],
    draining: watch::Receiver<Option<UnixSeconds>>,
    /// When it is closed because the server stops.
    leaves_at: Option<UnixSeconds>,
    /// Until when it may take in the last words of a session that is over.
    ends_by: Option<UnixSeconds>,
    /// Kept without a login to the very end: a refused one must not make room for the next.
    waiting: Option<Waiting>,
    pace: Pace,
    heartbeat: Heartbeat,
}

/// How serving a session ended.
enum End {
    /// The session is over.
    Over(Closing),
    /// The user was put out for good.
    Kicked(ErrorCode),
    /// The connection is lost, or as good as lost: the session waits for another.
    Lost(Closing),
    /// Another connection goes on with the session.
    Called,
}

impl From<Closing> for End {
    fn from(closing: Closing) -> Self {
        if closing.keeps_session() { Self::Lost(closing) } else { Self::Over(closing) }
    }
}

impl Socket {
    /// Greets the client and waits for its login.
    async fn welcome(&mut self) -> Result<Box<Stay>, Closing> {
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

    /// Serves a session to its end, or to the end of this connection.
    async fn attend(&mut self, mut stay: Box<Stay>) -> Closing {
        let end = loop {
            match self.step(&mut stay).await {
                Ok(None) => {}
                Ok(Some(Departure::LoggedOut)) => {
                    break End::Over(Closing::With(CloseCode::LoggedOut, "logged_out"));
                }
                Ok(Some(Departure::Kicked(code))) if code.row().retryable => {
                    break End::Over(Closing::because(CloseCode::GoingAway, code));
                }
                Ok(Some(Departure::Kicked(code))) => break End::Kicked(code),
                // The next step ends it, and says why, for as long as a write may take.
                Err(End::Lost(Closing::Stuck)) if stay.outbox.ended().is_some() => {}
                Err(end) => break end,
            }
        };
        match end {
            End::Over(closing) => {
                let now = self.gateway.clock.now();
                stay.leave(if closing.is_goodbye() { GoneReason::Stopped } else { GoneReason::Disconnected }, now);
                stay.log_leave(closing.reason());
                closing
            }
            End::Kicked(code) => {
                stay.log_leave(code.as_str());
                let until = self.gone_at(&stay);
                if self.gateway.is_crowded(stay.app.app_id()) {
                    return Closing::because(CloseCode::Kicked, code);
                }
                let Stay { seat, .. } = *stay;
                let (gateway, draining) = (Arc::clone(&self.gateway), self.draining.clone());
                tokio::spawn(stay::remember_end(gateway, seat, code, until, draining));
                Closing::because(CloseCode::Kicked, code)
            }
            End::Lost(closing) => {
                self.keep_or_end(stay, closing);
                closing
            }
            End::Called => {
                stay.hand_over();
                Closing::With(CloseCode::Superseded, "resumed")
            }
        }
    }

    /// Lets a session without a connection wait, for as long as its app says.
    fn keep_or_end(&self, mut stay: Box<Stay>, closing: Closing) {
        let (now, until) = (self.gateway.clock.now(), self.gone_at(&stay));
        if until <= now || self.gateway.is_crowded(stay.app.app_id()) {
            let is_impatient = stay.app.settings().heartbeat_timeout_secs == 0;
            stay.leave(if is_impatient { GoneReason::Disconnected } else { GoneReason::Timeout }, now);
            return stay.log_leave(closing.reason());
        }
        let waits = stay::wait_for_client(Arc::clone(&self.gateway), stay, until, self.draining.clone());
        tokio::spawn(waits);
    }

    /// When the user counts as gone, unless there is another sign of life.
    fn gone_at(&self, stay: &Stay) -> UnixSeconds {
        let patience = Duration::from_secs(stay.app.settings().heartbeat_timeout_secs);
        self.heartbeat.heard_at().saturating_add(patience)
    }

    /// Waits for what happens next and deals with it.
    async fn step(&mut self, stay: &mut Stay) -> Result<Option<Departure>, End> {
        // Before anything is written: a client that does not read keeps nothing by it.
        if let Some(code) = stay.outbox.ended() {
            let effects = stay.end(code);
            return Ok(self.perform(stay, effects).await?);
        }
        let effects = stay.session.pass_time(stay.app.settings(), self.gateway.clock.now());
        // Mostly nothing is due: performing that has its cost, and there are moments when it is asked of everybody.
        if !effects.is_empty()
            && let Some(due) = self.perform(stay, effects).await?
        {
            return Ok(Some(due));
        }
        let deadline = stay.session.deadline(stay.app.settings());
        let event = self.next(deadline, Some((&stay.outbox, &mut stay.media))).await?;
        // The app may have changed meanwhile: rules apply as they are now.
        let Some(app) = self.gateway.directory.app(stay.app.app_id()).filter(|app| app.settings().enabled) else {
            let effects = stay.session.end(ErrorCode::KickedInternal);
            return Ok(self.perform(stay, effects).await?);
        };
        stay.app = app;
        // Before anything else is looked at: what an operator takes away is gone for what comes next.
        if let Some(effects) = stay.obey(self.gateway.clock.now())
            && let Some(departure) = self.perform(stay, effects).await?
        {
            return Ok(Some(departure));
        }
        let effects = match event {
            Event::Due => return Ok(None),
            // The news of a revocation may still be on its way.
            Event::Heard(message) => match (stay.shut_out(&self.gateway), message) {
                (Some(code), _) => stay.end(code),
                (None, ClientMessage::SwitchRoom(switch)) => {
                    Box::pin(self.switch_room(stay, switch)).await?;
                    return Ok(None);
                }
                (None, message) => Box::pin(self.request(stay, message)).await,
            },
            Event::Draining(until) => match until.duration_since(self.gateway.clock.now()).as_secs() {
                0 => stay.session.end(ErrorCode::KickedInternal),
                left => {
                    let within_secs = left.saturating_sub(LEAVE_MARGIN_SECS).max(left / 2);
                    vec![Effect::Send(Box::new(ServerMessage::Reconnect(Reconnect { within_secs })))]
                }
            },
            Event::MediaLost => vec![Effect::Send(Box::new(ServerMessage::MediaLost(MediaLost {})))],
            Event::Delivered(Delivery::Called) => return Err(End::Called),
            // Seen to first of all in the next step, and just before.
            Event::Delivered(Delivery::Ended(_) | Delivery::Ordered) => return Ok(None),
            Event::Delivered(Delivery::Overflow) => {
                return Err(Closing::because(CloseCode::TooSlow, ErrorCode::TooSlow).into());
            }
            Event::Delivered(Delivery::Text(text)) => {
                self.send_text(&text, Some(&stay.outbox)).await?;
                return Ok(None);
            }
        };
        Ok(self.perform(stay, effects).await?)
    }

    async fn request(&mut self, stay: &mut Stay, message: ClientMessage) -> Vec<Effect> {
        let id = message.id();
        let request = match message {
            ClientMessage::Login(_) | ClientMessage::Resume(_) | ClientMessage::SwitchRoom(_) => Request::LoginAgain,
            ClientMessage::Publish(publish) => Request::Publish(publish),
            ClientMessage::StopPublish(stop) => Request::StopPublish(stop.stream_id),
            ClientMessage::Play(play) => Request::Play(play.stream_id),
            ClientMessage::StopPlay(stop) => Request::StopPlay(stop.stream_id),
            ClientMessage::RenewToken(renew) => {
                let opened = self.open(stay, &renew.token).await;
                self.gateway.metrics.gateway.renewed(opened.is_ok());
                log_renewal(stay, &renew.token, &opened);
                self.tell_of_renewal(stay, &renew.token, &opened);
                Request::Renew(opened)
            }
            ClientMessage::SendMessage(message) => Request::Talk(Operation::Say(message.text)),
            ClientMessage::SendSignal(signal) => {
                Request::Talk(Operation::Signal { user_ids: signal.user_ids, text: signal.text })
            }
            ClientMessage::SetRoomExtra(set) => {
                Request::Talk(Operation::SetRoomExtra { key: set.key, value: set.value })
            }
            ClientMessage::SetUserExtra(set) => Request::Talk(Operation::SetUserExtra(set.extra)),
            ClientMessage::Logout(_) => Request::Logout,
            // Said to the media plane, not to the rules.
            ClientMessage::GetMediaServers(_) => {
                return vec![Effect::Send(Box::new(media::servers(&self.gateway, stay, id)))];
            }
            ClientMessage::MediaOffer(offer) => return vec![Effect::Send(Box::new(media::answer(stay, offer).await))],
            ClientMessage::MediaCandidate(candidate) => {
                return vec![Effect::Send(Box::new(media::candidate(stay, &candidate)))];
            }
        };
        let now = self.gateway.clock.now();
        let mut effects = stay.session.request(stay.app.settings(), id, request, now);
        if let Some(token) = stay.session.grant().token()
            && stay.line.set_token(token, stay.session.stay_until())
            && let Some(code) = stay.shut_out(&self.gateway)
        {
            effects.extend(stay.session.end(code));
        }
        effects
    }

    fn tell_of_renewal(&self, stay: &Stay, token: &str, opened: &Result<SessionToken, Refusal>) {
        let (app_id, room_id) = (stay.app.app_id(), stay.session.room_id());
        let session_id = stay.session_id.to_string();
        let who = (app_id, room_id, &*stay.user_id, &*session_id);
        trail::renewed(&self.gateway.audit, self.visitor.address, who, token, opened);
        let about = About { user_id: Some(&*stay.user_id), room_id: Some(room_id.as_str()), token: Some(token) };
        let now = self.gateway.clock.now();
        match opened {
            Ok(_) => self.gateway.announce_renewed(app_id, about, now),
            Err(refusal) => {
                self.gateway.announce_refused(app_id.get(), RefusedOperation::Renew, refusal, about, now);
            }
        }
    }

    /// Opens a token to renew with. One for a single login is used up by this session.
    async fn open(&mut self, stay: &Stay, token: &str) -> Result<SessionToken, Refusal> {
        let now = self.gateway.clock.now();
        let (room_id, source) = (stay.session.room_id().as_str(), source_of(self.visitor.address));
        let attempt = Attempt { user_id: Some(&stay.user_id), room_id: Some(room_id), source: Some(&source) };
        let token = SessionToken::open(&self.gateway.tokens, &stay.app, token, attempt, now)?;
        // A token that is good, but not here, is refused like any other, for whoever looks on as well.
        stay.session.may_renew(&token).map_err(|(code, reason)| Refusal {
            code,
            reason,
            exact: reason.unwrap_or("older"),
        })?;
        if token.rights.terms().single_use {
            let claim = Claim { app_id: stay.app.app_id(), token_id: token.token_id, session_id: stay.session_id };
            self.gateway.single_use.claim(claim, token.expire_at).await.map_err(Refusal::of)?;
        }
        Ok(token)
    }

    /// Leaves the room for another one. Once the old one is left, a refusal leaves the user in neither.
    async fn switch_room(&mut self, stay: &mut Stay, switch: SwitchRoom) -> Result<(), End> {
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

    fn count(&self, message: &ServerMessage) {
        match message {
            ServerMessage::TokenWillExpire(_) => self.gateway.metrics.gateway.warned(),
            ServerMessage::TokenExpired(_) => self.gateway.metrics.gateway.expired(),
            _ => {}
        }
    }

    /// Does what the session decided: first in the rooms, then on this socket.
    async fn perform(&mut self, stay: &mut Stay, effects: Vec<Effect>) -> Result<Option<Departure>, Closing> {
        let (messages, departure) = stay.claim_and_perform(&self.gateway, effects).await;
        if let Some(Departure::Kicked(code)) = departure {
            self.gateway.metrics.gateway.kicked(code);
        }
        // The last words are told although it is over.
        let outbox = departure.is_none().then_some(&*stay.outbox);
        if departure.is_some() {
            // Whoever calls for the session does not wait until its last words have been heard.
            stay.seat.close();
            self.ends_by = Some(self.gateway.clock.now().saturating_add(self.gateway.config.write_timeout));
        }
        if departure.is_some() && stay.outbox.ended().is_some() {
            // What was said before the end is heard before it.
            while let Some(text) = stay.outbox.take_text() {
                if self.send_text(&text, None).await.is_err() {
                    break;
                }
            }
        }
        for message in &messages {
            self.count(message);
            match self.send(message, outbox).await {
                Ok(()) => {}
                // Whether it is heard or not, a session that is over is over.
                Err(_) if departure.is_some() => break,
                Err(closing) => return Err(closing),
            }
        }
        Ok(departure)
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

/// Bytes from the operating system. Without them nothing is safe, so the connection ends.
fn random<const N: usize>() -> Result<[u8; N], Closing> {
    let mut bytes = [0; N];
    match SysRng.try_fill_bytes(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            tracing::error!(%error, "the operating system gives no random bytes");
            Err(Closing::because(CloseCode::GoingAway, ErrorCode::Internal))
        }
    }
}

fn log_renewal(stay: &Stay, token: &str, opened: &Result<SessionToken, Refusal>) {
    let reason = opened.as_ref().err().map(|refusal| refusal.exact);
    tracing::info!(
        app_id = %stay.app.app_id(), session_id = %stay.session_id, token_id = %token_gen::TokenId::of(token), reason,
        "renewal"
    );
}
