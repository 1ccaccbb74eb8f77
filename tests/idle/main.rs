//! Very many who are there and say nothing: what they cost a server, and that none of them is lost. A program of its own,
//! since each of the two processes takes most of the files that one may open.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod client;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use client::{Client, Ended};
use futures_util::{StreamExt, stream};
use rand::rngs::SysRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use token_gen::{AppId, Minter, Payload, Privileges, Rights, RoomId, ServerSecret, TokenRequest, UnixSeconds, UserId};

const SOCKETS: usize = 15_000;
const IN_A_ROOM: usize = 10;
/// Fewer than a server lets one source have without a login.
const AT_A_TIME: usize = 40;
/// After how much silence a server pings.
const PING_SECS: u64 = 25;
const HALF_AN_HOUR_SECS: u64 = 1_800;
/// How long before a token's end its user is warned.
const LEAD_SECS: u64 = 30;
/// When all tokens end: a little after the half hour, so that the warning comes between two pings.
const LIFE_SECS: u64 = HALF_AN_HOUR_SECS + PING_SECS + LEAD_SECS + 5;

/// What all of them may take.
const MOST_MIB: u64 = 600;
/// What each may add to what the server takes without them, when it is in.
const MOST_KIB_EACH: f64 = 10.0;
/// The same after half an hour of pings, which all come in the same moment here: that leaves something in the allocator.
const MOST_KIB_EACH_AT_LAST: f64 = 12.0;
/// Of one core.
const MOST_OF_A_CORE: f64 = 0.2;

/// A server in a process of its own, on time that this one moves.
struct Server {
    child: Child,
    time: ChildStdin,
    address: SocketAddr,
    minter: Minter,
    start: UnixSeconds,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idle_server"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let secret = ServerSecret::new(ready["secret"].as_str().unwrap()).unwrap();
        Self {
            time: child.stdin.take().unwrap(),
            child,
            address: ready["url"].as_str().unwrap().trim_start_matches("http://").parse().unwrap(),
            minter: Minter::new(AppId::new(1).unwrap(), &secret),
            start: UnixSeconds::new(ready["start"].as_i64().unwrap()),
        }
    }

    fn advance(&mut self, secs: u64) {
        writeln!(self.time, "{secs}").unwrap();
    }

    async fn enter(&self, number: usize) -> Client {
        let (user_id, room_id) = (format!("u{number}"), format!("r{}", number / IN_A_ROOM));
        let rights = Rights::builder(&RoomId::new(&room_id).unwrap()).allow_all(Privileges::ALL).build();
        let request = TokenRequest {
            user_id: UserId::new(&user_id).unwrap(),
            ttl: Duration::from_secs(LIFE_SECS),
            payload: Payload::Rights(rights),
        };
        let token = self.minter.mint(&request, self.start, &mut SysRng).unwrap().token;
        Client::enter(self.address, &user_id, &room_id, &token).await.unwrap()
    }

    /// What of it is in memory.
    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The processor time it has used.
    fn busy_secs(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets as many files be open as the system allows without asking anybody, as a server does for itself.
fn open_enough_files() {
    let limit = getrlimit(Resource::Nofile);
    let enough = SOCKETS as u64 + 1_000;
    assert!(limit.maximum.is_none_or(|most| most >= enough), "this needs {enough} open files: see `ulimit -Hn`");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("up to the maximum it may be set");
}

/// What `act` says of everybody, if anybody is not there any more.
async fn everybody(
    clients: &mut [Client],
    when: impl std::fmt::Display,
    act: impl AsyncFn(&mut Client) -> Result<(), Ended>,
) {
    let mut ended = Vec::new();
    for client in clients {
        ended.extend(act(client).await.err());
    }
    assert!(ended.is_empty(), "{when}: {} of {SOCKETS} are lost, such as: {}", ended.len(), ended[0]);
}

// proves F9, W5 (15,000 sockets, after half an hour of pings)
#[tokio::test]
async fn fifteen_thousand_idle_sockets_are_held_for_half_an_hour_at_little_cost_and_warned_in_their_second() {
    open_enough_files();
    let mut server = Server::start();
    // What the first login costs for good is not a socket's.
    let first = server.enter(0).await;
    let before = server.resident_kib();
    let each = |kib: u64| kib.saturating_sub(before) as f64 / SOCKETS as f64;

    let begun = Instant::now();
    let entering = stream::iter(1..SOCKETS).map(|number| server.enter(number)).buffer_unordered(AT_A_TIME);
    let mut clients: Vec<Client> = entering.collect().await;
    clients.push(first);
    everybody(&mut clients, "at first", Client::ping).await;
    everybody(&mut clients, "at first", Client::hear_pong).await;
    let entered = server.resident_kib();
    println!("{SOCKETS} are in after {:.1?}: {entered} KiB, {:.2} for each", begun.elapsed(), each(entered));

    let (begun, busy) = (Instant::now(), server.busy_secs());
    for round in 1..=HALF_AN_HOUR_SECS / PING_SECS {
        server.advance(PING_SECS);
        everybody(&mut clients, round, Client::answer_ping).await;
        everybody(&mut clients, round, Client::hear_pong).await;
    }
    let (at_last, busy) = (server.resident_kib(), server.busy_secs() - busy);
    let share = busy / HALF_AN_HOUR_SECS as f64;
    println!("half an hour of pings took {:.1?}: {busy:.1} s of a core, {:.1} %", begun.elapsed(), 100.0 * share);
    println!("then {at_last} KiB, {:.2} for each", each(at_last));
    assert!(at_last <= MOST_MIB * 1024, "{at_last} KiB");
    assert!(each(entered) <= MOST_KIB_EACH, "{}", each(entered));
    assert!(each(at_last) <= MOST_KIB_EACH_AT_LAST, "{}", each(at_last));
    assert!(share < MOST_OF_A_CORE, "{share}");

    // All tokens end in the same second.
    server.advance(PING_SECS);
    everybody(&mut clients, "once more", Client::answer_ping).await;
    everybody(&mut clients, "once more", Client::hear_pong).await;
    server.advance(LIFE_SECS - LEAD_SECS - HALF_AN_HOUR_SECS - PING_SECS - 1);
    everybody(&mut clients, "a second before", Client::ping).await;
    everybody(&mut clients, "a second before", Client::hear_pong).await;
    assert_eq!(clients.iter().map(|client| client.warnings).sum::<usize>(), 0, "nobody is warned too soon");
    server.advance(1);
    everybody(&mut clients, "at the warning", Client::hear_warning).await;
    everybody(&mut clients, "after the warning", Client::ping).await;
    everybody(&mut clients, "after the warning", Client::hear_pong).await;
    assert!(clients.iter().all(|client| client.warnings == 1), "and everybody once");
}
