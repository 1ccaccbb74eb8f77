//! Crowds: very many who say nothing, very many who do not read, and more than there is time or room for.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use roompass_wire::gateway::SUBPROTOCOL;
use serde_json::json;

use super::{
    abuse::{RawClient, handshake},
    harness::{PATIENCE, TestClient, TestGateway, settings},
};
use crate::gateway::GatewayConfig;

const SILENT: usize = 5_000;
const STUCK: usize = 200;
const IDLE: usize = 250;
const CONNECTING_AT_ONCE: usize = 64;
/// What the stuck may add to the time a message takes.
const BAR: Duration = Duration::from_millis(20);
/// How much more processor time the same takes without optimisation.
const SLOWNESS: u32 = if cfg!(debug_assertions) { 3 } else { 1 };
/// What the threads are called that serve the stuck.
const SERVING: &str = "stuck-readers";

fn wide(limit: usize) -> GatewayConfig {
    GatewayConfig { max_waiting: limit, max_waiting_per_source: limit, ..GatewayConfig::default() }
}

fn percentile_99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * 99 / 100]
}

// proves T50 (5,000 sockets), W3 (without a login), F8 (5,000 sockets that drip)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_who_say_nothing_keep_nobody_out_and_go_at_ten_seconds() {
    let test = TestGateway::start_with(settings(), wide(SILENT + 10)).await;
    let open = stream::iter(0..SILENT).map(|_| RawClient::connect(test.address));
    let mut waiting: Vec<RawClient> = open.buffer_unordered(CONNECTING_AT_ONCE).collect().await;
    let (_, dripping) = waiting.split_at_mut(SILENT / 2);
    for client in dripping {
        client.drip(true).await;
    }
    assert_eq!(test.gateway.occupancy().waiting, SILENT);

    let mut times = Vec::new();
    for number in 0..100 {
        let begun = Instant::now();
        let user_id = format!("u{number}");
        let mut client = test.connect().await;
        let token = json!({ "token": test.token(&user_id, 600) });
        assert_eq!(client.login(&user_id, "r1", token).await["type"], "logged_in");
        times.push(begun.elapsed());
        // The drip goes on: a byte of a frame that never ends.
        for client in waiting.iter_mut().skip(SILENT / 2 + number).step_by(100) {
            client.drip(false).await;
        }
    }
    let p99 = percentile_99(times);
    println!("beside {SILENT} silent sockets a login takes {p99:?} (p99)");
    assert!(p99 < Duration::from_secs(1), "{p99:?}");

    test.advance(10);
    let ends = stream::iter(&mut waiting).map(RawClient::end);
    let ends: Vec<String> = ends.buffer_unordered(CONNECTING_AT_ONCE).collect().await;
    let others: Vec<&String> = ends.iter().filter(|end| *end != "4101 login_timeout").collect();
    assert!(others.is_empty(), "{} of {SILENT}: {:?}", others.len(), others.first());
}

/// Says something to the room and waits until `other` has heard it. The processor time that serving took until then.
///
/// Not the time on the clock: that depends on who else wants the processor. Whoever waited for a stuck member would wait
/// for ever, since the clock of the gateway stands still meanwhile.
async fn say_and_hear(sender: &mut TestClient, other: &mut TestClient, number: usize, text: &str) -> Duration {
    let before = time_spent_serving();
    sender.say(json!({ "type": "send_message", "id": number, "text": text })).await;
    while other.hear().await["type"] != "room_message" {}
    time_spent_serving().saturating_sub(before)
}

/// The processor time of the threads that serve; the clients of the test are on another.
fn time_spent_serving() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let nanos = threads.filter_map(|thread| {
        // Threads of other tests may end meanwhile.
        let name = std::fs::read_to_string(thread.join("comm")).ok()?;
        let stat = std::fs::read_to_string(thread.join("schedstat")).ok()?;
        (name.trim() == SERVING).then(|| stat.split(' ').next().unwrap().parse::<u64>().unwrap())
    });
    Duration::from_nanos(nanos.sum())
}

// proves T51 (200 sockets), F8 (200 sockets that never read), W4 (200 sockets that never read)
#[test]
fn two_hundred_who_do_not_read_are_put_out_and_slow_nobody_down() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_name(SERVING).enable_all().build().unwrap();
    runtime.block_on(slow_nobody_down());
}

async fn slow_nobody_down() {
    // Nobody is put out for not answering pings.
    let config = GatewayConfig { ping_interval: Duration::from_secs(3_600), ..wide(STUCK + 10) };
    let test = TestGateway::start_with(settings(), config).await;
    let mut alice = test.enter("alice", 600).await;
    let mut bob = test.enter("bob", 600).await;
    let text = "x".repeat(4096);
    let mut talk = async |rounds: std::ops::Range<usize>, until_alone: bool| {
        let mut times = Vec::new();
        for number in rounds {
            // At the pace that a client may keep.
            if number % 5 == 0 {
                test.advance(1);
            }
            times.push(say_and_hear(&mut alice, &mut bob, number, &text).await);
            while let Some(heard) = alice.heard_already().await {
                assert_ne!(heard["type"], "error", "{heard}");
            }
            if until_alone && test.gateway.occupancy().sessions == 2 {
                break;
            }
        }
        times
    };
    let alone = percentile_99(talk(0..100, false).await);

    let enter = stream::iter(0..STUCK).map(async |number| {
        let mut client = RawClient::connect_narrow(test.address).await;
        client.login(&test, &format!("stuck{number}")).await;
        client
    });
    let stuck: Vec<RawClient> = enter.buffer_unordered(8).collect().await;
    assert_eq!(test.gateway.occupancy().sessions, STUCK + 2);
    let before = resident_bytes();
    let times = talk(100..2_000, true).await;
    let grown = resident_bytes().saturating_sub(before) / STUCK;
    let (rounds, beside) = (times.len(), percentile_99(times));
    println!(
        "beside {STUCK} stuck sockets a message takes {beside:?} of the processor (p99 of {rounds}), alone {alone:?}; \
         {grown} bytes each"
    );
    assert_eq!(test.gateway.occupancy().sessions, 2, "all are put out");
    assert!(beside < alone + BAR * SLOWNESS, "{beside:?}, alone {alone:?}");
    assert!(grown < 1024 * 1024, "{grown} bytes for each");
    drop(stuck);
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * rustix::param::page_size()
}

// proves F9 (whoever answers pings stays)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_pings_stays_for_as_long_as_they_like() {
    let test = TestGateway::start_with(settings(), wide(IDLE + 10)).await;
    let open = stream::iter(0..IDLE).map(async |number| {
        let mut client = RawClient::connect(test.address).await;
        client.login_to(&test, &format!("u{number}"), &format!("r{}", number / 10)).await;
        client
    });
    let mut idle: Vec<RawClient> = open.buffer_unordered(CONNECTING_AT_ONCE).collect().await;
    for _ in 0..30 * 60 / 25 {
        test.advance(25);
        let answers = stream::iter(&mut idle).map(RawClient::answer_ping);
        answers.buffer_unordered(CONNECTING_AT_ONCE).collect::<Vec<()>>().await;
    }
    assert_eq!(test.gateway.occupancy().sessions, IDLE);
}

// proves W3
#[tokio::test]
async fn there_are_only_so_many_sessions_in_all_and_in_an_app_and_one_of_a_user() {
    for config in [
        GatewayConfig { max_stays: 2, ..GatewayConfig::default() },
        GatewayConfig { max_stays_per_app: 2, ..GatewayConfig::default() },
    ] {
        let test = TestGateway::start_with(settings(), config).await;
        let (mut alice, _bob) = (test.enter("alice", 600).await, test.enter("bob", 600).await);
        let mut carol = test.connect().await;
        let token = json!({ "token": test.token("carol", 600) });
        let refused = carol.login("carol", "r1", token.clone()).await;
        assert_eq!((&refused["code"], &refused["retryable"]), (&json!("too_many_sessions"), &json!(true)));
        // Who is there may come again, and is there once.
        let _again = test.enter("alice", 600).await;
        while alice.hear().await["type"] != "kicked" {}
        assert_eq!(test.gateway.occupancy().sessions, 2);
        drop(_again);
        // A place that has become free, is.
        test.advance(91);
        let comes_in = async {
            while test.connect().await.login("carol", "r1", token.clone()).await["type"] != "logged_in" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, comes_in).await.expect("carol comes in");
    }
}

/// When a client that is refused may come again.
pub(super) fn retry_after(refused: &str) -> u64 {
    let (_, rest) = refused.split_once("retry-after: ").expect("it says when");
    let secs = rest.split("\r\n").next().unwrap().parse().unwrap();
    assert!((1..=30).contains(&secs), "{secs}");
    secs
}

// proves F10 (who comes in a herd is put off and spread)
#[tokio::test]
async fn who_comes_in_a_herd_is_spread_and_who_is_in_goes_on() {
    let test = TestGateway::start(settings()).await;
    let mut alice = test.enter("alice", 600).await;
    test.pressure.note(Duration::from_secs(5));
    let mut waits = std::collections::HashSet::new();
    for _ in 0..40 {
        let refused = handshake(test.address, &[("Sec-WebSocket-Protocol", SUBPROTOCOL)]).await;
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        waits.insert(retry_after(&refused));
    }
    assert!(waits.len() > 5, "{waits:?}");
    assert_eq!(alice.renew(&test.token("alice", 900)).await["type"], "token_renewed");
    while test.connect_with(&[]).await.is_err() {
        test.pressure.note(Duration::ZERO);
    }
}

// proves F10 (more sockets than may be without a login are spread as well)
#[tokio::test]
async fn where_too_many_wait_the_next_are_asked_to_come_later() {
    let test = TestGateway::start_with(settings(), GatewayConfig { max_waiting: 2, ..GatewayConfig::default() }).await;
    let (first, _second) = (test.connect().await, test.connect().await);
    assert!(handshake(test.address, &[]).await.starts_with("HTTP/1.1 503 "));
    drop(first);
    let opens = async { while test.connect_with(&[]).await.is_err() {} };
    tokio::time::timeout(PATIENCE, opens).await.expect("there is a place again");
}
