//! Configuration: typed once, at start, from `roompass.toml`, the environment and flags, in rising order. The only
//! place that reads the environment or configuration files.

mod fields;
mod load;
mod media;

use std::{fmt, net::SocketAddr};

pub use fields::{
    FIELDS, Field, LimitsSection, LogFormat, LogSection, MasterKeySection, MediaSection, ServerSection, StoreSection,
    TlsSection,
};
pub(crate) use load::read_master_key;
pub use load::{Overrides, log_section, serve};

use crate::{
    gateway::GatewayConfig,
    limits::LimitSettings,
    media::MediaSettings,
    sealing::MasterKey,
    store::{Location, StoreUrl},
    tls::TlsFiles,
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
    pub drain: std::time::Duration,
    /// How much may be asked.
    pub limits: LimitSettings,
    /// Where everything durable is kept.
    pub store: StoreUrl,
    /// What seals it.
    pub master_key: MasterKey,
    /// The limits of the room gateway; its origins are added from `public_url`.
    pub gateway: GatewayConfig,
    /// Where media is forwarded, and how it gets there.
    pub media: MediaSettings,
    /// Whether this is a development server; shown wherever the server shows itself.
    pub dev: bool,
    /// Whether the clock is right even where it is behind the time the store has seen: somebody has looked.
    pub accept_clock: bool,
    /// Whether to start without any backend key.
    pub callers: Callers,
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
            drain: std::time::Duration::from_secs(30),
            limits: LimitSettings::default(),
            store: Location::Memory.into(),
            master_key,
            gateway: GatewayConfig::default(),
            media: MediaSettings::default(),
            dev: false,
            accept_clock: false,
            callers: Callers::Optional,
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
        let again = if field.is_reread() { "; read again at SIGHUP" } else { "" };
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
        let again = if field.is_reread() { "read again" } else { "" };
        let row = format!("| `{}.{}` | `{}` | {default} | {again} |", field.section, field.name, field.env_name());
        text.push_str(&format!("{row} {} |\n", docs.join(" ")));
    }
    text
}
