//! One connection: frames ⇄ messages, deadlines, pings, slow readers. Performs what the session decides.
//!
//! Knows no rules of rooms and tokens: those are in `session.rs` and [`crate::login`].

use std::{net::IpAddr, pin::pin, sync::Arc, task::Poll};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::poll;
use rand::{TryRng, rngs::SysRng};
use roompass_wire::{
    ErrorCode,
    gateway::{ClientMessage, CloseCode, ErrorMessage, Hello, Login, SUBPROTOCOL, ServerMessage},
};
use token_gen::{CHALLENGE_LEN, UnixSeconds};
use tokio::sync::watch;

use super::{
    Gateway,
    entry::{self, Entered},
    frame::{self, Unreadable},
    pace::{Beat, Heartbeat, Pace},
    roll::Line,
    session::{Departure, Effect, Request, Session},
    source_of,
    waiting::Waiting,
};
use crate::{
    apps::App,
    clock::Clock,
    login::{Refusal, SessionToken},
    rooms::{Delivery, Outbox, Place, SessionId},
    tokens::Attempt,
};

/// Serves one connection from the upgrade to its end.
pub(super) async fn run(
    gateway: Arc<Gateway>,
    ws: WebSocket,
    address: IpAddr,
    draining: watch::Receiver<bool>,
    waiting: Waiting,
) {
    let now = gateway.clock.now();
    let config = &gateway.config;
    let mut socket = Socket {
        pace: Pace::new(config.messages_per_sec, config.message_burst, now),
        heartbeat: Heartbeat::new(config.ping_interval, config.pong_timeout, now),
        gateway,
        ws,
        address,
        draining,
        waiting: Some(waiting),
    };
    let closing = match socket.welcome().await {
        Ok(stay) => socket.attend(stay).await,
        Err(closing) => closing,
    };
    socket.close(closing).await;
}

/// One connection.
struct Socket {
    gateway: Arc<Gateway>,
    ws: WebSocket,
    /// Where it comes from.
    address: IpAddr,
    draining: watch::Receiver<bool>,
    /// Kept without a login to the very end: a refused one must not make room for the next.
    waiting: Option<Waiting>,
    pace: Pace,
    heartbeat: Heartbeat,
}

/// A connection that has logged in.
struct Stay {
    app: Arc<App>,
    user_id: String,
    session_id: String,
    session: Session,
    /// Given up when the session ends, before its end is told: the room never waits for a socket.
    place: Option<Place>,
    outbox: Arc<Outbox>,
    /// By which the user is found when the token is revoked.
    line: Line,
}

/// What happened to a connection.
enum Event {
    Heard(ClientMessage),
    Delivered(Delivery),
    Due,
    Draining,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
enum Closing {
    /// The client closed it, or the network did.
    ByPeer,
    /// The client does not read: nothing more can be told.
    Stuck,
    /// The frames cannot be read any further.
    Broken(CloseCode),
    /// The server closes it, and says why.
    With(CloseCode, &'static str),
}

impl Closing {
    const fn because(close: CloseCode, code: ErrorCode) -> Self {
        Self::With(close, code.as_str())
    }

    /// The reason, for the log.
    fn reason(self) -> &'static str {
        match self {
            Self::ByPeer => "connection_closed",
            Self::Stuck => ErrorCode::TooSlow.as_str(),
            Self::Broken(_) => ErrorCode::MessageInvalid.as_str(),
            Self::With(_, reason) => reason,
        }
    }
}

impl Socket {
    /// Greets the client and waits for its login.
    async fn welcome(&mut self) -> Result<Stay, Closing> {
        let challenge: [u8; CHALLENGE_LEN] = random()?;
        let now = self.gateway.clock.now();
        let login_timeout = self.gateway.config.login_timeout;
        let hello = Hello {
            protocol: SUBPROTOCOL.to_owned(),
            challenge: STANDARD.encode(challenge),
            server_time: now.get(),
            login_timeout_secs: u32::try_from(login_timeout.as_secs()).unwrap_or(u32::MAX),
        };
        self.send(&ServerMessage::Hello(hello)).await?;
        let login_by = now.saturating_add(login_timeout);
        loop {
            match self.next(Some(login_by), None).await? {
                // One login a connection: a refused one ends it, so the challenge is never used twice.
                Event::Heard(ClientMessage::Login(login)) => return self.login(&login, &challenge).await,
                Event::Heard(message) => self.refuse(Some(message.id()), ErrorCode::NotInRoom).await?,
                Event::Due => {
                    self.refuse(None, ErrorCode::LoginTimeout).await?;
                    return Err(Closing::because(CloseCode::LoginTimeout, ErrorCode::LoginTimeout));
                }
                Event::Draining => return Err(Closing::because(CloseCode::GoingAway, ErrorCode::Unavailable)),
                Event::Delivered(_) => {}
            }
        }
    }

    async fn login(&mut self, login: &Login, challenge: &[u8; CHALLENGE_LEN]) -> Result<Stay, Closing> {
        let session_id = SessionId::new(random()?);
        let now = self.gateway.clock.now();
        let entered = match entry::enter(&self.gateway, login, self.address, challenge, session_id, now) {
            Ok(entered) => entered,
            Err(refusal) => {
                let message = ErrorMessage::new(Some(login.id), refusal.code);
                let reason = refusal.reason.map(str::to_owned);
                self.send(&ServerMessage::Error(ErrorMessage { reason, ..message })).await?;
                return Err(Closing::because(CloseCode::LoginRefused, refusal.code));
            }
        };
        self.waiting = None;
        let Entered { app, user_id, session, place, outbox, line, answer } = entered;
        let stay = Stay {
            app,
            user_id: user_id.into_string(),
            session_id: answer.session_id.clone(),
            session,
            place: Some(place),
            outbox,
            line,
        };
        match self.send(&ServerMessage::LoggedIn(answer)).await {
            Ok(()) => Ok(stay),
            Err(closing) => {
                log_leave(&stay, closing);
                Err(closing)
            }
        }
    }

    /// Serves a session to its end.
    async fn attend(&mut self, mut stay: Stay) -> Closing {
        let closing = loop {
            match self.step(&mut stay).await {
                Ok(None) => {}
                Ok(Some(Departure::LoggedOut)) => break Closing::With(CloseCode::LoggedOut, "logged_out"),
                Ok(Some(Departure::Kicked(code))) if code.row().retryable => {
                    break Closing::because(CloseCode::GoingAway, code);
                }
                Ok(Some(Departure::Kicked(code))) => break Closing::because(CloseCode::Kicked, code),
                Err(closing) => break closing,
            }
        };
        log_leave(&stay, closing);
        closing
    }

    /// Waits for what happens next and deals with it.
    async fn step(&mut self, stay: &mut Stay) -> Result<Option<Departure>, Closing> {
        let due = self.perform_due(stay).await?;
        if due.is_some() {
            return Ok(due);
        }
        let deadline = stay.session.deadline(stay.app.settings());
        let event = self.next(deadline, Some(&stay.outbox)).await?;
        // The app may have changed meanwhile: rules apply as they are now.
        let Some(app) = self.gateway.directory.app(stay.app.app_id()).filter(|app| app.settings().enabled) else {
            let effects = stay.session.end(ErrorCode::KickedInternal);
            return self.perform(stay, effects).await;
        };
        stay.app = app;
        let effects = match event {
            Event::Due => return Ok(None),
            // The news of a revocation may still be on its way.
            Event::Heard(message) => match self.shut_out(stay) {
                Some(code) => stay.session.end(code),
                None => self.request(stay, message),
            },
            Event::Draining => stay.session.end(ErrorCode::KickedInternal),
            Event::Delivered(Delivery::Ended(code)) => stay.session.end(code),
            Event::Delivered(Delivery::Overflow) => {
                return Err(Closing::because(CloseCode::TooSlow, ErrorCode::TooSlow));
            }
            Event::Delivered(Delivery::Text(text)) => {
                self.send_text(&text, Some(&stay.outbox)).await?;
                return Ok(None);
            }
        };
        self.perform(stay, effects).await
    }

    async fn perform_due(&mut self, stay: &mut Stay) -> Result<Option<Departure>, Closing> {
        let effects = stay.session.pass_time(stay.app.settings(), self.gateway.clock.now());
        self.perform(stay, effects).await
    }

    /// Why the user has to go, if so.
    fn shut_out(&self, stay: &Stay) -> Option<ErrorCode> {
        stay.line.shut_out(self.gateway.lists(), self.gateway.clock.now())
    }

    fn request(&self, stay: &mut Stay, message: ClientMessage) -> Vec<Effect> {
        let now = self.gateway.clock.now();
        let id = message.id();
        let request = match message {
            ClientMessage::Login(_) => Request::LoginAgain,
            ClientMessage::Publish(publish) => Request::Publish(publish.stream_id),
            ClientMessage::StopPublish(stop) => Request::StopPublish(stop.stream_id),
            ClientMessage::Play(play) => Request::Play(play.stream_id),
            ClientMessage::StopPlay(stop) => Request::StopPlay(stop.stream_id),
            ClientMessage::RenewToken(renew) => {
                let opened = self.open(stay, &renew.token, now);
                log_renewal(stay, &renew.token, &opened);
                Request::Renew(opened)
            }
            ClientMessage::Logout(_) => Request::Logout,
            _ => {
                return vec![Effect::Send(ServerMessage::Error(ErrorMessage::new(
                    Some(id),
                    ErrorCode::MessageInvalid,
                )))];
            }
        };
        let mut effects = stay.session.request(stay.app.settings(), id, request, now);
        if let Some(token) = stay.session.grant().token()
            && stay.line.set_token(token)
            && let Some(code) = self.shut_out(stay)
        {
            effects.extend(stay.session.end(code));
        }
        effects
    }

    fn open(&self, stay: &Stay, token: &str, now: UnixSeconds) -> Result<SessionToken, Refusal> {
        let (room_id, source) = (stay.session.room_id().as_str(), source_of(self.address));
        let attempt = Attempt { user_id: Some(&stay.user_id), room_id: Some(room_id), source: Some(&source) };
        SessionToken::open(&self.gateway.tokens, &stay.app, token, attempt, now)
    }

    /// Does what the session decided: first in the rooms, then on this socket.
    async fn perform(&mut self, stay: &mut Stay, effects: Vec<Effect>) -> Result<Option<Departure>, Closing> {
        let mut messages = Vec::with_capacity(effects.len());
        let mut departure = None;
        for effect in effects {
            match effect {
                Effect::Send(message) => messages.push(message),
                Effect::StartStream { id, stream_id } => {
                    let started = match &stay.place {
                        Some(place) => place.start_stream(&stream_id),
                        None => Err(ErrorCode::NotInRoom),
                    };
                    messages.push(stay.session.stream_started(id, stream_id, started));
                }
                Effect::StopStream(stream_id) => {
                    if let Some(place) = &stay.place {
                        place.stop_stream(&stream_id);
                    }
                }
                Effect::Leave(why) => {
                    stay.place = None;
                    departure = Some(why);
                }
            }
        }
        for message in &messages {
            self.send(message).await?;
        }
        Ok(departure)
    }

    /// Waits for the next thing that concerns more than this socket.
    async fn next(&mut self, deadline: Option<UnixSeconds>, outbox: Option<&Outbox>) -> Result<Event, Closing> {
        loop {
            let now = self.gateway.clock.now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(Event::Due);
            }
            match self.heartbeat.beat(now) {
                Beat::Nothing => {}
                Beat::Ping => self.write(Message::Ping(Default::default()), outbox).await?,
                Beat::GiveUp => return Err(Closing::With(CloseCode::NoPong, "no_pong")),
            }
            let wake_at = self.heartbeat.due_at().min(deadline.unwrap_or(self.heartbeat.due_at()));
            let delivery = async {
                match outbox {
                    Some(outbox) => outbox.next().await,
                    None => std::future::pending().await,
                }
            };
            let received = tokio::select! {
                // Cannot fail: the gateway holds the sender.
                _ = self.draining.wait_for(|&draining| draining) => return Ok(Event::Draining),
                delivery = delivery => return Ok(Event::Delivered(delivery)),
                () = self.gateway.clock.sleep_until(wake_at) => continue,
                received = self.ws.recv() => received,
            };
            let Some(text) = self.receive(received).await? else { continue };
            match frame::read(&text, self.gateway.config.max_json_depth) {
                Ok(message) => return Ok(Event::Heard(message)),
                Err(Unreadable { id }) => self.refuse(id, ErrorCode::MessageInvalid).await?,
            }
        }
    }

    /// The text of a frame, or nothing for a control frame.
    async fn receive(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<Option<Utf8Bytes>, Closing> {
        let message = match received {
            None => return Err(Closing::ByPeer),
            Some(Err(error)) => return Err(closing_of(error)),
            Some(Ok(message)) => message,
        };
        let now = self.gateway.clock.now();
        self.heartbeat.heard(now);
        if !self.pace.admits(now) {
            self.refuse(None, ErrorCode::RateLimited).await?;
            return Err(Closing::because(CloseCode::RateLimited, ErrorCode::RateLimited));
        }
        match message {
            Message::Text(text) => Ok(Some(text)),
            Message::Binary(_) => Err(Closing::because(CloseCode::Binary, ErrorCode::MessageInvalid)),
            Message::Ping(_) | Message::Pong(_) => Ok(None),
            Message::Close(_) => Err(Closing::ByPeer),
        }
    }

    async fn refuse(&mut self, id: Option<u64>, code: ErrorCode) -> Result<(), Closing> {
        self.send(&ServerMessage::Error(ErrorMessage::new(id, code))).await
    }

    async fn send(&mut self, message: &ServerMessage) -> Result<(), Closing> {
        // Strings and numbers into memory: serde_json has no way to fail here.
        let text = serde_json::to_string(message).unwrap_or_default();
        self.write(Message::Text(text.into()), None).await
    }

    async fn send_text(&mut self, text: &str, outbox: Option<&Outbox>) -> Result<(), Closing> {
        self.write(Message::Text(text.into()), outbox).await
    }

    /// Writes within the time allowed, unless what waits behind it overflows first.
    async fn write(&mut self, message: Message, outbox: Option<&Outbox>) -> Result<(), Closing> {
        let clock = &self.gateway.clock;
        let mut write = pin!(self.ws.send(message));
        // Nearly every write goes through at once and needs no timer.
        if let Poll::Ready(written) = poll!(&mut write) {
            return written.map_err(|_| Closing::ByPeer);
        }
        let give_up_at = clock.now().saturating_add(self.gateway.config.write_timeout);
        let overflowed = async {
            match outbox {
                Some(outbox) => outbox.overflowed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            written = write => written.map_err(|_| Closing::ByPeer),
            () = clock.sleep_until(give_up_at) => Err(Closing::Stuck),
            () = overflowed => Err(Closing::Stuck),
        }
    }

    /// Says goodbye, then waits a moment for the client's: closing with unread bytes would take back what it was told.
    async fn close(mut self, closing: Closing) {
        let frame = match closing {
            Closing::Stuck => return,
            Closing::ByPeer => None,
            Closing::Broken(code) => Some((code, ErrorCode::MessageInvalid.as_str())),
            Closing::With(code, reason) => Some((code, reason)),
        };
        if let Some((code, reason)) = frame {
            let frame = CloseFrame { code: code.number(), reason: reason.into() };
            if self.write(Message::Close(Some(frame)), None).await.is_err() || matches!(closing, Closing::Broken(_)) {
                return;
            }
        }
        let clock: &dyn Clock = &*self.gateway.clock;
        let give_up_at = clock.now().saturating_add(self.gateway.config.write_timeout);
        tokio::select! {
            () = clock.sleep_until(give_up_at) => {}
            () = async { while let Some(Ok(_)) = self.ws.recv().await {} } => {}
        }
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

fn closing_of(error: axum::Error) -> Closing {
    match error.into_inner().downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => Closing::Broken(CloseCode::TooLarge),
        Some(tungstenite::Error::Utf8(_)) => Closing::Broken(CloseCode::NotUtf8),
        Some(tungstenite::Error::Protocol(error)) => match error {
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => Closing::ByPeer,
            _ => Closing::Broken(CloseCode::Protocol),
        },
        _ => Closing::ByPeer,
    }
}

fn log_renewal(stay: &Stay, token: &str, opened: &Result<SessionToken, Refusal>) {
    let reason = opened.as_ref().err().map(|refusal| refusal.exact);
    tracing::info!(
        app_id = %stay.app.app_id(), session_id = stay.session_id, token_id = %token_gen::TokenId::of(token), reason,
        "renewal"
    );
}

fn log_leave(stay: &Stay, closing: Closing) {
    let token_id = stay.session.grant().token().map(|token| tracing::field::display(token.token_id));
    tracing::info!(
        app_id = %stay.app.app_id(), user_id = stay.user_id, session_id = stay.session_id, token_id,
        reason = closing.reason(), "left"
    );
}
