//! A server that is killed and started again: everybody is back and has a new token, and nobody is refused for good.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use roompass_sdk::{
    BackendClient, BackendKey, Client, ErrorCode, ErrorKind, MintRequest, Room, RoomState, TokenAnswer, TokenRequest,
};
use token_gen::UnixSeconds;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    crowd::{self, Backend},
    numbers::Numbers,
    server::{APP, Installation, Server},
};

const CLIENTS: usize = 10_000;
/// How long everybody may take to be back: on a machine that lets them in one after the other within a quarter of that.
const LIMIT: Duration = Duration::from_secs(120);
/// What a slower one gets, in times of what that takes there.
const SLOWER: u32 = 8;
/// How many ask for tokens all the while.
const MINTING: usize = 2;
const LIFE: Duration = Duration::from_secs(3600);

// proves F10, F6 (for the clients)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_and_a_restart_ten_thousand_clients_are_back_and_renewed_and_none_is_refused() {
    let _turn = crowd::turn().await;
    let installation = Installation::new().await;
    // Not 127.0.0.1, from where the clients come: while nobody listens, one of them could be given the server's port.
    let mut server = installation.serve("127.0.0.2:0", "herd-before.log").await;
    let url = format!("http://{}", server.address);
    let backend = Backend::new(APP, &installation.server_secret);
    let provider = backend.clone();
    let client = Client::builder(APP, &url)
        // Time to come again, should the machine be so busy that the server asks for it.
        .login_timeout(Duration::from_secs(600))
        .token_provider(move |request: TokenRequest| {
            let token = provider.token(&request.user_id, LIFE, now());
            async { TokenAnswer::Token(token) }
        })
        .build()
        .unwrap();
    let began = Instant::now();
    let rooms = crowd::log_in(&client, CLIENTS).await;
    let entered = began.elapsed();
    let limit = LIMIT.max(entered * SLOWER);
    println!("{CLIENTS} clients are in after {entered:.1?}");

    server.child.kill().await.unwrap();
    let lost = rooms.iter().map(|room| {
        let mut state = room.watch_state();
        async move { drop(state.wait_for(|state| !state.is_connected()).await.unwrap()) }
    });
    timeout(limit, lost.collect::<JoinSet<_>>().join_all()).await.expect("everybody notices");
    let server = installation.serve(&server.address, "herd-after.log").await;
    let restarted = Instant::now();
    let minting = Minting::start(&url, &installation.backend_key);
    let mut returning = JoinSet::new();
    for (number, room) in rooms.into_iter().enumerate() {
        returning.spawn(come_back(room, backend.clone(), number, restarted));
    }
    let returns = timeout(limit, returning.join_all()).await.expect("everybody is back in time");
    let minted = minting.stop().await;
    let refused: Vec<_> = returns.iter().filter_map(|returned| returned.as_ref().err()).collect();
    assert!(refused.is_empty(), "{} were refused, such as: {}", refused.len(), refused[0]);
    let (mut back, mut renewed): (Vec<_>, Vec<_>) =
        returns.iter().flatten().map(|returned| (returned.back, returned.renewed)).unzip();
    back.sort_unstable();
    renewed.sort_unstable();
    let [half, last] = [back[CLIENTS / 2], back[CLIENTS - 1]];
    println!("after the restart half of {CLIENTS} clients are back within {half:.1?}, all within {last:.1?}");
    println!("renewals took {:.1?} (p99), {:.1?} at most", renewed[CLIENTS * 99 / 100], renewed[CLIENTS - 1]);
    check_log(&server);
    check_numbers(&Numbers::of(&server.watcher).await, &minted);
}

/// When somebody was back, after the restart, and how long the renewal that followed took.
struct Returned {
    /// It goes on until all are back.
    _room: Room,
    back: Duration,
    renewed: Duration,
}

/// Waits for the return, and renews at once, while others are still on their way.
async fn come_back(room: Room, backend: Backend, number: usize, restarted: Instant) -> Result<Returned, String> {
    let mut state = room.watch_state();
    let state =
        state.wait_for(|state| state.is_connected() || state.is_over()).await.expect("the room is held").clone();
    if !matches!(state, RoomState::Reconnected) {
        return Err(format!("{state:?}"));
    }
    let back = restarted.elapsed();
    let token = backend.token(&format!("user{number}"), LIFE, now());
    room.renew_token(&token).await.map_err(|error| format!("renewal: {error}"))?;
    let renewed = restarted.elapsed() - back;
    Ok(Returned { _room: room, back, renewed })
}

/// What came of asking for tokens.
#[derive(Debug, Default, Clone, Copy)]
struct Minted {
    made: u64,
    /// The server had no time.
    put_off: u64,
    /// The key asked too often.
    limited: u64,
    /// There was no answer in time: others came first.
    unanswered: u64,
}

/// Those who ask for tokens all the while.
struct Minting {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Minted>,
}

impl Minting {
    fn start(url: &str, backend_key: &str) -> Self {
        let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for _ in 0..MINTING {
            let backend = BackendClient::new(url, APP, BackendKey::new(backend_key)).expect("the address is good");
            let stop = Arc::clone(&stop);
            tasks.spawn(async move {
                let mut minted = Minted::default();
                let request = MintRequest { user_id: "somebody".to_owned(), ..MintRequest::default() };
                while !stop.load(Ordering::Acquire) {
                    match backend.mint(&request).await {
                        Ok(_) => minted.made += 1,
                        Err(error) => match error.code() {
                            Some(ErrorCode::Unavailable) => minted.put_off += 1,
                            Some(ErrorCode::RateLimited) => minted.limited += 1,
                            None if error.kind() == ErrorKind::Timeout => minted.unanswered += 1,
                            _ => panic!("a mint was answered: {error}"),
                        },
                    }
                }
                minted
            });
        }
        Self { stop, tasks }
    }

    async fn stop(self) -> Minted {
        self.stop.store(true, Ordering::Release);
        self.tasks.join_all().await.into_iter().fold(Minted::default(), |all, one| Minted {
            made: all.made + one.made,
            put_off: all.put_off + one.put_off,
            limited: all.limited + one.limited,
            unanswered: all.unanswered + one.unanswered,
        })
    }
}

/// Nobody was refused on the way either.
fn check_log(server: &Server) {
    let said = server.log();
    assert!(said.contains("logged in"), "logins are logged");
    let refusal = said.lines().find(|line| line.contains("login refused"));
    assert_eq!(refusal, None);
}

/// What the server counted: nothing but putting off, what is let in first, and swift logins.
fn check_numbers(numbers: &Numbers, minted: &Minted) {
    let logins = numbers.one("roompass_gateway_login_duration_seconds_count");
    let within = |le: &str| numbers.one(&format!("roompass_gateway_login_duration_seconds_bucket{{le=\"{le}\"}}"));
    let upgrades = |code: &str| numbers.one(&format!("roompass_gateway_upgrades_refused_total{{code=\"{code}\"}}"));
    let [unavailable, rate_limited] = ["unavailable", "rate_limited"].map(upgrades);
    println!(
        "{logins} logins, of which {} took more than a second; upgrades put off: {unavailable} by 503, {rate_limited} by \
         429; meanwhile {minted:?}",
        logins - within("1")
    );
    // The bar is 3 s.
    assert!(within("1") * 100 >= logins * 99, "{} of {logins}", within("1"));
    assert_eq!(numbers.all("roompass_gateway_upgrades_refused_total"), unavailable + rate_limited);
    let is_failure = |sample: &str| {
        let status = sample.split("status=\"").nth(1).unwrap_or_default();
        sample.starts_with("roompass_http_requests_total") && status.starts_with('5') && !status.starts_with("503")
    };
    assert_eq!(numbers.sum(is_failure), 0, "no failures");
    assert_eq!(numbers.one("roompass_gateway_renewals_total{result=\"refused\"}"), 0);
    assert_eq!(numbers.one("roompass_gateway_renewals_total{result=\"ok\"}"), CLIENTS as u64);
    // Who has a place is never put off, as has been seen; whoever wants one is only when mints are too.
    assert!(
        unavailable == 0 || minted.put_off + minted.unanswered > 0,
        "{unavailable} logins were put off, and {minted:?}"
    );
}

#[expect(clippy::disallowed_methods, reason = "the edge of the test run: the server goes by the machine's clock")]
fn now() -> UnixSeconds {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is right");
    UnixSeconds::new(i64::try_from(since.as_secs()).expect("it is this century"))
}
