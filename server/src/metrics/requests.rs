//! HTTP requests by route, method and status, and how long each route takes.

use std::{collections::HashMap, sync::OnceLock, time::Duration};

use axum::http::{Method, StatusCode};
use prometheus_client::metrics::{counter::Counter, family::Family};

use super::{
    latency::{Latency, Spread},
    register::Register,
};

type RouteLabels = [(&'static str, &'static str); 2];
type Requests = Family<(RouteLabels, [(&'static str, u16); 1]), Counter>;

/// What all routes are counted in.
#[derive(Debug, Clone)]
pub(crate) struct RequestMetrics {
    requests: Requests,
    seconds: Family<RouteLabels, Latency>,
}

/// The counts of routes by their paths, found without a lock.
#[derive(Debug)]
pub(crate) struct RouteTable {
    routes: HashMap<&'static str, Vec<(Method, RouteCounts)>>,
    /// Paths and methods that there are not.
    other: RouteCounts,
}

/// The counts of one route.
#[derive(Debug)]
pub(crate) struct RouteCounts {
    labels: RouteLabels,
    all: RequestMetrics,
    /// Made by the first request, so that routes nobody uses cost nobody anything.
    usual: OnceLock<Usual>,
}

/// What nearly every request is counted in.
#[derive(Debug)]
struct Usual {
    ok: Counter,
    seconds: Latency,
}

impl RequestMetrics {
    pub(super) fn register(all: &mut Register) -> Self {
        let requests = all.metric(
            "http_requests",
            "Requests answered, by the pattern of their path",
            &["route", "method", "status"],
            Family::default(),
        );
        let (help, labels) = ("How long the answer to a request took", &["route", "method"]);
        Self { requests, seconds: all.metric("http_request_duration_seconds", help, labels, Family::default()) }
    }

    /// Counts for these paths and methods.
    pub(crate) fn table(&self, routes: impl IntoIterator<Item = (&'static str, Method)>) -> RouteTable {
        let mut table = RouteTable { routes: HashMap::new(), other: self.labelled("-", "other") };
        for (path, method) in routes {
            let counts = self.route(path, &method);
            table.routes.entry(path).or_default().push((method, counts));
        }
        table
    }

    /// The counts of one route.
    pub(crate) fn route(&self, path: &'static str, method: &Method) -> RouteCounts {
        self.labelled(path, name_of(method))
    }

    /// How long the answers of a route took so far.
    pub(super) fn spread(&self, path: &'static str, method: &'static str) -> Spread {
        self.seconds.get(&[("route", path), ("method", method)]).map(|seconds| seconds.spread()).unwrap_or_default()
    }

    fn labelled(&self, path: &'static str, method: &'static str) -> RouteCounts {
        RouteCounts { labels: [("route", path), ("method", method)], all: self.clone(), usual: OnceLock::new() }
    }
}

impl RouteTable {
    /// The counts of the route with this pattern.
    pub(crate) fn find(&self, pattern: &str, method: &Method) -> &RouteCounts {
        let methods = self.routes.get(pattern).map_or(&[][..], Vec::as_slice);
        methods.iter().find_map(|(known, counts)| (known == method).then_some(counts)).unwrap_or(&self.other)
    }
}

impl RouteCounts {
    /// A request was answered after `duration`.
    pub(crate) fn answered(&self, status: StatusCode, duration: Duration) {
        let usual = self.usual.get_or_init(|| Usual {
            ok: self.all.requests.get_or_create_owned(&(self.labels, [("status", 200)])),
            seconds: self.all.seconds.get_or_create_owned(&self.labels),
        });
        if status == StatusCode::OK {
            usual.ok.inc();
        } else {
            self.all.requests.get_or_create(&(self.labels, [("status", status.as_u16())])).inc();
        }
        usual.seconds.observe(duration);
    }
}

fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
