//! Configuration: typed once, at start, from `roompass.toml`, the environment and flags, in rising order. The only
//! place that reads the environment or configuration files.

mod fields;
mod judge;
mod load;
mod media;
mod values;
mod watching;

use std::{fmt, net::SocketAddr, time::Duration};

use token_gen::UnixSeconds;

pub use fields::{
    AuditSection, BusSection, FIELDS, Field, LimitsSection, LogFormat, LogSection, MasterKeySection, MediaSection,
    MetricsSection, ServerSection, StoreSection, TelemetrySection, TlsSection, WebhooksSection,
};
pub(crate) use judge::{parse_origin, read_master_key};
pub use load::{Overrides, Source, log_section, serve, workers};
pub use values::Values;

use crate::{
    bus::BusUrl,
    gateway::GatewayConfig,
    limits::LimitSettings,
    media::MediaSettings,
    sealing::MasterKey,
    store::{AuditRetention, Location, StoreUrl},
    telemetry::TraceSettings,
    tls::TlsFiles,
    webhooks::WebhookSettings,
};

/// Everything the service needs to know, judged and ready.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The origin clients address; `None` means the address listened on, over plain HTTP.
    pub public_url: Option<String>,
    /// Certificate and key, if the service does TLS itself.
    pub tls: Option<TlsFiles>,
    /// How long a stopping server waits.
    pub drain: Duration,
    /// How much may be asked.
    pub limits: LimitSettings,
    /// How long what happened is kept.
    pub audit: AuditSettings,
    /// Where everything durable is kept.
    pub store: StoreUrl,
    /// What seals it.
    pub master_key: MasterKey,
    /// What brings nodes together.
    pub bus: BusUrl,
    /// The limits of the room gateway; its origins are added from `public_url`.
    pub gateway: GatewayConfig,
    /// Where media is forwarded, and how it gets there.
    pub media: MediaSettings,
    /// Where webhook endpoints may be, and how much is kept for them.
    pub webhooks: WebhookSettings,
    /// Whether this is a development server; shown wherever the server shows itself.
    pub dev: bool,
    /// Whether the clock is right even where it is behind the time the store has seen: somebody has looked.
    pub accept_clock: bool,
    /// Whether to start without any backend key.
    pub callers: Callers,
    /// What is counted, and who may ask.
    pub metrics: MetricsSettings,
    /// Where traces go, if they do.
    pub traces: Option<TraceSettings>,
    /// Where this was read, for reading it again.
    pub source: Option<Source>,
    /// What was read, for comparing.
    pub values: Values,
}

/// What is counted, and who may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Where to answer; `None` means nowhere.
    pub listen: Option<SocketAddr>,
    /// How many apps have numbers of their own.
    pub apps: usize,
}

/// How long the audit trail is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// Records that are older are forgotten.
    pub keep: Duration,
    /// Of more records than this, the oldest are forgotten.
    pub max_records: u64,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { keep: Duration::from_secs(90 * 24 * 3600), max_records: 50_000_000 }
    }
}

impl AuditSettings {
    /// What may be forgotten at `now`.
    pub fn at(&self, now: UnixSeconds) -> AuditRetention {
        let before = UnixSeconds::new(now.get().saturating_sub_unsigned(self.keep.as_secs()));
        AuditRetention { before, keep: self.max_records }
    }
}

/// Whether a server must have somebody to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// At least one backend key or admin must exist.
    Required,
    /// They may come later: development and tests.
    Optional,
}

impl Config {
    /// A server on `listen` whose store goes with the process.
    pub fn ephemeral(listen: SocketAddr, master_key: MasterKey) -> Self {
        Self {
            listen,
            public_url: None,
            tls: None,
            drain: Duration::from_secs(30),
            limits: LimitSettings::default(),
            audit: AuditSettings::default(),
            store: Location::Memory.into(),
            master_key,
            bus: BusUrl::Local,
            gateway: GatewayConfig::default(),
            media: MediaSettings::default(),
            webhooks: WebhookSettings::default(),
            dev: false,
            accept_clock: false,
            callers: Callers::Optional,
            metrics: MetricsSettings { listen: None, apps: 100 },
            traces: None,
            source: None,
            values: Values::default(),
        }
    }
}

/// A configuration that cannot be used. Prints as one line that names the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The field, such as `server.listen`, or the file.
    pub field: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl ConfigError {
    /// Says what is wrong with `field`.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line: Vec<&str> = self.reason.split_whitespace().collect();
        write!(f, "{}: {}", self.field, line.join(" "))
    }
}

impl std::error::Error for ConfigError {}

/// `roompass.toml` with every field, its documentation and its default.
pub fn default_toml() -> String {
    let mut text =
        String::from("# Roompass. Every field with its default; environment variables override this file.\n");
    let mut section = "";
    for field in FIELDS {
        if field.section != section {
            section = field.section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        for line in field.docs {
            text.push_str(&format!("#{line}\n"));
        }
        let again = match field.reread() {
            "" => String::new(),
            again => format!("; {again} at SIGHUP"),
        };
        text.push_str(&format!("# Environment: {}{again}\n", field.env_name()));
        match field.default {
            "" => text.push_str(&format!("# {} = \"\"\n", field.name)),
            default => text.push_str(&format!("{} = {default}\n", field.name)),
        }
    }
    text
}

/// The same as a table for the reference.
pub fn docs_markdown() -> String {
    let mut text = String::from("| Field | Environment | Default | At SIGHUP | Meaning |\n|---|---|---|---|---|\n");
    for field in FIELDS {
        let default = if field.default.is_empty() { "none".to_owned() } else { format!("`{}`", field.default) };
        let docs: Vec<&str> = field.docs.iter().map(|line| line.trim()).collect();
        let again = field.reread();
        let row = format!("| `{}.{}` | `{}` | {default} | {again} |", field.section, field.name, field.env_name());
        text.push_str(&format!("{row} {} |\n", docs.join(" ")));
    }
    text
}
