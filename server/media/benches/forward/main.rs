//! What forwarding costs beside str0m's own loop: one publisher, many receivers, real sockets and real encryption on
//! both sides, the same clients, the same run, each of the two going first as often as the other. Packets per second of
//! processor time, and how long a packet takes from the publisher's hands to the receiver's; of each the median and how far
//! the rounds lie apart.
//!
//! `cargo bench --package roompass-media --bench forward`

mod clients;
mod plain;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use roompass_media::{Kinds, Media, MediaConfig, Offer, Opening, Rights, Role, Session, Streams, Track};

use self::{clients::Clients, plain::Plain};

/// An even number, so that neither contender always finds the machine as the other has left it.
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_secs(3);
const RECEIVERS: [usize; 2] = [4, 16];
const PACKETS_PER_SECOND: u32 = 400;
/// At least this share of the packets that str0m's own loop forwards with the same processor time.
const BAR: f64 = 0.8;

/// What a round measured.
#[derive(Debug, Clone, Copy)]
struct Measured {
    packets_per_core_second: f64,
    p50: Duration,
    p99: Duration,
}

fn main() {
    // `cargo test --benches` asks for nothing to be measured.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!(
        "1 publisher, {PACKETS_PER_SECOND} packets of 1,000 bytes a second; medians of {ROUNDS} rounds of {ROUND:?}"
    );
    let mut is_met = true;
    for receivers in RECEIVERS {
        let (mut ours, mut plain) = (vec![], vec![]);
        for round in 0..ROUNDS {
            if round % 2 == 0 {
                plain.push(measure_plain(receivers));
                ours.push(measure_ours(receivers));
            } else {
                ours.push(measure_ours(receivers));
                plain.push(measure_plain(receivers));
            }
        }
        let spreads = [spread(&ours), spread(&plain)];
        let (ours, plain) = (median(&ours), median(&plain));
        let share = ours.packets_per_core_second / plain.packets_per_core_second;
        is_met &= share >= BAR;
        println!("{receivers:>3} receivers  ours  {}", show(ours));
        println!("               rounds {}", spreads[0]);
        println!("{receivers:>3} receivers  str0m {}", show(plain));
        println!("               rounds {}", spreads[1]);
        println!(
            "              {:.0} % of str0m's own loop (bar {:.0} %): {}; added latency p50 {}, p99 {}",
            share * 100.0,
            BAR * 100.0,
            if share >= BAR { "met" } else { "MISSED" },
            difference(ours.p50, plain.p50),
            difference(ours.p99, plain.p99),
        );
    }
    if !is_met {
        std::process::exit(1);
    }
}

fn measure_ours(receivers: usize) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let media =
        runtime.block_on(Media::start(MediaConfig { tcp: None, ..MediaConfig::loopback() })).expect("it starts");
    let rights = Rights {
        publish: Kinds::ALL,
        publish_streams: Streams::Any,
        play_streams: Streams::Any,
        max_publish_bps: None,
    };
    let mut sessions: Vec<Session> = vec![];
    let clients = Clients::connect(receivers, PACKETS_PER_SECOND, |sdp, mid, kind| {
        let opening = Opening { room: "bench".into(), user_id: "user".into(), rights: rights.clone() };
        let (session, _) = media.open(opening).expect("there is room");
        let role = kind.map_or(Role::Play, Role::Publish);
        match kind {
            Some(_) => session.publish("stream", Kinds::ALL),
            None => session.play("stream"),
        }
        let track = Track { mid, stream_id: Arc::from("stream"), role };
        let answer = runtime.block_on(session.offer(Offer { sdp, tracks: vec![track] })).expect("it is answered");
        sessions.push(session);
        answer.sdp
    });
    let measured = measure(&clients, "media-");
    media.shutdown();
    measured
}

fn measure_plain(receivers: usize) -> Measured {
    let plain = Plain::start();
    let clients = Clients::connect(receivers, PACKETS_PER_SECOND, |sdp, _, _| plain.answer(sdp));
    measure(&clients, "plain")
}

fn measure(clients: &Clients, threads: &str) -> Measured {
    clients.wait_until_all_receive();
    let (before, start) = (processor_time(threads), Instant::now());
    clients.start_counting();
    std::thread::sleep(ROUND);
    let mut latencies = clients.stop_counting();
    let (spent, _) = (processor_time(threads) - before, start);
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Measured { packets_per_core_second: latencies.len() as f64 / spent.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}

/// The processor time of this process's threads whose name starts with `name`.
fn processor_time(name: &str) -> Duration {
    let mut nanos = 0;
    for thread in fs::read_dir("/proc/self/task").expect("threads can be listed").flatten() {
        let read = |file: &str| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        if read("comm").starts_with(name) {
            // Time on the processor in nanoseconds comes first.
            nanos += read("schedstat").split(' ').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Duration::from_nanos(nanos)
}

fn median(rounds: &[Measured]) -> Measured {
    let of = |read: &dyn Fn(&Measured) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(read).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measured {
        packets_per_core_second: of(&|round| round.packets_per_core_second),
        p50: Duration::from_secs_f64(of(&|round| round.p50.as_secs_f64())),
        p99: Duration::from_secs_f64(of(&|round| round.p99.as_secs_f64())),
    }
}

/// From the least to the most of the rounds.
fn spread(rounds: &[Measured]) -> String {
    let of = |read: &dyn Fn(&Measured) -> f64| {
        let values = rounds.iter().map(read);
        let (least, most) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
        format!("{least:.0}–{most:.0}")
    };
    format!(
        "{} packets/s per core, p50 {} µs, p99 {} µs",
        of(&|round| round.packets_per_core_second),
        of(&|round| round.p50.as_secs_f64() * 1e6),
        of(&|round| round.p99.as_secs_f64() * 1e6),
    )
}

fn show(measured: Measured) -> String {
    let Measured { packets_per_core_second, p50, p99 } = measured;
    format!(
        "{packets_per_core_second:>8.0} packets/s per core, latency p50 {:>6.0} µs p99 {:>6.0} µs",
        p50.as_secs_f64() * 1e6,
        p99.as_secs_f64() * 1e6
    )
}

fn difference(ours: Duration, plain: Duration) -> String {
    format!("{:+.0} µs", (ours.as_secs_f64() - plain.as_secs_f64()) * 1e6)
}
