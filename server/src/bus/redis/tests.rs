//! What Redis alone must be tried for: away, hanging, emptied, over TLS. Runs the real server.

use std::{fs, process::Command, time::Instant};

use tokio::time::timeout;

use super::{server::Server, *};
use crate::bus::contract::{self, Meeting};

impl Meeting for Server {
    type Bus = RedisBus;

    async fn join(&self) -> RedisBus {
        join(&self.url()).await
    }
}

/// A new node, connected.
async fn join(url: &str) -> RedisBus {
    let bus = start(RedisUrl::parse(url).unwrap());
    bus.shared.connection.subscribe().wait_for(Option::is_some).await.unwrap();
    bus
}

fn start(url: RedisUrl) -> RedisBus {
    RedisBus::start(url, NodeId::new(contract::random())).unwrap()
}

async fn until_away(bus: &RedisBus) {
    bus.shared.connection.subscribe().wait_for(Option::is_none).await.unwrap();
}

async fn next(bus: &RedisBus) -> News {
    timeout(Duration::from_secs(20), bus.next()).await.unwrap()
}

fn entry() -> Entry {
    let topic = Topic { app_id: AppId::new(1).unwrap(), name: "r".into() };
    let (text, record) = ("text".to_owned(), "record".to_owned());
    Entry { topic, key: "s1".into(), name: "user:a".to_owned(), text, record }
}

/// Two nodes, of which the second has heard of an entry of the first.
async fn two_nodes() -> (Server, RedisBus, RedisBus, Entry) {
    let server = Server::start();
    let (here, there) = (server.join().await, server.join().await);
    let entry = entry();
    there.follow(&entry.topic).await.unwrap();
    here.enter(&entry, TERMS).await.unwrap();
    assert!(matches!(next(&there).await, News::Board(_)));
    (server, here, there, entry)
}

const TERMS: Terms = Terms { since: 1, rank: 1, newest_wins: true, limit: 0, again: false };

// proves S4 (the bus)
#[tokio::test(flavor = "multi_thread")]
async fn passes_the_contract() {
    contract::run(Server::start).await;
}

// proves F2 (the bus)
#[tokio::test(flavor = "multi_thread")]
async fn what_redis_lost_is_told_as_missed_and_everything_goes_on() {
    let mut server = Server::start();
    let (here, there) = (server.join().await, server.join().await);
    let entry = entry();
    there.follow(&entry.topic).await.unwrap();
    here.enter(&entry, TERMS).await.unwrap();
    let News::Board(before) = next(&there).await else { panic!() };

    server.stop();
    until_away(&here).await;
    until_away(&there).await;
    let start = Instant::now();
    assert!(here.update(&entry).await.is_err() && there.follow(&entry.topic).await.is_err());
    assert!(start.elapsed() < Duration::from_secs(1), "who calls does not wait: {:?}", start.elapsed());

    server.start_again();
    for bus in [&here, &there] {
        assert_eq!(next(bus).await, News::Missed);
        assert!(bus.is_up());
    }
    assert!(!here.update(&entry).await.unwrap(), "Redis is empty");
    here.enter(&entry, Terms { again: true, ..TERMS }).await.unwrap();
    let News::Board(after) = next(&there).await else { panic!() };
    assert!(after.rev > before.rev + 1, "a board that was lost goes on with higher numbers: {before:?} {after:?}");
    assert_eq!(after.change, BoardChange::Put { key: "s1".into(), text: "text".to_owned() });
}

// proves F2 (the bus)
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_given_up_and_comes_back() {
    let server = Server::start();
    let bus = server.join().await;
    server.signal("STOP");
    let start = Instant::now();
    assert!(bus.tell(&entry().topic, "text").await.is_err());
    until_away(&bus).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    server.signal("CONT");
    assert_eq!(next(&bus).await, News::Missed);
    bus.tell(&entry().topic, "text").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_says_nothing_more_is_gone_after_its_lease_and_not_before() {
    let (_server, here, there, entry) = two_nodes().await;
    here.link.abort();
    let start = Instant::now();
    assert_eq!(next(&there).await, News::NodeGone(here.node().clone()));
    let took = start.elapsed();
    println!("a dead node is gone after {took:?}");
    assert!((LEASE - Duration::from_secs(3)..LEASE + Duration::from_secs(8)).contains(&took), "{took:?}");
    let silent_for = there.record(entry.topic.app_id, "s1").await.unwrap().unwrap().silent_for;
    assert!(silent_for.is_some_and(|silent_for| silent_for.as_secs() >= 5), "{silent_for:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_lost_with_redis_kill_nobody() {
    let (server, here, there, entry) = two_nodes().await;
    server.command(&format!("DEL roompass:lease:{}", here.node()));
    beats(&server, &here).await;
    beats(&server, &there).await;
    beats(&server, &there).await;
    let (_, before) = here.tell(&entry.topic, "alive").await.unwrap();
    let News::Board(news) = next(&there).await else { panic!("somebody died") };
    assert_eq!(news.change, BoardChange::Told { text: "alive".to_owned(), before });
}

/// Waits for the next beat of `bus`.
async fn beats(server: &Server, bus: &RedisBus) {
    let lease = format!("roompass:lease:{}", bus.node());
    server.command(&format!("SET {lease} old"));
    let start = Instant::now();
    while server.command(&format!("GET {lease}")) == "old" {
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

// proves A2 (the bus)
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_certificate_must_be_trusted_and_the_password_right() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    for name in ["ours", "other"] {
        let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test \
                         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split_whitespace()).args(["-keyout", &path("key")]);
        assert!(openssl.args(["-out", &path(name)]).output().unwrap().status.success());
        if name == "ours" {
            fs::rename(path("key"), path("ours.key")).unwrap();
        }
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let _server = Server::start_with(&[
        "--port",
        "0",
        "--tls-port",
        &port,
        "--tls-cert-file",
        &path("ours"),
        "--tls-key-file",
        &path("ours.key"),
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "hunter2",
    ]);
    let connects = async |password: &str, host: &str, trusted: &str| {
        let url = RedisUrl::parse(&format!("rediss://{host}:{port}")).unwrap();
        let bus = start(url.with_password(password).trusting(fs::read(path(trusted)).unwrap()));
        let mut connection = bus.shared.connection.subscribe();
        timeout(Duration::from_secs(2), connection.wait_for(Option::is_some)).await.is_ok()
    };
    assert!(connects("hunter2", "localhost", "ours").await);
    assert!(!connects("wrong", "localhost", "ours").await);
    assert!(!connects("hunter2", "127.0.0.1", "ours").await);
    assert!(!connects("hunter2", "localhost", "other").await);
    let no_certificate = RedisUrl::parse("rediss://localhost").unwrap().trusting(b"no".to_vec());
    assert!(RedisBus::start(no_certificate, NodeId::new([0; 8])).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_the_guide_gives_are_enough_for_every_promise() {
    let guide = include_str!("../../../docs/several-nodes.md");
    let rights = guide.lines().find_map(|line| line.strip_prefix("user roompass on >PASSWORD ")).unwrap();
    let mut options = vec!["--port", "0", "--user", "default", "reset", "on", "nopass"];
    options.extend(rights.split(' '));
    contract::run(|| Server::start_with(&options)).await;
}
