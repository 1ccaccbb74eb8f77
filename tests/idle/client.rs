//! A client on the bare protocol that costs next to nothing, so that there can be very many.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, interval_at, timeout},
};

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);
/// When to come again if there is no time now.
const LATER: Duration = Duration::from_millis(500);

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    /// What has come and is not a whole frame yet.
    unread: Vec<u8>,
    /// How often it was told that its token will expire.
    pub(crate) warnings: usize,
}

/// Why there is no connection any more.
pub(crate) type Ended = String;

impl Client {
    /// Opens a socket, whenever the server has time, and logs in.
    pub(crate) async fn enter(server: SocketAddr, user_id: &str, room_id: &str, token: &str) -> Result<Self, Ended> {
        let mut client = loop {
            match Self::connect(server).await? {
                Some(client) => break client,
                None => drop(interval_at(Instant::now() + LATER, LATER).tick().await),
            }
        };
        client.text().await?;
        let login = json!({
            "type": "login", "id": 1, "app_id": 1, "user_id": user_id, "room_id": room_id, "token": token
        });
        client.write(&frame(TEXT, login.to_string().as_bytes())).await?;
        let answer: Value = serde_json::from_str(&client.text().await?).expect("JSON");
        if answer["type"] == "logged_in" { Ok(client) } else { Err(answer.to_string()) }
    }

    /// A socket, unless the server asks to come later.
    async fn connect(server: SocketAddr) -> Result<Option<Self>, Ended> {
        let stream = TcpStream::connect(server).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let mut client = Self { stream, unread: Vec::new(), warnings: 0 };
        let head = "GET /v1/gateway HTTP/1.1\r\nHost: idle\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Sec-WebSocket-Protocol: roompass.v1\r\n\r\n";
        client.write(head.as_bytes()).await?;
        let end = loop {
            if let Some(at) = client.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            client.read().await?;
        };
        let answer = String::from_utf8_lossy(&client.unread[..end]).into_owned();
        client.unread.drain(..end);
        match answer.split(' ').nth(1) {
            Some("101") => Ok(Some(client)),
            Some("503") => Ok(None),
            _ => Err(answer),
        }
    }

    /// Waits for a ping and answers it, with a ping of its own that shows when the answer has been heard.
    pub(crate) async fn answer_ping(&mut self) -> Result<(), Ended> {
        self.until(PING).await?;
        self.write(&[frame(PONG, b""), frame(PING, b"")].concat()).await
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&mut self) -> Result<(), Ended> {
        self.write(&frame(PING, b"")).await
    }

    /// Waits for it: everything that was said before has then come too.
    pub(crate) async fn hear_pong(&mut self) -> Result<(), Ended> {
        self.until(PONG).await
    }

    /// Waits until it is told that its token will expire.
    pub(crate) async fn hear_warning(&mut self) -> Result<(), Ended> {
        while self.warnings == 0 {
            self.text().await?;
        }
        Ok(())
    }

    async fn text(&mut self) -> Result<String, Ended> {
        loop {
            if let (TEXT, text) = self.frame().await? {
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
        }
    }

    async fn until(&mut self, opcode: u8) -> Result<(), Ended> {
        while self.frame().await?.0 != opcode {}
        Ok(())
    }

    /// The next frame: opcode and payload.
    async fn frame(&mut self) -> Result<(u8, Vec<u8>), Ended> {
        let (opcode, payload) = loop {
            if let Some((opcode, head, len)) = measure(&self.unread) {
                let payload = self.unread[head..head + len].to_vec();
                self.unread.drain(..head + len);
                break (opcode, payload);
            }
            self.read().await?;
        };
        if self.unread.is_empty() {
            // There are very many.
            self.unread = Vec::new();
        }
        if opcode == CLOSE {
            return Err(format!("closed: {:?}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default())));
        }
        self.warnings += usize::from(contains(&payload, b"\"type\":\"token_will_expire\""));
        Ok((opcode, payload))
    }

    async fn read(&mut self) -> Result<(), Ended> {
        let mut bytes = [0; 4096];
        let read = timeout(DEADLINE, self.stream.read(&mut bytes)).await.map_err(|_| "nothing comes".to_owned())?;
        match read {
            Ok(0) => Err("the connection ended".to_owned()),
            Ok(len) => {
                self.unread.extend_from_slice(&bytes[..len]);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.stream.write_all(bytes).await.map_err(|error| error.to_string())
    }
}

fn contains(payload: &[u8], words: &[u8]) -> bool {
    payload.windows(words.len()).any(|window| window == words)
}

/// What the first frame is, where its payload begins and how long that is, if it has come as a whole.
fn measure(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&opcode, &short) = (bytes.first()?, bytes.get(1)?);
    let (head, len) = match short {
        126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..4)?.first_chunk()?))),
        127 => panic!("nothing here is so long"),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= head + len).then_some((opcode & 0xF, head, len))
}

/// A whole frame from a client, masked with zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(len @ 0..=125) => frame.push(0x80 | len),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).expect("nothing here is so long").to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
