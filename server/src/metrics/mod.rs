//! What operators see in numbers: every fact that is counted has one method here, and whoever knows the fact calls it.
//! What is a state and not a fact, such as how many sockets are open, is looked up when somebody asks.
//!
//! Labels take few values: routes, codes and reasons that the code names. Of ids there is only the app's number, for
//! as many apps as the operator allows. Knows no HTTP: `http/observe.rs` serves it.

mod apps;
mod gateway;
mod history;
mod latency;
mod media;
mod process;
mod register;
mod requests;
mod state;
mod tokens;

use prometheus_client::{
    encoding::prometheus_text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use roompass_wire::http::{Samples, Totals};
use token_gen::UnixSeconds;

pub use gateway::GatewayMetrics;
pub use latency::Latency;
pub(crate) use requests::{RequestMetrics, RouteCounts, RouteTable};
pub use tokens::TokenMetrics;

use crate::{app::Service, gateway::Occupancy, store::Timings};
use apps::Apps;
use history::History;
use register::{By, Description, Label, Register};
use state::State;

/// The media type of [`Metrics::text`].
pub(crate) const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Every count of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    descriptions: Vec<Description>,
    /// HTTP.
    pub(crate) requests: RequestMetrics,
    /// Tokens, revocations and bans.
    pub tokens: TokenMetrics,
    /// Sockets and stays.
    pub gateway: GatewayMetrics,
    limited: By,
    panics: Counter,
    accept_failures: Counter,
    changes_followed: Counter,
    follow_failures: Counter,
    reloads: By,
    trace_spans: By,
    state: State,
    history: History,
}

/// The values of the label `limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Of one backend key.
    Key,
    /// Of one source.
    Source,
    /// Of wrong credentials from one source.
    Guesses,
    /// Of requests under way.
    Concurrency,
    /// Of sockets without a login.
    Sockets,
    /// Of messages on one socket.
    Messages,
    /// Of sessions.
    Sessions,
    /// Of how late everything is.
    Pressure,
}

impl Limit {
    const ALL: [Self; 8] = [
        Self::Key,
        Self::Source,
        Self::Guesses,
        Self::Concurrency,
        Self::Sockets,
        Self::Messages,
        Self::Sessions,
        Self::Pressure,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Source => "source",
            Self::Guesses => "guesses",
            Self::Concurrency => "concurrency",
            Self::Sockets => "sockets",
            Self::Messages => "messages",
            Self::Sessions => "sessions",
            Self::Pressure => "pressure",
        }
    }
}

impl Default for Metrics {
    /// For a service without a store, and without a count of its own for any app.
    fn default() -> Self {
        Self::new(0, &Timings::default())
    }
}

impl Metrics {
    /// Counts from zero. The first `max_apps` apps that are heard of have counts of their own.
    pub fn new(max_apps: usize, store: &Timings) -> Self {
        let mut all = Register::default();
        let build: Family<Label, Gauge> = Family::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        all.metric("build_info", "The version that runs", &["version"], build);
        let requests = RequestMetrics::register(&mut all);
        let apps = Apps::new(max_apps);
        let tokens = TokenMetrics::register(&mut all, &apps);
        let gateway = GatewayMetrics::register(&mut all, &apps);
        let operation = &["operation"];
        all.metric("store_duration_seconds", "How long the store took", operation, store.seconds());
        all.metric("store_failures", "Times that the store did not answer", operation, store.failures());
        let limits = Limit::ALL.map(Limit::as_str);
        let limited = all.by("rate_limited", "Refusals because a limit was met", &["limit"], limits);
        let panics = all.counter("panics", "Requests that failed by a bug");
        let accept_failures = all.counter("accept_failures", "Connections that could not be accepted");
        let changes_followed = all.counter("changes_followed", "Changes in the store that were taken in");
        let follow_failures = all.counter("follow_failures", "Times that the changes in the store could not be read");
        let reloads = all.by("reloads", "Times that the configuration was read again", &["result"], ["ok", "refused"]);
        let trace_spans = all.by("trace_spans", "Spans for the collector of traces", &["result"], ["exported", "lost"]);
        let state = State::register(&mut all, &apps);
        let (registry, descriptions) = all.finish();
        Self {
            registry,
            descriptions,
            requests,
            tokens,
            gateway,
            limited,
            panics,
            accept_failures,
            changes_followed,
            follow_failures,
            reloads,
            trace_spans,
            state,
            history: History::default(),
        }
    }

    /// Every metric with its type, its labels and its meaning, as a table in Markdown.
    pub fn reference(&self) -> String {
        let mut table = String::from("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
        for Description { name, kind, labels, help } in &self.descriptions {
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            table.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
        }
        table
    }

    /// A request was refused because it met a limit.
    pub fn limited(&self, limit: Limit) {
        self.limited.count(limit.as_str());
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// A connection could not be accepted.
    pub fn not_accepted(&self) {
        self.accept_failures.inc();
    }

    /// Changes that the store told of were taken in.
    pub fn followed(&self, changes: usize) {
        self.changes_followed.inc_by(changes as u64);
    }

    /// The changes in the store could not be read.
    pub fn lost_track(&self) {
        self.follow_failures.inc();
    }

    /// The configuration was read again.
    pub fn reloaded(&self, is_sound: bool) {
        self.reloads.count(if is_sound { "ok" } else { "refused" });
    }

    /// Spans were handed to the collector of traces, or it did not take them.
    pub fn exported(&self, spans: usize, taken: bool) {
        self.trace_spans.add(if taken { "exported" } else { "lost" }, spans as u64);
    }

    /// What was counted so far, over all apps.
    pub fn totals(&self) -> Totals {
        history::totals(self).0
    }

    /// Remembers how it is now. Called from time to time.
    pub fn sample(&self, occupancy: Occupancy, now: UnixSeconds) {
        self.history.sample(self, occupancy, now);
    }

    /// What was remembered after `since`.
    pub fn samples(&self, since: Option<UnixSeconds>) -> Samples {
        self.history.since(since)
    }

    /// Everything, as Prometheus reads it.
    pub async fn text(&self, service: &Service) -> String {
        self.state.look(service).await;
        let mut text = String::with_capacity(32 * 1024);
        // Writing into a String has no way to fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    /// `ROOMPASS_WRITE_DOCS=1` writes the page instead of comparing it.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the edge of the test run")]
    fn the_page_of_metrics_has_them_all() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let page = fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once("<!-- metrics -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- end of metrics -->\n").unwrap();
        let table = Metrics::default().reference();
        let whole = format!("{before}<!-- metrics -->\n{table}<!-- end of metrics -->\n{after}");
        if env::var_os("ROOMPASS_WRITE_DOCS").is_some() {
            fs::write(path, whole).unwrap();
        } else {
            assert!(page == whole, "{path} is out of date: run this test with ROOMPASS_WRITE_DOCS=1");
        }
    }

    #[test]
    fn names_are_unique_and_of_one_style() {
        let metrics = Metrics::default();
        let mut names: Vec<&str> = metrics.descriptions.iter().map(|one| &*one.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for Description { name, kind, help, .. } in &metrics.descriptions {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
            assert!(help.chars().next().unwrap().is_uppercase() && !help.ends_with('.'), "{help}");
        }
    }
}
