//! What the service costs beside a bare server: minting over HTTP against an axum handler that says hello, same
//! client, same connections, same run; then the idle memory and the start of a server with many apps.
//!
//! `cargo bench --package roompass-server --bench http`

use std::{
    fs,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use rand::rngs::SysRng;
use roompass_server::{
    Config,
    apps::AppSettings,
    clock::{Clock, SystemClock},
    limits::Quota,
    sealing::MasterKey,
    store::Location,
};
use token_gen::{AppId, Payload, TokenRequest, UserId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(1500);
/// At least this share of the bare server's requests per second, and at most this multiple of its p99.
const RATE_BAR: f64 = 0.75;
const P99_BAR: f64 = 2.5;
const APPS: u32 = 10_000;
const START_BAR_MS: u128 = 300;
const RSS_BAR_MIB: f64 = 30.0;

fn main() {
    // `cargo test --benches` asks for nothing to be measured.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    beside_hello();
    start_and_rest();
}

/// One thread serves, one asks: the two cores that the figures are stated for.
fn runtime(name: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().expect("threads can be made")
}

fn beside_hello() {
    let (servers, clients) = (runtime("serve"), runtime("ask"));
    let hello = servers.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().route("/", get(async || "hello"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    });
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (running, credentials) = servers.block_on(async {
        let mut config = Config::ephemeral(([127, 0, 0, 1], 0).into(), master_key());
        config.store = Location::File(folder.path().join("roompass.db")).into();
        // The limits are on, only too high to be met.
        (config.limits.key, config.limits.source) = (Quota::per_second(1_000_000), Quota::per_second(1_000_000));
        let running = roompass_server::start(config, Arc::new(SystemClock::new())).await.expect("it starts");
        let app_id = AppId::new(1).expect("not 0");
        let credentials = running.create_app(AppSettings::new(app_id, "bench")).await.expect("it can be made");
        (running, credentials)
    });
    let address = running.url().trim_start_matches("http://").parse().expect("an address");
    let app = running.service().directory.app(credentials.app.app_id).expect("it was made");
    let request = TokenRequest {
        user_id: UserId::new("alice").expect("a good id"),
        ttl: Duration::from_secs(3600),
        payload: Payload::Identity,
    };
    let minter = app.minter(token_gen::Format::Token04Gcm).expect("the default format");
    let token = minter.mint(&request, SystemClock::new().now(), &mut SysRng).expect("it can be minted").token;

    let key = credentials.backend_key.expose();
    let mint = post("/v1/apps/1/tokens", key, r#"{"user_id":"alice","room_id":"room1","ttl_secs":3600}"#);
    let introspect = post("/v1/apps/1/tokens/introspect", key, &format!(r#"{{"token":"{token}"}}"#));
    let plain = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n".to_owned();
    let contenders = [("hello, bare axum", hello, plain), ("mint", address, mint), ("introspect", address, introspect)];

    let mut results: Vec<(Vec<f64>, Vec<Duration>)> = contenders.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        for ((_, address, request), (rates, latencies)) in contenders.iter().zip(&mut results) {
            let (rate, round) = clients.block_on(ask(*address, request.clone().into()));
            rates.push(rate);
            latencies.extend(round);
        }
    }
    println!("{CONNECTIONS} connections, {ROUNDS} rounds of {} ms each, medians", ROUND.as_millis());
    println!("{:<18}{:>12}{:>9}{:>12}{:>12}{:>9}", "", "requests/s", "ratio", "p50 µs", "p99 µs", "ratio");
    let mut bare: Option<(f64, f64)> = None;
    for ((name, ..), (rates, latencies)) in contenders.iter().zip(&mut results) {
        rates.sort_by(f64::total_cmp);
        latencies.sort_unstable();
        let rate = rates[rates.len() / 2];
        let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1e6;
        let (p50, p99) = (at(0.5), at(0.99));
        match bare {
            None => println!("{name:<18}{rate:>12.0}{:>9}{p50:>12.0}{p99:>12.0}", ""),
            Some((bare_rate, bare_p99)) => {
                let (share, times) = (rate / bare_rate, p99 / bare_p99);
                let met = if share >= RATE_BAR && times <= P99_BAR { "met" } else { "MISSED" };
                println!(
                    "{name:<18}{rate:>12.0}{share:>9.2}{p50:>12.0}{p99:>12.0}{times:>9.2}  bar {RATE_BAR} and {P99_BAR}: {met}"
                );
            }
        }
        bare.get_or_insert((rate, p99));
    }
    servers.block_on(running.shutdown());
}

fn master_key() -> MasterKey {
    MasterKey::generate(&mut SysRng).expect("the system has randomness")
}

fn post(path: &str, key: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends `request` again and again on every connection for one round; requests per second, and each one's time.
async fn ask(address: std::net::SocketAddr, request: Arc<str>) -> (f64, Vec<Duration>) {
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

/// Reads one answer, which must be a success.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        filled += stream.read(&mut buffer[filled..]).await.expect("the server answers");
        let text = std::str::from_utf8(&buffer[..filled]).expect("answers are text");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("it has a length");
        if body.len() == length.parse::<usize>().expect("a number") {
            return;
        }
    }
}

/// The real program, on a store with many apps.
fn start_and_rest() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let master_key = master_key();
    let builder = runtime("build");
    builder.block_on(async {
        let mut config = Config::ephemeral(([127, 0, 0, 1], 0).into(), master_key.clone());
        config.store = Location::File(folder.path().join("roompass.db")).into();
        let running = roompass_server::start(config, Arc::new(SystemClock::new())).await.expect("it starts");
        let running = Arc::new(running);
        // Many at once, as they share commits.
        let makers: Vec<_> = (0..64)
            .map(|first| {
                let running = Arc::clone(&running);
                tokio::spawn(async move {
                    for app_id in (1 + first..=APPS).step_by(64) {
                        let settings = AppSettings::new(AppId::new(app_id).expect("not 0"), "bench");
                        running.create_app(settings).await.expect("it can be made");
                    }
                })
            })
            .collect();
        for maker in makers {
            maker.await.expect("it does not fail");
        }
        if let Ok(running) = Arc::try_unwrap(running) {
            running.shutdown().await;
        }
    });
    fs::write(folder.path().join("master.key"), format!("{}\n", *master_key.expose())).expect("it can be written");
    fs::set_permissions(folder.path().join("master.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("it is ours");
    let mut times = Vec::new();
    let mut rss_mib = 0.0;
    for _ in 0..5 {
        let began = Instant::now();
        let mut server = Command::new(env!("CARGO_BIN_EXE_roompass"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("ROOMPASS_STORE_URL", format!("sqlite:{}", folder.path().join("roompass.db").display()))
            .env("ROOMPASS_MASTER_KEY_FILE", folder.path().join("master.key"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = server.stderr.take().expect("it is piped");
        let ready = std::io::BufRead::lines(std::io::BufReader::new(stderr))
            .map_while(Result::ok)
            .find(|line| line.contains("serves on"))
            .is_some();
        assert!(ready, "the server says when it serves");
        times.push(began.elapsed().as_millis());
        let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        rss_mib = kib.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0;
        server.kill().expect("it runs");
        server.wait().expect("it ends");
    }
    times.sort_unstable();
    let start = times[times.len() / 2];
    let verdict = |met| if met { "met" } else { "MISSED" };
    println!("start to ready, {APPS} apps: {start} ms  bar {START_BAR_MS}: {}", verdict(start <= START_BAR_MS));
    println!("memory at rest, {APPS} apps: {rss_mib:.1} MiB  bar {RSS_BAR_MIB}: {}", verdict(rss_mib <= RSS_BAR_MIB));
}
