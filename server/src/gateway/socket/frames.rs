//! Frames ⇄ messages, pings, slow readers, and how a connection ends.

use std::{pin::pin, task::Poll};

use futures_util::{SinkExt, StreamExt, poll};
use roompass_wire::{
    ErrorCode,
    gateway::{ClientMessage, CloseCode, ErrorMessage, ServerMessage},
};
use token_gen::UnixSeconds;
use tungstenite::{Message, Utf8Bytes, protocol::CloseFrame};

use super::{Socket, fragments::TooManyFragments};
use crate::{
    gateway::{
        frame::{self, Unreadable},
        pace::Beat,
    },
    media::StayMedia,
    metrics::Limit,
    rooms::{Delivery, Outbox},
};

/// What happened to a connection.
pub(super) enum Event {
    Heard(ClientMessage),
    Delivered(Delivery),
    /// The client's connection for media is gone, by no fault of its own.
    MediaLost,
    Due,
    /// The server stops, and closes this connection at that time.
    Draining(UnixSeconds),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Closing {
    /// The client closed it.
    ByPeer,
    /// It broke.
    Lost,
    /// The client does not read: nothing more can be told.
    Stuck,
    /// The frames cannot be read any further.
    Broken(CloseCode),
    /// The server closes it, and says why.
    With(CloseCode, &'static str),
}

impl Closing {
    pub(super) const fn because(close: CloseCode, code: ErrorCode) -> Self {
        Self::With(close, code.as_str())
    }

    /// Whether the client may mean to come back and go on.
    pub(super) const fn keeps_session(self) -> bool {
        matches!(self, Self::Lost | Self::Stuck | Self::With(CloseCode::NoPong | CloseCode::TooSlow, _))
    }

    /// Whether the client left of its own accord.
    pub(super) const fn is_goodbye(self) -> bool {
        matches!(self, Self::ByPeer | Self::With(CloseCode::LoggedOut, _))
    }

    /// The reason, for the log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::ByPeer => "connection_closed",
            Self::Lost => "connection_lost",
            Self::Stuck => ErrorCode::TooSlow.as_str(),
            Self::Broken(_) => ErrorCode::MessageInvalid.as_str(),
            Self::With(_, reason) => reason,
        }
    }
}

impl Socket {
    /// Waits for the next thing that concerns more than this socket.
    pub(super) async fn next(
        &mut self,
        deadline: Option<UnixSeconds>,
        stay: Option<(&Outbox, &mut StayMedia)>,
    ) -> Result<Event, Closing> {
        let (outbox, mut media) = stay.unzip();
        loop {
            let now = self.gateway.clock.now();
            if let Some(until) = self.leaves_at.filter(|&until| now >= until) {
                return Ok(Event::Draining(until));
            }
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(Event::Due);
            }
            match self.heartbeat.beat(now) {
                Beat::Nothing => {}
                Beat::Ping => self.write(Message::Ping(Default::default()), outbox).await?,
                Beat::GiveUp => return Err(Closing::With(CloseCode::NoPong, "no_pong")),
            }
            let wake_at = self.leaves_at.into_iter().chain(deadline).fold(self.heartbeat.due_at(), UnixSeconds::min);
            let delivery = async {
                match outbox {
                    Some(outbox) => outbox.next().await,
                    None => std::future::pending().await,
                }
            };
            let media_lost = async {
                match &mut media {
                    Some(media) => while !matches!(media.heard().await, roompass_media::Event::Ended { .. }) {},
                    None => std::future::pending().await,
                }
            };
            let received = tokio::select! {
                // Cannot fail: the gateway holds the sender.
                draining = self.draining.wait_for(Option::is_some), if self.leaves_at.is_none() => {
                    let until = draining.ok().and_then(|until| *until).unwrap_or(now);
                    self.leaves_at = Some(until);
                    return Ok(Event::Draining(until));
                }
                delivery = delivery => return Ok(Event::Delivered(delivery)),
                () = media_lost => return Ok(Event::MediaLost),
                () = self.gateway.wheel.wait(wake_at) => continue,
                received = self.ws.next() => received,
            };
            let Some(text) = self.receive(received, outbox).await? else { continue };
            match frame::read(&text, self.gateway.config.max_json_depth) {
                Ok(message) => return Ok(Event::Heard(message)),
                Err(Unreadable { id }) => self.refuse(id, ErrorCode::MessageInvalid, outbox).await?,
            }
        }
    }

    /// The text of a frame, or nothing for a control frame.
    async fn receive(
        &mut self,
        received: Option<Result<Message, tungstenite::Error>>,
        outbox: Option<&Outbox>,
    ) -> Result<Option<Utf8Bytes>, Closing> {
        let message = match received {
            None => return Err(Closing::Lost),
            Some(Err(error)) => return Err(closing_of(&error)),
            Some(Ok(message)) => message,
        };
        let now = self.gateway.clock.now();
        self.heartbeat.heard(now);
        if !self.pace.admits(now) {
            self.gateway.metrics.limited(Limit::Messages);
            self.refuse(None, ErrorCode::RateLimited, outbox).await?;
            return Err(Closing::because(CloseCode::RateLimited, ErrorCode::RateLimited));
        }
        match message {
            Message::Text(text) => Ok(Some(text)),
            Message::Binary(_) => Err(Closing::because(CloseCode::Binary, ErrorCode::MessageInvalid)),
            // Raw frames are not read.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
            Message::Close(_) => Err(Closing::ByPeer),
        }
    }

    pub(super) async fn refuse(
        &mut self,
        id: Option<u64>,
        code: ErrorCode,
        outbox: Option<&Outbox>,
    ) -> Result<(), Closing> {
        self.send(&ServerMessage::Error(ErrorMessage::new(id, code)), outbox).await
    }

    pub(super) async fn send(&mut self, message: &ServerMessage, outbox: Option<&Outbox>) -> Result<(), Closing> {
        // Strings and numbers into memory: serde_json has no way to fail here.
        let text = serde_json::to_string(message).unwrap_or_default();
        self.write(Message::Text(text.into()), outbox).await
    }

    pub(super) async fn send_text(&mut self, text: &str, outbox: Option<&Outbox>) -> Result<(), Closing> {
        self.write(Message::Text(text.into()), outbox).await
    }

    /// Writes within the time allowed, unless what waits behind it overflows first, the stay is ended or another connection
    /// calls. What was begun goes out before the next message.
    async fn write(&mut self, message: Message, outbox: Option<&Outbox>) -> Result<(), Closing> {
        {
            let mut write = pin!(self.ws.send(message));
            // Nearly every write goes through at once and needs no timer.
            if let Poll::Ready(written) = poll!(&mut write) {
                return written.map_err(|_| Closing::Lost);
            }
            let give_up_at = self.gateway.clock.now().saturating_add(self.gateway.config.write_timeout);
            let give_up_at = self.ends_by.into_iter().fold(give_up_at, UnixSeconds::min);
            let interrupted = async {
                match outbox {
                    Some(outbox) => outbox.interrupted().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                written = write => written.map_err(|_| Closing::Lost),
                () = self.gateway.wheel.wait(give_up_at) => Err(Closing::Stuck),
                () = interrupted => Err(Closing::Stuck),
            }
        }
    }

    /// Says goodbye, then waits a moment for the client's: closing with unread bytes would take back what it was told.
    pub(super) async fn close(mut self, closing: Closing) {
        let frame = match closing {
            Closing::Stuck | Closing::Lost => return,
            Closing::ByPeer => None,
            Closing::Broken(code) => Some((code, ErrorCode::MessageInvalid.as_str())),
            Closing::With(code, reason) => Some((code, reason)),
        };
        if let Some((code, reason)) = frame {
            let frame = CloseFrame { code: code.number().into(), reason: reason.into() };
            if self.write(Message::Close(Some(frame)), None).await.is_err() || matches!(closing, Closing::Broken(_)) {
                return;
            }
        }
        let give_up_at = self.gateway.clock.now().saturating_add(self.gateway.config.write_timeout);
        tokio::select! {
            () = self.gateway.wheel.wait(give_up_at) => {}
            () = async { while let Some(Ok(_)) = self.ws.next().await {} } => {}
        }
    }
}

fn closing_of(error: &tungstenite::Error) -> Closing {
    match error {
        tungstenite::Error::Capacity(_) => Closing::Broken(CloseCode::TooLarge),
        tungstenite::Error::Io(error) if error.get_ref().is_some_and(|error| error.is::<TooManyFragments>()) => {
            Closing::Broken(CloseCode::TooLarge)
        }
        tungstenite::Error::Utf8(_) => Closing::Broken(CloseCode::NotUtf8),
        tungstenite::Error::Protocol(error) => match error {
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => Closing::Lost,
            _ => Closing::Broken(CloseCode::Protocol),
        },
        _ => Closing::Lost,
    }
}
