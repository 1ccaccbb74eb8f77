//! A client of the gateway by hand, for tests that need somebody in a room.

use std::net::{SocketAddr, TcpStream};

use roompass_wire::gateway::SUBPROTOCOL;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, client::IntoClientRequest, http::HeaderValue};

use crate::harness::DEADLINE;

/// An open socket.
pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
    asked: u64,
}

impl Socket {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut request = format!("ws://{address}/v1/gateway").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let (socket, _) = tungstenite::client(request, stream).unwrap();
        Self { socket, asked: 0 }
    }

    /// The answer to a login.
    pub(crate) fn login(&mut self, app_id: &Value, user_id: &str, room_id: &str, token: &str) -> Value {
        let login = json!({ "app_id": app_id, "user_id": user_id, "room_id": room_id, "token": token });
        self.ask("login", login)
    }

    /// The answer to a message of this type.
    pub(crate) fn ask(&mut self, kind: &str, mut members: Value) -> Value {
        self.asked += 1;
        (members["type"], members["id"]) = (json!(kind), json!(self.asked));
        self.socket.send(Message::text(members.to_string())).unwrap();
        let asked = self.asked;
        self.hear_where(|heard| heard["id"] == asked)
    }

    /// The next message of this type; others are passed over.
    pub(crate) fn hear(&mut self, kind: &str) -> Value {
        self.hear_where(|heard| heard["type"] == kind)
    }

    fn hear_where(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                let heard: Value = serde_json::from_str(&text).unwrap();
                if is_meant(&heard) {
                    return heard;
                }
            }
        }
    }
}
