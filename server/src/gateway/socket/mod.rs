//! One connection: messages ⇄ sessions, deadlines, resuming, leaving. Performs what the session decides.
//!
//! Knows no rules of rooms and tokens: those are in `session` and [`crate::login`]. How a client comes in is in
//! `arrival.rs`, what it asks for in `requests.rs`, frames are in `frames.rs`.

mod arrival;
mod fragments;
mod frames;
mod media;
mod requests;

use std::{sync::Arc, time::Duration};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rand::{TryRng, rngs::SysRng};
use roompass_wire::{
    ErrorCode,
    gateway::{ClientMessage, CloseCode, GoneReason, MediaLost, Reconnect, ServerMessage},
};
use token_gen::{CHALLENGE_LEN, UnixSeconds};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;

use super::{
    Gateway, Visitor,
    pace::{Heartbeat, Pace},
    session::{Departure, Effect},
    stay::{self, Stay},
    waiting::Waiting,
};
use crate::rooms::Delivery;
use frames::{Closing, Event};

pub(super) use fragments::Counted;

/// The socket beneath.
pub(super) type WebSocket = WebSocketStream<Counted<TokioIo<Upgraded>>>;

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
