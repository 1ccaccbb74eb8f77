//! The other end of the protocol: a gateway that does exactly what a test says, and tokens to go with it.

use std::{
    future::Future,
    io,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use roompass_sdk::{
    AppId, AppSign, AuthKind, Client, ClientBuilder, ErrorCode, Event, Events, LocalUser, ManualEnvironment, Room,
    RoomState, SessionPrivilege, Stream, UnixSeconds, User,
};
use roompass_wire::gateway::{
    ClientMessage, ErrorMessage, Hello, LoggedIn, Login, OkReply, Publish, Resume, Resumed, SUBPROTOCOL, ServerMessage,
    SessionRights, SwitchRoom, TokenRenewed,
};
use token_gen::LoginProof;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        http::HeaderValue,
    },
};

pub(crate) const APP_ID: u32 = 1_234_567_890;
/// What the peer's clock shows when a connection is made.
pub(crate) const SERVER_TIME: i64 = 1_800_000_000;
pub(crate) const CHALLENGE: [u8; 32] = [9; 32];
/// What a login brings in its place.
pub(crate) const NEXT_CHALLENGE: [u8; 32] = [8; 32];

/// A token as far as a client can see: version, expiry, and sealed bytes that differ from one token to the next.
pub(crate) fn token(expire_at: i64) -> String {
    static SEAL: AtomicU8 = AtomicU8::new(0);
    let mut bytes = expire_at.to_be_bytes().to_vec();
    bytes.extend([SEAL.fetch_add(1, Ordering::Relaxed); 32]);
    format!("04{}", STANDARD.encode(bytes))
}

pub(crate) fn alice() -> LocalUser {
    LocalUser::new("alice").unwrap()
}

pub(crate) fn user(user_id: &str) -> User {
    User { user_id: user_id.to_owned(), user_name: user_id.to_owned(), ..User::default() }
}

/// Fails the test instead of hanging it.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("it happens soon")
}

/// The first event for which `pick` gives something.
pub(crate) async fn event<T>(events: &mut Events, pick: impl Fn(Event) -> Option<T>) -> T {
    soon(async {
        loop {
            if let Some(picked) = pick(events.next().await.expect("the stay goes on")) {
                return picked;
            }
        }
    })
    .await
}

/// Lets every task on this thread do all it can do now.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// The state of the room once `pick` takes it.
pub(crate) async fn state(room: &Room, pick: impl Fn(&RoomState) -> bool) -> RoomState {
    soon(room.watch_state().wait_for(pick)).await.unwrap().clone()
}

/// Waits for the loss to be noticed, and then for the first try, which comes within a second.
pub(crate) async fn let_it_try(room: &Room, peer: &Peer) {
    state(room, |state| matches!(state, RoomState::Reconnecting)).await;
    peer.environment.advance(Duration::from_secs(1));
}

/// What all tests of this process have logged so far, at the finest level.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct LogWriter;

impl io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log as text.
pub(crate) fn logged() -> String {
    String::from_utf8(LOG.lock().unwrap().clone()).unwrap()
}

/// One subscriber for the process: a level that any test's threads turn off stays off for all.
fn start_log() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let level = tracing::Level::TRACE;
        let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(|| LogWriter).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

pub(crate) struct Peer {
    listener: TcpListener,
    pub(crate) url: String,
    pub(crate) environment: Arc<ManualEnvironment>,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        start_log();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, url, environment: Arc::new(ManualEnvironment::new(0.5)) }
    }

    /// A client of this peer whose time the test moves, and who does not mind silence.
    pub(crate) fn client(&self) -> ClientBuilder {
        Client::builder(APP_ID, &self.url)
            .environment(self.environment.clone())
            .keep_alive(Duration::from_secs(100_000))
    }

    /// The next connection, upgraded but not greeted.
    pub(crate) async fn accept(&self) -> Talk {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut upgrade = String::new();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let callback = |request: &Request, mut response: Response| {
            upgrade = format!("{} {:?}", request.uri(), request.headers());
            response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
            Ok(response)
        };
        let socket = soon(accept_hdr_async(stream, callback)).await.unwrap();
        Talk { socket, received: vec![upgrade] }
    }

    /// Answers the next connection with an HTTP error instead of an upgrade.
    pub(crate) async fn refuse_upgrade(&self, answer: &str) {
        let (mut stream, _) = soon(self.listener.accept()).await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(soon(stream.read_u8()).await.unwrap());
        }
        soon(stream.write_all(answer.as_bytes())).await.unwrap();
    }

    /// The next connection, greeted, with its login.
    pub(crate) async fn greet(&self) -> (Talk, Login) {
        let mut talk = self.accept().await;
        talk.hello(SERVER_TIME).await;
        let login = talk.expect_login().await;
        (talk, login)
    }

    /// Logs alice in to the lobby with a token that has `life` seconds to go.
    pub(crate) async fn admit(&self, client: &Client, life: i64) -> (Room, Talk) {
        self.admit_as(client, LoggedIn { expire_at: Some(SERVER_TIME + life), ..logged_in() }).await
    }

    /// Logs alice in to the lobby with this answer.
    pub(crate) async fn admit_as(&self, client: &Client, answer: LoggedIn) -> (Room, Talk) {
        let serve = async {
            let (mut talk, login) = self.greet().await;
            talk.admit_as(LoggedIn { id: login.id, ..answer }).await;
            talk
        };
        let (room, talk) = soon(async { tokio::join!(client.login_room("lobby", alice()), serve) }).await;
        (room.unwrap(), talk)
    }
}

/// One connection, from the peer's side.
pub(crate) struct Talk {
    socket: WebSocketStream<TcpStream>,
    /// The upgrade request, then every message, as text.
    pub(crate) received: Vec<String>,
}

impl Talk {
    pub(crate) async fn hello(&mut self, server_time: i64) {
        self.send(&ServerMessage::Hello(Hello {
            protocol: SUBPROTOCOL.to_owned(),
            challenge: STANDARD.encode(CHALLENGE),
            server_time,
            login_timeout_secs: 10,
        }))
        .await;
    }

    pub(crate) async fn admit(&mut self, id: u64, expire_at: Option<i64>) {
        self.admit_as(LoggedIn { id, expire_at, ..logged_in() }).await;
    }

    pub(crate) async fn admit_as(&mut self, logged_in: LoggedIn) {
        self.send(&ServerMessage::LoggedIn(logged_in)).await;
    }

    pub(crate) async fn send(&mut self, message: &ServerMessage) {
        self.send_text(&serde_json::to_string(message).unwrap()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        soon(self.socket.send(Message::text(text))).await.unwrap();
    }

    pub(crate) async fn ok(&mut self, id: u64) {
        self.send(&ServerMessage::Ok(OkReply { id })).await;
    }

    pub(crate) async fn refuse(&mut self, id: Option<u64>, code: ErrorCode) {
        self.send(&ServerMessage::Error(ErrorMessage::new(id, code))).await;
    }

    pub(crate) async fn renewed(&mut self, id: u64, expire_at: i64, server_time: i64) {
        let privileges = vec![SessionPrivilege::Login];
        let rights = SessionRights::default();
        let renewed = TokenRenewed { id, expire_at, server_time, privileges, rights, notice: None };
        self.send(&ServerMessage::TokenRenewed(renewed)).await;
    }

    /// The next message, or `None` when the client has gone.
    pub(crate) async fn receive(&mut self) -> Option<ClientMessage> {
        soon(async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        self.received.push(text.to_string());
                        return Some(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => return None,
                }
            }
        })
        .await
    }

    pub(crate) async fn expect_login(&mut self) -> Login {
        match self.receive().await {
            Some(ClientMessage::Login(login)) => login,
            other => panic!("not a login: {other:?}"),
        }
    }

    pub(crate) async fn expect_resumption(&mut self) -> Resume {
        match self.receive().await {
            Some(ClientMessage::Resume(resume)) => resume,
            other => panic!("not a resumption: {other:?}"),
        }
    }

    pub(crate) async fn expect_switch(&mut self) -> SwitchRoom {
        match self.receive().await {
            Some(ClientMessage::SwitchRoom(switch)) => switch,
            other => panic!("not a switch: {other:?}"),
        }
    }

    pub(crate) async fn expect_renewal(&mut self) -> (u64, String) {
        match self.receive().await {
            Some(ClientMessage::RenewToken(renew)) => (renew.id, renew.token),
            other => panic!("not a renewal: {other:?}"),
        }
    }

    pub(crate) async fn expect_publish(&mut self) -> Publish {
        match self.receive().await {
            Some(ClientMessage::Publish(request)) => request,
            other => panic!("not a publish: {other:?}"),
        }
    }

    /// Whether the client said goodbye when it went, as opposed to breaking off.
    pub(crate) async fn was_closed(&mut self) -> bool {
        soon(async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(_))) => return true,
                    Some(Ok(_)) => {}
                    _ => return false,
                }
            }
        })
        .await
    }

    pub(crate) async fn expect_gone(&mut self) {
        assert_eq!(self.receive().await, None);
    }
}

/// Whether `login` carries alice's proof of `app_sign` for the server at `url` and its hello.
pub(crate) fn proves(app_sign: &AppSign, url: &str, login: &Login) -> bool {
    proves_to(&CHALLENGE, app_sign, url, login)
}

/// The same for another challenge.
pub(crate) fn proves_to(challenge: &[u8; 32], app_sign: &AppSign, url: &str, login: &Login) -> bool {
    let Some(shown) = &login.app_sign_proof else { return false };
    let proof = LoginProof {
        server_origin: url,
        app_id: AppId::new(APP_ID).unwrap(),
        user_id: "alice",
        room_id: &login.room_id,
        challenge,
        timestamp: UnixSeconds::new(shown.timestamp),
    };
    assert_eq!(shown.timestamp, SERVER_TIME);
    proof.verify(app_sign, &STANDARD.decode(&shown.proof).unwrap())
}

/// An answer with a place that is kept for 90 s.
pub(crate) fn resumable() -> LoggedIn {
    let resume_key = Some("key-1".to_owned());
    LoggedIn { resume_key, resume_within_secs: 90, expire_at: Some(SERVER_TIME + 3600), ..logged_in() }
}

/// The answer to a resumption after change number `seq`.
pub(crate) fn resumed(id: u64, seq: u64) -> Resumed {
    let LoggedIn { session_id, room_id, room_session_id, privileges, rights, expire_at, .. } = resumable();
    Resumed {
        id,
        session_id,
        room_id,
        room_session_id,
        resume_key: "key-2".to_owned(),
        resume_within_secs: 90,
        privileges,
        rights,
        expire_at,
        server_time: SERVER_TIME + 5,
        seq,
        publishing: Vec::new(),
        playing: Vec::new(),
        messages_missed: false,
        state: None,
    }
}

pub(crate) fn logged_in() -> LoggedIn {
    LoggedIn {
        id: 1,
        session_id: "s-1".to_owned(),
        room_id: "lobby".to_owned(),
        user_id: "alice".to_owned(),
        auth: AuthKind::Token,
        other_credential: None,
        privileges: vec![SessionPrivilege::Login, SessionPrivilege::Publish],
        rights: SessionRights::default(),
        expire_at: None,
        metadata: None,
        resume_key: None,
        resume_within_secs: 0,
        challenge: None,
        server_time: SERVER_TIME,
        room_session_id: "1".to_owned(),
        seq: 1,
        mark: None,
        users: vec![user("alice")],
        streams: Vec::<Stream>::new(),
        room_extra: Vec::new(),
    }
}
