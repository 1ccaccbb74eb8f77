//! What is so at the moment: looked up when somebody asks, so that it costs nothing otherwise.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use token_gen::AppId;
use tokio::time::timeout;

use super::{
    apps::{AppLabel, Apps},
    media::MediaMetrics,
    process::Look,
    register::Register,
};
use crate::{
    app::Service,
    bus::{Bus, Tally},
};

/// A store that takes longer than this is not up.
const STORE_LIMIT: Duration = Duration::from_secs(2);

/// The gauges of what can be looked up.
#[derive(Debug)]
pub(super) struct State {
    apps: Gauge,
    keys: Gauge,
    revocations: Gauge,
    bans: Gauge,
    connections: Gauge,
    max_connections: Gauge,
    requests: Gauge,
    waiting: Gauge,
    named: Apps,
    sessions: Family<AppLabel, Gauge>,
    rooms: Gauge,
    streams: Gauge,
    late: Gauge<f64, AtomicU64>,
    bus: BusState,
    media: MediaMetrics,
    store_up: Gauge,
    follower_lag: Gauge,
    clock_jumps: Counter,
    clock_trusted: Gauge,
    time: Gauge,
    cpu_seconds: Counter<f64, AtomicU64>,
    resident_bytes: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
}

/// The same for the bus.
#[derive(Debug)]
struct BusState {
    up: Gauge,
    sent: Counter,
    failed: Counter,
    heard: Counter,
    dropped: Counter,
    reconnects: Counter,
    waiting: Gauge,
    round_trip: Gauge<f64, AtomicU64>,
}

impl BusState {
    fn register(all: &mut Register) -> Self {
        Self {
            up: all.gauge("bus_up", "Whether the other nodes can be reached; always 1 on a single node"),
            sent: all.counter("bus_sent", "Commands sent to the bus"),
            failed: all.counter("bus_failures", "Commands that the bus did not answer"),
            heard: all.counter("bus_heard", "What was heard from the bus, of this node and of others"),
            dropped: all.counter("bus_dropped", "Of that, what was thrown away because too much waited"),
            reconnects: all.counter("bus_reconnects", "Times that the connection to the bus was made again"),
            waiting: all.gauge("bus_waiting", "What was heard and waits to be taken in"),
            round_trip: all.metric(
                "bus_round_trip_seconds",
                "How long the last sign of life took to the bus and back",
                &[],
                Gauge::default(),
            ),
        }
    }

    fn look(&self, bus: &dyn Bus) {
        let Tally { sent, failed, heard, dropped, reconnects, waiting, round_trip } = bus.tally();
        self.up.set(bus.is_up().into());
        for (counter, count) in [
            (&self.sent, sent),
            (&self.failed, failed),
            (&self.heard, heard),
            (&self.dropped, dropped),
            (&self.reconnects, reconnects),
        ] {
            counter.inner().store(count, Ordering::Relaxed);
        }
        set(&self.waiting, waiting);
        self.round_trip.set(round_trip.as_secs_f64());
    }
}

impl State {
    pub(super) fn register(all: &mut Register, named: &Apps) -> Self {
        Self {
            named: named.clone(),
            apps: all.gauge("apps", "Apps in memory"),
            keys: all.gauge("backend_keys", "Backend keys in memory"),
            revocations: all.gauge("revocations", "Revocations that hold"),
            bans: all.gauge("bans", "Bans in memory"),
            connections: all.gauge("connections_open", "Connections open, the gateway's sockets among them"),
            max_connections: all.gauge("connections_max", "Connections that may be open at a time"),
            requests: all.gauge("http_requests_under_way", "Requests that are not answered yet"),
            waiting: all.gauge("gateway_waiting", "Sockets without a login"),
            sessions: all.metric("gateway_sessions", "Stays in rooms", &["app_id"], Family::default()),
            rooms: all.gauge("gateway_rooms", "Rooms with somebody in them"),
            streams: all.gauge("gateway_streams", "Streams being published"),
            late: all.metric("late_seconds", "How long what was due had to wait lately", &[], Gauge::default()),
            bus: BusState::register(all),
            media: MediaMetrics::register(all),
            store_up: all.gauge("store_up", "Whether the store answered just now"),
            follower_lag: all.gauge(
                "follower_lag_seconds",
                "Time since all changes in the store were taken in; beyond 60 s no token is called good",
            ),
            clock_jumps: all.counter("clock_jumps", "Times that the machine's clock was set by more than 5 s"),
            clock_trusted: all.gauge("clock_trusted", "Whether the clock is not behind the time the store has seen"),
            time: all.gauge("time_seconds", "The time of the server's clock, since 1970"),
            cpu_seconds: all.usual("process_cpu_seconds", "Processor time used", &[], Counter::default()),
            resident_bytes: all.usual("process_resident_memory_bytes", "Memory in use", &[], Gauge::default()),
            open_fds: all.usual("process_open_fds", "File descriptors in use", &[], Gauge::default()),
            max_fds: all.usual("process_max_fds", "File descriptors that may be in use", &[], Gauge::default()),
        }
    }

    /// Shows how many are there of each app. One that has gone is shown, too: by none.
    fn show_sessions(&self, by_app: &HashMap<AppId, usize>) {
        let of = |app_id| by_app.get(&app_id).copied().unwrap_or_default();
        let mut others: usize = by_app.values().sum();
        for &app_id in by_app.keys() {
            self.named.take_in(app_id);
        }
        for &app_id in self.named.named().iter() {
            others -= of(app_id);
            set(&self.sessions.get_or_create(&self.named.label(Some(app_id))), of(app_id));
        }
        set(&self.sessions.get_or_create(&self.named.label(None)), others);
    }

    /// Looks everything up.
    pub(super) async fn look(&self, service: &Service) {
        let now = service.clock.now();
        set(&self.apps, service.directory.len());
        set(&self.keys, service.keyring.len());
        set(&self.revocations, service.revocations.len());
        set(&self.bans, service.bans.len());
        set(&self.connections, service.limits.connections().taken());
        set(&self.max_connections, service.limits.connections().size());
        set(&self.requests, service.limits.requests().taken());
        let gateway = service.gateway.occupancy();
        set(&self.waiting, gateway.waiting);
        self.show_sessions(&service.gateway.sessions_by_app());
        set(&self.rooms, gateway.rooms);
        set(&self.streams, gateway.streams);
        self.late.set(service.limits.pressure().late().as_secs_f64());
        self.bus.look(&**service.nodes.bus());
        self.media.show(&service.media.snapshot().await);
        self.media.show_across(service.media.across_nodes());
        let is_up = timeout(STORE_LIMIT, service.store.ping()).await.is_ok_and(|answer| answer.is_ok());
        self.store_up.set(is_up.into());
        set(&self.follower_lag, service.revocations.behind(now).as_secs() as usize);
        self.clock_jumps.inner().store(service.clock.jumps(), Ordering::Relaxed);
        self.clock_trusted.set(service.tokens.trusts(now).into());
        self.time.set(now.get());
        if let Some(look) = Look::take() {
            self.cpu_seconds.inner().store(look.cpu_seconds.to_bits(), Ordering::Relaxed);
            self.resident_bytes.set(look.resident_bytes);
            self.open_fds.set(look.open_fds);
            self.max_fds.set(look.max_fds);
        }
    }
}

fn set(gauge: &Gauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}
