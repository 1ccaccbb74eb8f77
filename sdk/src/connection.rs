//! One socket to the gateway: opened and greeted, then messages out and in.
//!
//! Knows nothing of rooms, privileges and renewal, and never opens itself again.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use roompass_wire::{
    ErrorCode,
    gateway::{ClientMessage, CloseCode, ErrorMessage, Hello, LoggedIn, SUBPROTOCOL, ServerMessage},
};
use serde::{Deserialize, de::IntoDeserializer};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        client::ClientRequestBuilder,
        http::{Uri, header::RETRY_AFTER},
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{environment::Environment, error::Error, options::Options, server_url::ServerUrl};

/// A login answer lists everybody in the room, so this is far above all other messages.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;
/// Messages are mostly small; the library's own default is 128 KiB for each connection.
const BUFFER_BYTES: usize = 8 * 1024;

/// A connection that the server has greeted.
pub(crate) struct Connection {
    /// What it said.
    pub(crate) hello: Hello,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    environment: Arc<dyn Environment>,
    send_limit: Duration,
}

impl Connection {
    /// Connects and takes the server's greeting.
    pub(crate) async fn open(options: &Options, server: &ServerUrl) -> Result<Self, Error> {
        let limit = options.limits.connect;
        // On the heap: the state of connecting is tens of kilobytes, and callers embed it many times over.
        within(&*options.environment, limit, Box::pin(Self::open_unhurried(options, server))).await
    }

    /// Sends a message, or fails if the server does not take it in time.
    pub(crate) async fn send(&mut self, message: &ClientMessage) -> Result<(), Error> {
        let text = serde_json::to_string(message).map_err(Error::network)?;
        self.transmit(Message::text(text)).await
    }

    /// Asks whether the server is there.
    pub(crate) async fn ping(&mut self) -> Result<(), Error> {
        self.transmit(Message::Ping(tungstenite::Bytes::new())).await
    }

    /// The next sign of life; `None` for one that says nothing to this version. May be dropped and called again.
    pub(crate) async fn receive(&mut self) -> Result<Option<ServerMessage>, Error> {
        match self.socket.next().await {
            None => Err(Error::network(tungstenite::Error::ConnectionClosed)),
            Some(Ok(Message::Close(frame))) => Err(closed(frame)),
            Some(Ok(Message::Text(text))) => {
                let message = read(&text)?;
                if let Some(ServerMessage::LoggedIn(LoggedIn { challenge: Some(next), .. })) = &message {
                    // The one before is used up.
                    self.hello.challenge.clone_from(next);
                }
                Ok(message)
            }
            Some(Ok(Message::Binary(_))) => Err(Error::Protocol { what: "it sent a binary message" }),
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Err(failure(error)),
        }
    }

    /// Says goodbye; whether it is heard does not matter.
    pub(crate) async fn close(mut self) {
        let closing = async { self.socket.close(None).await.map_err(failure) };
        let _ = within(&*self.environment, self.send_limit, closing).await;
    }

    async fn open_unhurried(options: &Options, server: &ServerUrl) -> Result<Self, Error> {
        let uri: Uri = server.gateway().as_str().parse().map_err(|error| Error::config("server URL", error))?;
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let tls = options.tls.clone().filter(|_| server.is_secure());
        let connector = tls.map_or(Connector::Plain, Connector::Rustls);
        let (socket, _) =
            connect_async_tls_with_config(request, Some(config), true, Some(connector)).await.map_err(failure)?;
        let environment = Arc::clone(&options.environment);
        // Until the server has spoken, there is nothing to remember.
        let hello = Hello { protocol: String::new(), challenge: String::new(), server_time: 0, login_timeout_secs: 0 };
        let mut connection = Self { hello, socket, environment, send_limit: options.limits.request };
        loop {
            match connection.receive().await? {
                Some(ServerMessage::Hello(hello)) if hello.protocol == SUBPROTOCOL => {
                    return Ok(Self { hello, ..connection });
                }
                Some(ServerMessage::Hello(_)) => return Err(Error::Protocol { what: "it speaks another version" }),
                Some(ServerMessage::Error(error)) => return Err(error.into()),
                Some(_) => return Err(Error::Protocol { what: "its first message is not hello" }),
                None => {}
            }
        }
    }

    async fn transmit(&mut self, message: Message) -> Result<(), Error> {
        let sending = async { self.socket.send(message).await.map_err(failure) };
        within(&*self.environment, self.send_limit, sending).await
    }
}

/// The result of `work`, or [`Error::Timeout`] after `limit`.
pub(crate) async fn within<T>(
    environment: &dyn Environment,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let timeout = environment.sleep_until(environment.now() + limit);
    tokio::select! {
        biased;
        result = work => result,
        () = timeout => Err(Error::Timeout { after: limit }),
    }
}

/// Why the server closed the connection: a refusal that is final, if it says so, otherwise a loss.
fn closed(frame: Option<CloseFrame>) -> Error {
    let lost = || Error::network(tungstenite::Error::ConnectionClosed);
    let Some(frame) = frame else { return lost() };
    if u16::from(frame.code) == CloseCode::Superseded.number() {
        // By somebody who has the key of the place. Who takes it back would start a quarrel without an end.
        return ErrorMessage::new(None, ErrorCode::LoggedInElsewhere).into();
    }
    let stays_away = |close: &CloseCode| close.number() == u16::from(frame.code) && !close.may_reconnect();
    let code = ErrorCode::deserialize(IntoDeserializer::<serde::de::value::Error>::into_deserializer(&*frame.reason));
    match code {
        Ok(code) if CloseCode::ALL.iter().any(stays_away) && code != ErrorCode::Unknown && !code.row().retryable => {
            ErrorMessage::new(None, code).into()
        }
        _ => lost(),
    }
}

/// Reads a message. One of a kind that this version does not know is nothing; what is no message is an error.
fn read(text: &str) -> Result<Option<ServerMessage>, Error> {
    if let Ok(message) = serde_json::from_str(text) {
        return Ok(Some(message));
    }
    // The reader's own message could quote what was sent.
    let Ok(Kind { kind }) = serde_json::from_str(text) else {
        return Err(Error::Protocol { what: "it sent something that is no message" });
    };
    let kind: String = kind.chars().take(32).collect();
    tracing::debug!(kind, "ignored a message this version cannot read");
    Ok(None)
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

fn failure(error: tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Http(response) => {
            let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.as_bytes());
            Error::answered(response.status().as_u16(), retry_after, response.body().as_deref().unwrap_or_default())
        }
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::SecWebSocketSubProtocolError(_)) => {
            Error::Protocol { what: "it does not speak roompass.v1" }
        }
        error => Error::network(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_is_final_only_if_it_says_why_and_that_time_does_not_heal_it() {
        for (number, reason, code) in [
            (1009, "message_invalid", Some(ErrorCode::MessageInvalid)),
            (4001, "banned", Some(ErrorCode::Banned)),
            (4002, "resumed", Some(ErrorCode::LoggedInElsewhere)),
            (4000, "unavailable", None),
            (4100, "kicked_internal", None),
            (4104, "message_invalid", None),
            (1000, "", None),
            (1001, "banned", None),
            (1009, "made_up_later", None),
        ] {
            let error = closed(Some(CloseFrame { code: number.into(), reason: reason.into() }));
            assert_eq!(error.code(), code, "{number} {reason}");
        }
        assert_eq!(closed(None).code(), None);
    }

    #[test]
    fn unknown_kinds_are_nothing_and_rubbish_is_an_error() {
        assert!(matches!(read(r#"{"type":"room_weather","sunny":true}"#), Ok(None)));
        assert!(
            matches!(read(r#"{"type":"ok","id":3,"more":1}"#), Ok(Some(ServerMessage::Ok(reply))) if reply.id == 3)
        );
        for text in ["", "3", "[]", "{}", r#"{"type":3}"#, "hello"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
