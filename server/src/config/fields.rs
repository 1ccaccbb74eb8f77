//! Every knob, once: its section, name, type, default and documentation. The typed sections, `config default`,
//! `config docs`, the environment names and the defaults themselves all come from this table.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use serde::Deserialize;

/// A knob, for listings.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The table of `roompass.toml` it is in.
    pub section: &'static str,
    /// Its key there.
    pub name: &'static str,
    /// Its default as TOML; empty if it has none.
    pub default: &'static str,
    /// What it is for, line by line.
    pub docs: &'static [&'static str],
}

impl Field {
    /// The environment variable that overrides it.
    pub fn env_name(&self) -> String {
        format!("ROOMPASS_{}_{}", self.section, self.name).to_uppercase()
    }

    /// Its full name, such as `server.listen`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Whether a running server takes up a new value at SIGHUP; others need a restart.
    pub fn is_reread(&self) -> bool {
        REREAD.contains(&(self.section, self.name))
    }

    /// What a running server reads again, in a word or two.
    pub(super) fn reread(&self) -> &'static str {
        match REREAD_CONTENTS.contains(&(self.section, self.name)) {
            true => "the file is read again",
            false if self.is_reread() => "read again",
            false => "",
        }
    }

    /// Whether values are text, which needs no quotes in the environment.
    pub fn is_text(&self) -> bool {
        self.default.is_empty() || self.default.starts_with('"')
    }
}

/// What a running server reads again.
const REREAD: &[(&str, &str)] = &[
    ("server", "drain_secs"),
    ("limits", "key_per_second"),
    ("limits", "source_per_second"),
    ("limits", "guesses_per_minute"),
    ("limits", "concurrent_requests"),
    ("limits", "connections"),
    ("limits", "waiting_per_source"),
    ("limits", "trusted_proxies"),
    ("log", "filter"),
];
/// What it reads again is what is in these files, not where they are.
const REREAD_CONTENTS: &[(&str, &str)] = &[("tls", "cert_file"), ("tls", "key_file")];

macro_rules! sections {
    ($($(#[doc = $section_doc:literal])* $section:ident: $Section:ident {
        $($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:literal,)*
    })*) => {
        /// What the file, the environment and the flags say, read but not judged yet.
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Sections { $(pub(super) $section: $Section,)* }

        $(
            $(#[doc = $section_doc])*
            #[derive(Debug, Clone, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $Section {
                $(
                    $(#[doc = $doc])*
                    #[doc = concat!("\n\nDefault: `", $default, "`.")]
                    pub $name: $type,
                )*
            }
        )*

        /// Every knob, in the order of the documentation.
        pub const FIELDS: &[Field] = &[$($(
            Field { section: stringify!($section), name: stringify!($name), default: $default, docs: &[$($doc),*] },
        )*)*];
    };
}

sections! {
    /// Where the service listens, and how it is reached.
    server: ServerSection {
        /// The address and port to listen on. Anything but loopback needs `tls` or `behind_tls_proxy`.
        listen: SocketAddr = "\"127.0.0.1:8080\"",
        /// The origin that clients address, such as `https://rtc.example.com`. AppSign proofs are bound to it.
        /// Needed unless the service listens on loopback without a proxy. A port of its own is part of it.
        public_url: Option<String> = "",
        /// Says that a proxy on a trusted network stands in front and terminates TLS.
        behind_tls_proxy: bool = "false",
        /// How long a stopping server waits for requests and rooms to end, in seconds: 0 to 300. Clients are told to move
        /// at random moments within the first five sixths of it.
        drain_secs: u64 = "30",
        /// How many threads serve, each on a processor core of its own: up to 1,024. 0: as many as there are cores.
        workers: u32 = "0",
    }
    /// How much may be asked. A request beyond a limit is refused with 429 or 503 and `Retry-After`.
    limits: LimitsSection {
        /// Requests in a second with one backend key, unless the key has a limit of its own; twice as many at once.
        key_per_second: u32 = "2000",
        /// Requests in a second from one address, whoever they are from; twice as many at once.
        source_per_second: u32 = "10000",
        /// Wrong credentials in a minute from one address, which then has to wait. Others never do.
        guesses_per_minute: u32 = "20",
        /// Requests under way at a time.
        concurrent_requests: u32 = "1024",
        /// Connections open at a time; further ones wait to be accepted. A twentieth of them, but 100 at least, may be sockets
        /// of the gateway without a login; further ones are refused with 503 and `Retry-After`.
        connections: u32 = "20000",
        /// Sockets of the gateway without a login from one address (of IPv6, from one /64), at most half of all there may be;
        /// further ones are refused with 429 and `Retry-After`. Raise it where many users come by one address.
        waiting_per_source: u32 = "50",
        /// Sessions at a time; further logins are refused with `too_many_sessions`.
        sessions: u32 = "100000",
        /// The same in one app. A user has one session in an app.
        sessions_per_app: u32 = "50000",
        /// The addresses or networks of proxies whose `X-Forwarded-For` is believed, such as `["10.0.0.0/8"]`.
        trusted_proxies: Vec<String> = "[]",
    }
    /// Forwarding audio, video and screens between the users of a room.
    media: MediaSection {
        /// The address and port where media is forwarded, over UDP and, for networks that let no UDP out, TCP: such as
        /// `0.0.0.0:7881`. Without it the service forwards no media.
        listen: Option<SocketAddr> = "",
        /// The addresses by which clients reach that port, the preferred one first. Needed behind NAT, and when `listen`
        /// is every address.
        public_addresses: Vec<IpAddr> = "[]",
        /// Threads that forward packets; 0 is one per core. All of a room is forwarded by one.
        workers: usize = "0",
        /// What one session may publish, in kilobits a second; what is over it is dropped. 0 is no limit.
        max_publish_kbps: u64 = "8000",
        /// STUN servers that clients are told of, such as `["stun:stun.example.com"]`.
        stun_urls: Vec<String> = "[]",
        /// TURN servers that clients are told of, such as `["turn:turn.example.com?transport=udp"]`.
        turn_urls: Vec<String> = "[]",
        /// A file of mode 0400 or 0600 with the secrets shared with the TURN servers, one a line: the first one mints
        /// credentials, the others are those being rotated away.
        turn_secret_file: Option<PathBuf> = "",
        /// How long a TURN credential is good, in seconds: 60 to 86400. TURN servers check it when a relay is
        /// allocated, not while it runs; what is forwarded is judged here, whatever a relay still does.
        turn_ttl_secs: u64 = "600",
    }
    /// TLS, when no proxy does it: 1.2 and 1.3, HTTP/2 and HTTP/1.1. New files are taken up within a minute.
    tls: TlsSection {
        /// The certificate and those between it and the root, in PEM. Needs `key_file`.
        cert_file: Option<PathBuf> = "",
        /// Its private key, in PEM: a file of mode 0400 or 0600.
        key_file: Option<PathBuf> = "",
    }
    /// Numbers for Prometheus, and `/healthz` and `/readyz`, on a listener of their own: plain HTTP without any
    /// password, which answers also while the service has no connection to give.
    metrics: MetricsSection {
        /// The address and port, such as `127.0.0.1:9464`; nothing is listened on without it. Whoever reaches it can
        /// read the numbers, so let only your monitoring do.
        listen: Option<SocketAddr> = "",
        /// How many apps have numbers of their own, by `app_id`; those that come later share `other`. 0 to 10,000.
        apps: usize = "100",
    }
    /// Traces for an OpenTelemetry collector. Spans hold routes, codes and times, never tokens, keys or ids of users.
    telemetry: TelemetrySection {
        /// Where to send them, by OTLP over HTTP: the whole URL, such as `https://collector.example.com/v1/traces`, or
        /// `http://` on this machine or a trusted network. Nothing is traced without it.
        otlp_endpoint: Option<String> = "",
        /// A file of mode 0400 or 0600 with headers to send along, such as `authorization: Bearer …`, one a line.
        otlp_headers_file: Option<PathBuf> = "",
        /// The name of this service in traces.
        service_name: String = "\"roompass\"",
        /// The share of requests that is traced, 0 to 1. Of a request that comes with a `traceparent`, its trace decides.
        sample_ratio: f64 = "0.1",
    }
    /// Where everything durable is kept.
    store: StoreSection {
        /// `sqlite:PATH`, a file in a directory that only this user can write to, for one process; or
        /// `postgres://ROLE@HOST/DATABASE` for several. Another machine is reached over TLS, with its name proven.
        url: Option<String> = "",
        /// A file of mode 0400 or 0600 with the password of the PostgreSQL role.
        password_file: Option<PathBuf> = "",
        /// The certificates that may vouch for PostgreSQL, in PEM; without it, those the system trusts.
        ca_file: Option<PathBuf> = "",
    }
    /// What brings several nodes together, so that a room is one room on all of them.
    bus: BusSection {
        /// `local:` for one node; for several `redis://HOST:PORT`, a socket of this machine as `redis+unix://PATH`, or
        /// `rediss://USER@HOST:PORT` for TLS with the name proven, without which no other machine is reached.
        url: String = "\"local:\"",
        /// A file of mode 0400 or 0600 with the password of Redis.
        password_file: Option<PathBuf> = "",
        /// The certificates that may vouch for Redis, in PEM; without it, those the system trusts.
        ca_file: Option<PathBuf> = "",
    }
    /// The audit trail: what was done, by whom, and how it ended.
    audit: AuditSection {
        /// How many days records are kept: 1 to 3650. Export them before, if they are needed longer.
        keep_days: u32 = "90",
        /// Of more records than this the oldest are forgotten: 10000 to 1000000000.
        max_records: u64 = "50000000",
    }
    /// The key that seals every secret in the store. Without it the store is useless, so back it up elsewhere.
    master_key: MasterKeySection {
        /// A file of mode 0400 or 0600 with 64 hexadecimal characters, from `openssl rand -hex 32`.
        /// The environment variable ROOMPASS_MASTER_KEY can hold the key itself instead.
        file: Option<PathBuf> = "",
    }
    /// Webhooks: endpoints of the apps' backends that are told what happens.
    webhooks: WebhooksSection {
        /// Networks in which an endpoint may be that says `private_network`, such as `["10.0.0.0/8"]`; others must be
        /// at public addresses. With `127.0.0.0/8` an endpoint on this machine may be plain HTTP.
        private_networks: Vec<String> = "[]",
        /// The certificates that may vouch for endpoints, in PEM; without it, those the system trusts.
        ca_file: Option<PathBuf> = "",
        /// How many deliveries of one endpoint may wait; what happens beyond that it is never told.
        max_pending: u32 = "10000",
        /// How many days deliveries are kept: 2 to 90. Of those done, the latest 10,000 of an endpoint.
        keep_days: u32 = "7",
    }
    /// What is written to standard error.
    log: LogSection {
        /// `pretty` for people, `json` for machines.
        format: LogFormat = "\"pretty\"",
        /// Levels by module: `info`, or `warn,roompass_server=debug`.
        filter: String = "\"info\"",
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}
