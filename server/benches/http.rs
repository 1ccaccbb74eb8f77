//! What the service costs beside a bare server: minting over HTTP against an axum handler that says hello, same
//! client, same connections, same run; then the idle memory and the start of a server, with many apps and with one.
//!
//! Both servers are processes of their own with as many workers as there are processors, and `roompass serve` is the
//! real one: scoped key, limits on, log lines into a file.
//!
//! `cargo bench --package roompass-server --bench http`

use std::{
    fs::{self, File, Permissions},
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use rand::rngs::SysRng;
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

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1500);
/// At least this share of the bare server's requests per second, and at most this multiple of its p99.
const RATE_BAR: f64 = 0.75;
const P99_BAR: f64 = 2.5;
const APPS: u32 = 10_000;
const STARTS: usize = 5;
const START_BAR_MS: u128 = 300;
const RSS_BAR_MIB: f64 = 30.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` asks for nothing to be measured.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    if arguments.iter().any(|argument| argument == "hello") {
        return say_hello();
    }
    beside_hello();
    for apps in [1, APPS] {
        start_and_rest(apps);
    }
}

/// The bare server, in a process of its own.
fn say_hello() {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        println!("{}", listener.local_addr().expect("it is bound"));
        let router = Router::new().route("/", get(async || "hello"));
        // As the service does: answers are small and whole.
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await.expect("it serves until it is killed");
    });
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

fn beside_hello() {
    let (folder, key) = installation(1);
    let (hello, roompass) = (Server::hello(), Server::roompass(&folder));
    let clients = runtime();
    let mint = post("/v1/apps/1/tokens", &key, r#"{"user_id":"alice","room_id":"room1","ttl_secs":3600}"#);
    let minted = clients.block_on(async {
        let mut stream = TcpStream::connect(roompass.address).await.expect("the server listens");
        stream.write_all(mint.as_bytes()).await.expect("the server reads");
        let mut buffer = vec![0; 8192];
        answer(&mut stream, &mut buffer).await.to_owned()
    });
    let token = minted.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    let introspect = post("/v1/apps/1/tokens/introspect", &key, &format!(r#"{{"token":"{token}"}}"#));
    let plain = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n".to_owned();
    let contenders =
        [("hello, bare axum", &hello, plain), ("mint", &roompass, mint), ("introspect", &roompass, introspect)];

    let mut results: Vec<(Vec<f64>, Vec<Duration>, Duration)> = contenders.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        for ((_, server, request), (rates, latencies, used)) in contenders.iter().zip(&mut results) {
            let before = server.used();
            let (rate, round) = clients.block_on(ask(server.address, request.clone().into()));
            *used += server.used() - before;
            rates.push(rate);
            latencies.extend(round);
        }
    }
    println!("{CONNECTIONS} connections, {ROUNDS} rounds of {} ms each, medians", ROUND.as_millis());
    println!(
        "{:<18}{:>12}{:>9}{:>12}{:>12}{:>9}{:>12}",
        "", "requests/s", "ratio", "p50 µs", "p99 µs", "ratio", "CPU µs"
    );
    let mut bare: Option<(f64, f64)> = None;
    for ((name, ..), (rates, latencies, used)) in contenders.iter().zip(&mut results) {
        rates.sort_by(f64::total_cmp);
        latencies.sort_unstable();
        let rate = rates[rates.len() / 2];
        let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1e6;
        let (p50, p99) = (at(0.5), at(0.99));
        // What the server itself spends on a request: unlike the rate, it hardly depends on what else the machine does.
        let cpu = used.as_secs_f64() * 1e6 / latencies.len() as f64;
        match bare {
            None => println!("{name:<18}{rate:>12.0}{:>9}{p50:>12.0}{p99:>12.0}{:>9}{cpu:>12.1}", "", ""),
            Some((bare_rate, bare_p99)) => {
                let (share, times) = (rate / bare_rate, p99 / bare_p99);
                let met = if share >= RATE_BAR && times <= P99_BAR { "met" } else { "MISSED" };
                println!(
                    "{name:<18}{rate:>12.0}{share:>9.2}{p50:>12.0}{p99:>12.0}{times:>9.2}{cpu:>12.1}  bar {RATE_BAR} and {P99_BAR}: {met}"
                );
            }
        }
        bare.get_or_insert((rate, p99));
    }
}

fn post(path: &str, key: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends `request` again and again on every connection for one round; requests per second, and each one's time.
async fn ask(address: SocketAddr, request: Arc<str>) -> (f64, Vec<Duration>) {
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let began = Instant::now();
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (request, latencies) = (Arc::clone(&request), Arc::clone(&latencies));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("the server listens");
                stream.set_nodelay(true).expect("it is a TCP socket");
                let (mut mine, mut buffer) = (Vec::new(), vec![0; 8192]);
                while began.elapsed() < ROUND {
                    let sent = Instant::now();
                    stream.write_all(request.as_bytes()).await.expect("the server reads");
                    answer(&mut stream, &mut buffer).await;
                    mine.push(sent.elapsed());
                }
                latencies.lock().expect("no task panics").extend(mine);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the server answers");
    }
    let elapsed = began.elapsed().as_secs_f64();
    let latencies = std::mem::take(&mut *latencies.lock().expect("no task panics"));
    (latencies.len() as f64 / elapsed, latencies)
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
fn start_and_rest(apps: u32) {
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
    let verdict = |met| if met { "met" } else { "MISSED" };
    println!("start to ready, {apps} apps: {start} ms  bar {START_BAR_MS}: {}", verdict(start <= START_BAR_MS));
    println!("memory at rest, {apps} apps: {size:.1} MiB  bar {RSS_BAR_MIB}: {}", verdict(size <= RSS_BAR_MIB));
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
