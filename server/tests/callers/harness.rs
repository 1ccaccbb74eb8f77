//! A server on a free port, and a client that sends exactly the bytes it is told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rand::rngs::SysRng;
use roompass_server::{
    Config, Running,
    admin::{KeyKind, NewKey},
    apps::AppSettings,
    clock::Clock,
    keys::{KeyText, Scope},
    limits::Quota,
    sealing::MasterKey,
    start,
};
use token_gen::AppId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{kept, trace};

pub(crate) const APP_ID: u32 = 1_234_567_890;
/// Longer than any limit of the server; reached only by a failing test.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) async fn start(clock: Arc<dyn Clock>) -> Self {
        trace::keep(roompass_server::telemetry::filter("trace").unwrap());
        let master_key = MasterKey::generate(&mut SysRng).unwrap();
        let mut config = Config::ephemeral("127.0.0.1:0".parse().unwrap(), master_key);
        // What is measured here is something else.
        config.limits.source = Quota::per_second(1_000_000);
        config.limits.key = Quota::per_second(1_000_000);
        let running = start(config, clock).await.unwrap();
        let address = running.url().strip_prefix("http://").unwrap().parse().unwrap();
        let app_id = AppId::new(APP_ID).unwrap();
        running.service().admin.create_app(AppSettings::new(app_id, "app")).await.unwrap();
        Self { running, address }
    }

    pub(crate) async fn key(&self, kind: KeyKind) -> KeyText {
        let app_id = AppId::new(APP_ID).unwrap();
        let key =
            NewKey { app_id: Some(app_id), name: "key".to_owned(), scope: Scope::everything(), expire_at: None, kind };
        let key = self.running.service().admin.create_key(key).await.unwrap();
        kept::note_secret(key.expose());
        key
    }

    /// The answer to a request that asks for its connection to be closed.
    pub(crate) async fn ask(&self, request: &[u8]) -> Vec<u8> {
        self.ask_from([127, 0, 0, 1], request).await
    }

    /// The same from another address.
    pub(crate) async fn ask_from(&self, source: [u8; 4], request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect_from(source).await;
        // The server may close before it has read everything.
        let _ = stream.write_all(request).await;
        read_to_end(&mut stream).await
    }

    /// Everything the server answers to bytes after which nothing more comes.
    pub(crate) async fn ask_and_hang_up(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect_from([127, 0, 0, 1]).await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        read_to_end(&mut stream).await
    }

    pub(crate) async fn connect_from(&self, source: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    pub(crate) async fn status_from(&self, source: [u8; 4], request: &str) -> u16 {
        status(&self.ask_from(source, request.as_bytes()).await)
    }

    /// Whether the server still answers a good request.
    pub(crate) async fn is_alive(&self) -> bool {
        status(&self.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await) == 200
    }
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A reset connection is a closed one.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes what it refuses");
    answer
}

/// The status of the first answer; 0 if there is none.
pub(crate) fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or_default()
}

/// How many answers there are.
pub(crate) fn answers(answer: &[u8]) -> usize {
    String::from_utf8_lossy(answer).matches("HTTP/1.1 ").count()
}
