//! What the service costs beside a bare server: minting over HTTP against an axum handler that says hello, same
//! client, same requests, same connections, same run; then the idle memory and the start of a server, with many apps
//! and with one.
//!
//! The bar is for reqwest, the client that the SDK and most backends in Rust have, and for the same requests to both:
//! what the client and the network cost is alike, and what is left is the server. What else the machine does changes
//! from second to second, so each round is set against the round of its yardstick just before, and the ratios are the
//! medians of that. Beside it stand, without a bar, hello
//! asked with a GET that has no body, and everything asked by bare sockets, which cost a client next to nothing.
//!
//! Both servers are processes of their own with as many workers as there are processors, and `roompass serve` is the
//! real one: scoped key, limits on, log lines into a file.
//!
//! `cargo bench --package roompass-server --bench http`; ends with 1 if a bar is missed.

use std::{
    fs::{self, File, Permissions},
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    routing::{get, post},
};
use rand::rngs::SysRng;
use reqwest::{Client, RequestBuilder, header::CONTENT_TYPE};
use roompass_server::{
    Config,
    admin::{KeyKind, NewKey},
    apps::AppSettings,
    clock::SystemClock,
    keys::{Right, Scope},
    sealing::MasterKey,
    store::Location,
};
use tempfile::TempDir;
use token_gen::AppId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
};

const MINT: &str = "/v1/apps/1/tokens";
const INTROSPECT: &str = "/v1/apps/1/tokens/introspect";
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 21;
const ROUND: Duration = Duration::from_secs(1);
/// At least this share of the bare server's requests per second, and at most this multiple of its p99.
const RATE_BAR: f64 = 0.75;
const P99_BAR: f64 = 2.5;
const APPS: u32 = 10_000;
const STARTS: usize = 5;
const START_BAR_MS: u128 = 300;
const RSS_BAR_MIB: f64 = 30.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` asks for nothing to be measured.
    if arguments.iter().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "hello") {
        say_hello();
        return ExitCode::SUCCESS;
    }
    let met = [beside_hello(), start_and_rest(1), start_and_rest(APPS)];
    if met.into_iter().all(|met| met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The bare server, in a process of its own.
fn say_hello() {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        println!("{}", listener.local_addr().expect("it is bound"));
        let router = Router::new().route("/", get(hello)).route(MINT, post(hello)).route(INTROSPECT, post(hello));
        // As the service does: answers are small and whole.
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await.expect("it serves until it is killed");
    });
}

async fn hello() -> &'static str {
    "hello"
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("threads can be made")
}

/// A process that serves; killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn hello() -> Self {
        let program = std::env::current_exe().expect("we run");
        let mut child = Command::new(program).arg("hello").stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        Self { child, address: line.trim().parse().expect("an address") }
    }

    /// `roompass serve` on what is in `folder`. Returns once `/readyz` says yes.
    fn roompass(folder: &TempDir) -> Self {
        let log = folder.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_roompass"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("ROOMPASS_STORE_URL", format!("sqlite:{}", folder.path().join("roompass.db").display()))
            .env("ROOMPASS_MASTER_KEY_FILE", folder.path().join("master.key"))
            .env("ROOMPASS_LOG_FORMAT", "json")
            // The limits are on, only too high to be met.
            .env("ROOMPASS_LIMITS_KEY_PER_SECOND", "1000000")
            .env("ROOMPASS_LIMITS_SOURCE_PER_SECOND", "1000000")
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("the folder is ours"))
            .spawn()
            .expect("it starts");
        let address = loop {
            let log = fs::read_to_string(&log).expect("it was made");
            let address = log.split_once("\"address\":\"").and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
            if let Some(address) = address {
                break address;
            }
            std::thread::yield_now();
        };
        let mut stream = std::net::TcpStream::connect(address).expect("it listens");
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Self { child, address }
    }

    /// The processor time it has used.
    fn used(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let after_name = stat.rsplit_once(')').expect("the name stands in parentheses").1;
        let ticks = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        // A hundred a second, on every Linux there is.
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// What of the process is in memory, in MiB.
    fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        kib.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
    }
}

/// What is asked, again and again.
#[derive(Clone)]
struct Ask {
    path: &'static str,
    /// The backend key and the body; without them it is a GET.
    post: Option<(String, String)>,
}

impl Ask {
    fn post(path: &'static str, key: &str, body: &str) -> Self {
        Self { path, post: Some((key.to_owned(), body.to_owned())) }
    }

    /// As it is written to a socket.
    fn text(&self) -> String {
        let Self { path, post } = self;
        match post {
            None => format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n"),
            Some((key, body)) => format!(
                "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        }
    }

    /// As a backend says it.
    fn of(&self, client: &Client, address: SocketAddr) -> RequestBuilder {
        let url = format!("http://{address}{}", self.path);
        match &self.post {
            None => client.get(url),
            Some((key, body)) => {
                client.post(url).bearer_auth(key).header(CONTENT_TYPE, "application/json").body(body.clone())
            }
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, PartialEq)]
enum Asker {
    /// What the SDK and most backends use.
    Reqwest,
    /// Bare sockets, and answers looked at as far as needed to find their end.
    Bare,
}

fn beside_hello() -> bool {
    let (folder, key) = installation(1);
    let (hello, roompass) = (Server::hello(), Server::roompass(&folder));
    let clients = runtime();
    let mint = Ask::post(MINT, &key, r#"{"user_id":"alice","room_id":"room1","ttl_secs":3600}"#);
    let minted = clients.block_on(async {
        let mut stream = TcpStream::connect(roompass.address).await.expect("the server listens");
        stream.write_all(mint.text().as_bytes()).await.expect("the server reads");
        let mut buffer = vec![0; 8192];
        answer(&mut stream, &mut buffer).await.to_owned()
    });
    let token = minted.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let introspect = Ask::post(INTROSPECT, &key, &format!(r#"{{"token":"{token}"}}"#));
    let plain = Ask { path: "/", post: None };
    // What is held to a bar stands after its yardstick.
    let contenders = [
        ("hello to a GET", &hello, &plain),
        ("hello to a mint", &hello, &mint),
        ("mint", &roompass, &mint),
        ("hello to introspect", &hello, &introspect),
        ("introspect", &roompass, &introspect),
    ];

    println!("{CONNECTIONS} connections, {ROUNDS} rounds of {} ms each, medians", ROUND.as_millis());
    let mut met = true;
    for (asker, name) in [(Asker::Reqwest, "asked with reqwest"), (Asker::Bare, "asked by bare sockets")] {
        let mut results: Vec<Measured> = contenders.iter().map(|_| Measured::default()).collect();
        for _ in 0..ROUNDS {
            for ((_, server, ask), measured) in contenders.iter().zip(&mut results) {
                let before = server.used();
                let (rate, latencies) = clients.block_on(round(asker, server.address, ask));
                measured.used += server.used() - before;
                measured.add(rate, latencies);
            }
        }
        println!(
            "{name:<22}{:>11}{:>9}{:>12}{:>12}{:>9}{:>12}",
            "requests/s", "ratio", "p50 µs", "p99 µs", "ratio", "CPU µs"
        );
        for (number, ((name, server, _), measured)) in contenders.iter().zip(&results).enumerate() {
            let [rate, p50, p99, cpu] = measured.figures();
            if std::ptr::eq(*server, &hello) {
                println!("{name:<22}{rate:>11.0}{:>9}{p50:>12.0}{p99:>12.0}{:>9}{cpu:>12.1}", "", "");
                continue;
            }
            let (share, times) = measured.beside(&results[number - 1]);
            print!("{name:<22}{rate:>11.0}{share:>9.2}{p50:>12.0}{p99:>12.0}{times:>9.2}{cpu:>12.1}");
            if asker == Asker::Bare {
                println!();
                continue;
            }
            let kept = share >= RATE_BAR && times <= P99_BAR;
            println!("  bar {RATE_BAR} and {P99_BAR}: {}", verdict(kept));
            met &= kept;
        }
    }
    met
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// What came of all rounds of one contender.
#[derive(Default)]
struct Measured {
    rates: Vec<f64>,
    /// In microseconds.
    p50s: Vec<f64>,
    p99s: Vec<f64>,
    count: usize,
    used: Duration,
}

impl Measured {
    fn add(&mut self, rate: f64, mut latencies: Vec<Duration>) {
        latencies.sort_unstable();
        let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1e6;
        self.rates.push(rate);
        self.p50s.push(at(0.5));
        self.p99s.push(at(0.99));
        self.count += latencies.len();
    }

    /// Requests a second, p50 and p99 in microseconds, and what the server itself spends on a request: unlike the rate,
    /// that hardly depends on what else the machine does.
    fn figures(&self) -> [f64; 4] {
        let cpu = self.used.as_secs_f64() * 1e6 / self.count as f64;
        [median(&self.rates), median(&self.p50s), median(&self.p99s), cpu]
    }

    /// Rate and p99 as multiples of those of the yardstick, round by round.
    fn beside(&self, bare: &Self) -> (f64, f64) {
        let ratios = |ours: &[f64], theirs: &[f64]| -> Vec<f64> {
            ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
        };
        (median(&ratios(&self.rates, &bare.rates)), median(&ratios(&self.p99s, &bare.p99s)))
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Asks again and again on every connection for one round; requests per second, and each one's time.
async fn round(asker: Asker, address: SocketAddr, ask: &Ask) -> (f64, Vec<Duration>) {
    let began = Instant::now();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let ask = ask.clone();
            tokio::spawn(async move {
                match asker {
                    Asker::Reqwest => with_reqwest(address, &ask, began).await,
                    Asker::Bare => by_bare_sockets(address, &ask, began).await,
                }
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("the server answers"));
    }
    (latencies.len() as f64 / began.elapsed().as_secs_f64(), latencies)
}

async fn with_reqwest(address: SocketAddr, ask: &Ask, began: Instant) -> Vec<Duration> {
    // A client has a connection of its own as long as it asks one thing at a time.
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("they are")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("nothing special is asked");
    let mut latencies = Vec::new();
    while began.elapsed() < ROUND {
        let sent = Instant::now();
        let answer = ask.of(&client, address).send().await.expect("the server answers");
        assert!(answer.status().is_success(), "{}", answer.status());
        let body = answer.bytes().await.expect("all of it comes");
        latencies.push(sent.elapsed());
        assert!(!body.is_empty());
    }
    latencies
}

async fn by_bare_sockets(address: SocketAddr, ask: &Ask, began: Instant) -> Vec<Duration> {
    let request = ask.text();
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("it is a TCP socket");
    let (mut latencies, mut buffer) = (Vec::new(), vec![0; 8192]);
    while began.elapsed() < ROUND {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        answer(&mut stream, &mut buffer).await;
        latencies.push(sent.elapsed());
    }
    latencies
}

/// Reads one answer, which must be a success. Returns its body.
async fn answer<'a>(stream: &mut TcpStream, buffer: &'a mut [u8]) -> &'a str {
    let mut filled = 0;
    let body = loop {
        filled += stream.read(&mut buffer[filled..]).await.expect("the server answers");
        let text = std::str::from_utf8(&buffer[..filled]).expect("answers are text");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("it has a length");
        if body.len() == length.parse::<usize>().expect("a number") {
            break filled - body.len();
        }
    };
    std::str::from_utf8(&buffer[body..filled]).expect("it was text just now")
}

/// The real program, on a store with so many apps.
fn start_and_rest(apps: u32) -> bool {
    let (folder, _) = installation(apps);
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let began = Instant::now();
        let server = Server::roompass(&folder);
        times.push(began.elapsed().as_millis());
        sizes.push(server.resident());
    }
    times.sort_unstable();
    sizes.sort_by(f64::total_cmp);
    let (start, size) = (times[STARTS / 2], sizes[STARTS / 2]);
    let starts = start <= START_BAR_MS;
    println!("start to ready, {apps} apps: {start} ms  bar {START_BAR_MS}: {}", verdict(starts));
    let rests = size <= RSS_BAR_MIB;
    println!("memory at rest, {apps} apps: {size:.1} MiB  bar {RSS_BAR_MIB}: {}", verdict(rests));
    starts && rests
}

/// What a server is started on: so many apps, a master key, and a backend key that is scoped to rooms of app 1.
fn installation(apps: u32) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let master_key = MasterKey::generate(&mut SysRng).expect("the system has randomness");
    let key_file = folder.path().join("master.key");
    fs::write(&key_file, format!("{}\n", *master_key.expose())).expect("it can be written");
    fs::set_permissions(&key_file, Permissions::from_mode(0o600)).expect("it is ours");
    let mut config = Config::ephemeral(([127, 0, 0, 1], 0).into(), master_key);
    config.store = Location::File(folder.path().join("roompass.db")).into();
    let key = runtime().block_on(async {
        let running = roompass_server::start(config, Arc::new(SystemClock::new())).await.expect("it starts");
        let running = Arc::new(running);
        // Many at once, as they share commits.
        let makers: Vec<_> = (0..64)
            .map(|first| {
                let running = Arc::clone(&running);
                tokio::spawn(async move {
                    for app_id in (1 + first..=apps).step_by(64) {
                        let settings = AppSettings::new(AppId::new(app_id).expect("not 0"), "bench");
                        running.create_app(settings).await.expect("it can be made");
                    }
                })
            })
            .collect();
        for maker in makers {
            maker.await.expect("it does not fail");
        }
        let key = NewKey {
            app_id: AppId::new(1).ok(),
            name: "bench".to_owned(),
            scope: Scope {
                rights: vec![Right::Mint, Right::Introspect],
                room_prefix: "room".to_owned(),
                ..Scope::default()
            },
            expire_at: None,
            kind: KeyKind::Bearer,
        };
        let key = running.service().admin.create_key(key).await.expect("it can be made");
        let running = Arc::into_inner(running).expect("the makers have ended");
        running.shutdown().await;
        key.expose().to_owned()
    });
    (folder, key)
}
