//! What idle sessions cost: 15,000 logged-in sockets on one process, its memory for each, the login rate, how long a
//! message takes to the others of a room, and how punctually all are warned of their tokens' end.
//!
//! `cargo bench --package roompass-server --bench sockets`; the clients are in another process, for the memory to be
//! the server's alone and because each process may open 20,000 files.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rand::rngs::SysRng;
use roompass_server::{
    Config,
    apps::AppSettings,
    clock::{Clock, SystemClock},
    sealing::MasterKey,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use token_gen::{AppId, Minter, Payload, Privileges, Rights, RoomId, ServerSecret, TokenRequest, UnixSeconds, UserId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Builder,
    sync::{Mutex, Semaphore, mpsc},
};

const APP_ID: u32 = 1;
const SOCKETS: usize = 15_000;
const IN_A_ROOM: usize = 10;
const CONNECTING_AT_ONCE: usize = 64;
const MESSAGES: usize = 300;
/// Long enough for everybody to be in.
const TOKENS_END_AFTER_SECS: i64 = 90;
const LEAD_SECS: u64 = 5;
const BAR_KIB: f64 = 10.0;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.find(|argument| argument == "--test" || argument == "--serve").as_deref() {
        // `cargo test --benches` asks for nothing to be measured.
        Some("--test") => {}
        Some(_) => serve(),
        None => measure(),
    }
}

/// As many open files as the system lets us have.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the maximum it may be raised");
}

/// The server: prints where it is and its app's secret, and serves until its input ends.
fn serve() {
    raise_file_limit();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be made");
    let running = runtime.block_on(async {
        let master_key = MasterKey::generate(&mut SysRng).expect("the system gives random bytes");
        let mut config = Config::ephemeral("127.0.0.1:0".parse().expect("an address"), master_key);
        config.gateway.max_waiting = SOCKETS;
        config.gateway.max_waiting_per_source = SOCKETS;
        let running = roompass_server::start(config, Arc::new(SystemClock::new())).await.expect("it starts");
        let mut settings = AppSettings::new(AppId::new(APP_ID).expect("not 0"), "bench");
        settings.will_expire_lead_secs = LEAD_SECS;
        let credentials = running.create_app(settings).await.expect("the app can be made");
        println!("{}", json!({ "url": running.url(), "secret": credentials.app.server_secret.expose() }));
        running
    });
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    drop(running);
    runtime.shutdown_background();
}

/// What a socket heard.
enum Heard {
    Message { at: Instant },
    Warning { late_by_ms: i64 },
}

fn measure() {
    raise_file_limit();
    let mut server = Server::start();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be made");
    let is_met = runtime.block_on(async {
        let (heard, mut hearing) = mpsc::unbounded_channel();
        let clock = SystemClock::new();
        let end = UnixSeconds::new(clock.now().get() + TOKENS_END_AFTER_SECS);
        let sockets = Arc::new(Sockets { server: server.address.clone(), secret: server.secret.clone(), end, heard });
        // What the first login costs for good is not a socket's.
        let first = sockets.enter(SOCKETS).await;
        let before = server.rss_kib();

        let started = Instant::now();
        let mut writers = Arc::clone(&sockets).enter_all().await;
        let took = started.elapsed();
        let rate = SOCKETS as f64 / took.as_secs_f64();
        println!("logins          {SOCKETS} in {:.1} s: {rate:.0} a second, {IN_A_ROOM} in a room", took.as_secs_f64());

        // Wait for a state: the memory no longer changes.
        let mut rss = server.rss_kib();
        for _ in 0..20 {
            wait(Duration::from_millis(250)).await;
            let now = server.rss_kib();
            if now == rss {
                break;
            }
            rss = now;
        }
        let cost = |name: &str, rss: i64| {
            let each = (rss - before) as f64 / SOCKETS as f64;
            let verdict = if each <= BAR_KIB { "meets" } else { "MISSES" };
            println!("{name:15} {before} KiB before, {rss} KiB after: {each:.1} KiB a socket; {verdict} {BAR_KIB} KiB");
            each <= BAR_KIB
        };
        let is_small = cost("memory", rss);

        let mut latencies = Vec::new();
        for round in 0..MESSAGES {
            let sender = (round * 37) % SOCKETS;
            let sent = Instant::now();
            writers[sender].say(json!({ "type": "send_message", "id": 9, "text": "how long?" })).await;
            let mut received = 0;
            while received < IN_A_ROOM {
                if let Some(Heard::Message { at }) = hearing.recv().await {
                    latencies.push(at.duration_since(sent));
                    received += 1;
                }
            }
        }
        latencies.sort_unstable();
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("broadcast       p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(1.0));

        let mut lateness = Vec::with_capacity(SOCKETS);
        while lateness.len() < SOCKETS {
            if let Some(Heard::Warning { late_by_ms }) = hearing.recv().await {
                lateness.push(late_by_ms);
            }
        }
        lateness.sort_unstable();
        let (earliest, latest) = (lateness[0], lateness[lateness.len() - 1]);
        let are_in_time = earliest >= -1000 && latest <= 1000;
        let verdict = if are_in_time { "meets" } else { "MISSES" };
        println!("warnings        {SOCKETS} for one second, from {earliest} to {latest} ms of it; {verdict} ±1,000 ms");
        let stays_small = cost("memory at last", server.rss_kib());
        drop(first);
        is_small && stays_small && are_in_time
    });
    server.stop();
    if !is_met {
        std::process::exit(1);
    }
}

#[expect(clippy::disallowed_methods, reason = "the memory is looked at until it rests")]
async fn wait(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The process that is measured.
struct Server {
    child: Child,
    address: String,
    secret: String,
}

impl Server {
    fn start() -> Self {
        let program = std::env::current_exe().expect("we run");
        let mut child = Command::new(program)
            .arg("--serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("we can be started again");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it is");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        let text = |name: &str| ready[name].as_str().expect("a text").to_owned();
        Self { child, address: text("url").replace("http://", ""), secret: text("secret") }
    }

    fn rss_kib(&self) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn stop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// How sockets are opened.
struct Sockets {
    server: String,
    secret: String,
    end: UnixSeconds,
    heard: mpsc::UnboundedSender<Heard>,
}

impl Sockets {
    async fn enter_all(self: Arc<Self>) -> Vec<Writer> {
        let places = Arc::new(Semaphore::new(CONNECTING_AT_ONCE));
        let done = Arc::new(AtomicUsize::new(0));
        let mut entering = Vec::with_capacity(SOCKETS);
        for number in 0..SOCKETS {
            let place = Arc::clone(&places).acquire_owned().await.expect("it stays open");
            let (sockets, done) = (Arc::clone(&self), Arc::clone(&done));
            entering.push(tokio::spawn(async move {
                let writer = sockets.enter(number).await;
                done.fetch_add(1, Ordering::Relaxed);
                drop(place);
                writer
            }));
        }
        let mut writers = Vec::with_capacity(SOCKETS);
        for entered in entering {
            writers.push(entered.await.expect("it logs in"));
        }
        writers
    }

    /// Logs in, and from then on reads whatever comes.
    async fn enter(&self, number: usize) -> Writer {
        let (user_id, room_id) = (format!("u{number}"), format!("r{}", number / IN_A_ROOM));
        let token = self.token(&user_id, &room_id);
        let stream = TcpStream::connect(&self.server).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        let (read, write) = stream.into_split();
        let (mut reader, mut writer) =
            (Reader(AsyncBufReader::with_capacity(512, read)), Writer(Arc::new(Mutex::new(write))));
        let head = "GET /v1/gateway HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    Sec-WebSocket-Protocol: roompass.v1\r\n\r\n";
        writer.0.lock().await.write_all(head.as_bytes()).await.expect("it is taken");
        reader.head().await;
        reader.frame().await.expect("hello");
        writer
            .say(json!({
                "type": "login", "id": 1, "app_id": APP_ID, "user_id": user_id, "room_id": room_id, "token": token
            }))
            .await;
        loop {
            let (_, payload) = reader.frame().await.expect("an answer");
            let message: Value = serde_json::from_slice(&payload).expect("JSON");
            match message["type"].as_str() {
                Some("logged_in") => break,
                Some("error") => panic!("{message}"),
                _ => {}
            }
        }
        tokio::spawn(listen(reader, writer.clone(), self.heard.clone()));
        writer
    }

    fn token(&self, user_id: &str, room_id: &str) -> String {
        let now = SystemClock::new().now();
        let rights = Rights::builder(&RoomId::new(room_id).expect("a room id")).allow_all(Privileges::ALL).build();
        let request = TokenRequest {
            user_id: UserId::new(user_id).expect("a user id"),
            ttl: self.end.duration_since(now),
            payload: Payload::Rights(rights),
        };
        let secret = ServerSecret::new(&self.secret).expect("a secret");
        let minter = Minter::new(AppId::new(APP_ID).expect("not 0"), &secret);
        minter.mint(&request, now, &mut SysRng).expect("it can be minted").token
    }
}

async fn listen(mut reader: Reader, mut writer: Writer, heard: mpsc::UnboundedSender<Heard>) {
    while let Some((opcode, payload)) = reader.frame().await {
        if opcode == 9 {
            writer.pong().await;
            continue;
        }
        let at = Instant::now();
        let text = String::from_utf8_lossy(&payload);
        let news = if opcode == 1 && text.contains("\"type\":\"room_message\"") {
            Heard::Message { at }
        } else if opcode == 1 && text.contains("\"type\":\"token_will_expire\"") {
            let message: Value = serde_json::from_str(&text).expect("JSON");
            let due = message["expire_at"].as_i64().expect("a number") - i64::try_from(LEAD_SECS).expect("small");
            Heard::Warning { late_by_ms: wall_ms() - due * 1000 }
        } else {
            continue;
        };
        if heard.send(news).is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "lateness is by the machine's clock, in milliseconds")]
fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("this age")
}

struct Reader(AsyncBufReader<OwnedReadHalf>);

impl Reader {
    /// Passes over the answer to the upgrade.
    async fn head(&mut self) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("the upgrade is answered"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    }

    /// The next frame: opcode and payload.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.0.read_u8().await.ok()?;
        let len = match self.0.read_u8().await.ok()? {
            126 => usize::from(self.0.read_u16().await.ok()?),
            127 => usize::try_from(self.0.read_u64().await.ok()?).ok()?,
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head & 0xF, payload))
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<OwnedWriteHalf>>);

impl Writer {
    /// Sends a text frame, masked with zeros.
    async fn say(&mut self, message: Value) {
        let text = message.to_string();
        let mut frame = vec![0x81];
        match text.len() {
            len @ 0..=125 => frame.push(0x80 | u8::try_from(len).expect("small")),
            len => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(len).expect("below 64 KiB").to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.lock().await.write_all(&frame).await.expect("it is taken");
    }

    /// Answers a ping; that the server may have gone does not matter.
    async fn pong(&mut self) {
        let _ = self.0.lock().await.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await;
    }
}
