//! Judges what was read, section by section, and reads the key file that it names.

use std::{fs, path::Path, time::Duration};

use axum::http::Uri;
use tracing_subscriber::EnvFilter;

use super::{
    AuditSettings, Callers, Config, ConfigError, LogSection, Values,
    fields::{
        AuditSection, BusSection, LimitsSection, Sections, ServerSection, StoreSection, TlsSection, WebhooksSection,
    },
    load::MASTER_KEY_ENV,
    media,
    watching::{judge_metrics, judge_telemetry},
};
use crate::{
    bus::{BusUrl, RedisUrl},
    gateway::GatewayConfig,
    limits::{self, LimitSettings, Quota},
    private_file,
    sealing::MasterKey,
    store::{PostgresUrl, StoreUrl},
    tls::TlsFiles,
    trust,
    webhooks::{PrivateNetworks, WebhookSettings},
};

/// How many threads may serve.
pub(super) const MAX_WORKERS: u32 = 1024;

pub(super) fn judge(sections: Sections, master_key_text: Option<&str>) -> Result<(Config, LogSection), ConfigError> {
    let tls = judge_tls(&sections.tls)?;
    let public_url = judge_server(&sections.server, tls.is_some())?;
    let store = judge_store(&sections.store)?;
    let bus = judge_bus(&sections.bus)?;
    if let (BusUrl::Redis(_), StoreUrl::Sqlite(_)) = (&bus, &store) {
        return Err(ConfigError::new("bus.url", "needs a store that several nodes can share: postgres://…"));
    }
    check_log(&sections.log)?;
    let config = Config {
        listen: sections.server.listen,
        public_url,
        tls,
        drain: Duration::from_secs(sections.server.drain_secs),
        limits: judge_limits(&sections.limits)?,
        audit: judge_audit(&sections.audit)?,
        store,
        gateway: GatewayConfig {
            // What is left is for those who are told to leave at the end.
            drain_spread: Duration::from_secs(sections.server.drain_secs * 5 / 6),
            max_waiting: limits::waiting(sections.limits.connections as usize),
            // No source takes more than half of the places.
            max_waiting_per_source: (sections.limits.waiting_per_source as usize)
                .min(limits::waiting(sections.limits.connections as usize) / 2),
            max_stays: sections.limits.sessions as usize,
            max_stays_per_app: sections.limits.sessions_per_app as usize,
            ..GatewayConfig::default()
        },
        media: media::judge(&sections.media)?,
        webhooks: judge_webhooks(&sections.webhooks)?,
        bus,
        master_key: judge_master_key(sections.master_key.file.as_deref(), master_key_text)?,
        dev: false,
        accept_clock: false,
        callers: Callers::Required,
        metrics: judge_metrics(&sections.metrics)?,
        traces: judge_telemetry(&sections.telemetry)?,
        source: None,
        values: Values::default(),
    };
    Ok((config, sections.log))
}

/// Returns the public origin.
fn judge_server(server: &ServerSection, tls: bool) -> Result<Option<String>, ConfigError> {
    let loopback = server.listen.ip().is_loopback();
    if !loopback && !server.behind_tls_proxy && !tls {
        return Err(ConfigError::new(
            "server.listen",
            format!(
                "{} can be reached from other machines, and plain HTTP is served on loopback only; set \
                 tls.cert_file and tls.key_file, or put a TLS proxy in front and set server.behind_tls_proxy = true",
                server.listen
            ),
        ));
    }
    if server.drain_secs > 300 {
        return Err(ConfigError::new("server.drain_secs", "must be 0 to 300"));
    }
    if server.workers > MAX_WORKERS {
        return Err(ConfigError::new("server.workers", "must be 0 to 1024"));
    }
    match &server.public_url {
        Some(url) if tls && url.starts_with("http://") => {
            Err(ConfigError::new("server.public_url", "must be https: the service speaks TLS"))
        }
        Some(url) => parse_origin(url).map(Some).map_err(|reason| ConfigError::new("server.public_url", reason)),
        None if loopback && !server.behind_tls_proxy => Ok(None),
        None => Err(ConfigError::new("server.public_url", "is needed: the origin clients address, https://…")),
    }
}

fn judge_tls(tls: &TlsSection) -> Result<Option<TlsFiles>, ConfigError> {
    match (tls.cert_file.clone(), tls.key_file.clone()) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (Some(_), None) => Err(ConfigError::new("tls.key_file", "is needed with tls.cert_file")),
        (None, Some(_)) => Err(ConfigError::new("tls.cert_file", "is needed with tls.key_file")),
        (None, None) => Ok(None),
    }
}

fn judge_audit(audit: &AuditSection) -> Result<AuditSettings, ConfigError> {
    if !(1..=3650).contains(&audit.keep_days) {
        return Err(ConfigError::new("audit.keep_days", "must be 1 to 3650"));
    }
    if !(10_000..=1_000_000_000).contains(&audit.max_records) {
        return Err(ConfigError::new("audit.max_records", "must be 10000 to 1000000000"));
    }
    let keep = Duration::from_secs(u64::from(audit.keep_days) * 24 * 3600);
    Ok(AuditSettings { keep, max_records: audit.max_records })
}

fn judge_limits(limits: &LimitsSection) -> Result<LimitSettings, ConfigError> {
    let counts = [
        ("limits.key_per_second", limits.key_per_second),
        ("limits.source_per_second", limits.source_per_second),
        ("limits.guesses_per_minute", limits.guesses_per_minute),
        ("limits.concurrent_requests", limits.concurrent_requests),
        ("limits.connections", limits.connections),
        ("limits.waiting_per_source", limits.waiting_per_source),
        ("limits.sessions", limits.sessions),
        ("limits.sessions_per_app", limits.sessions_per_app),
    ];
    if let Some((field, _)) = counts.iter().find(|(_, count)| !(1..=10_000_000).contains(count)) {
        return Err(ConfigError::new(*field, "must be 1 to 10000000"));
    }
    let proxies = limits.trusted_proxies.join(" ").parse();
    Ok(LimitSettings {
        key: Quota::per_second(limits.key_per_second),
        source: Quota::per_second(limits.source_per_second),
        guesses: Quota::per_minute(limits.guesses_per_minute),
        concurrent_requests: limits.concurrent_requests as usize,
        connections: limits.connections as usize,
        proxies: proxies.map_err(|_| ConfigError::new("limits.trusted_proxies", "must be addresses or networks"))?,
    })
}

/// Takes `https://host[:port]`, or `http://` for a loopback host, and nothing after it. Browsers and clients write an
/// origin in lower case and without the scheme's usual port, so that is how it is kept.
pub(crate) fn parse_origin(text: &str) -> Result<String, &'static str> {
    const SHAPE: &str = "must be an origin such as https://rtc.example.com, without a path";
    let uri: Uri = text.parse().map_err(|_| SHAPE)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(SHAPE) };
    let bare = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) == Some(authority.as_str());
    if !bare {
        return Err(SHAPE);
    }
    let (host, port) = (authority.host(), authority.as_str().strip_prefix(authority.host()));
    let port = match port.ok_or(SHAPE)?.strip_prefix(':') {
        Some(port) => Some(port.parse::<u16>().map_err(|_| SHAPE)?),
        None if authority.as_str() == host => None,
        None => return Err(SHAPE),
    };
    if host.contains('*') {
        return Err(SHAPE);
    }
    let host = host.to_ascii_lowercase();
    let usual_port = match scheme {
        "https" => 443,
        "http" if ["localhost", "127.0.0.1", "[::1]"].contains(&&*host) => 80,
        "http" => return Err("must be https: clients would send tokens in clear"),
        _ => return Err(SHAPE),
    };
    let port = port.filter(|&port| port != usual_port).map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{host}{port}"))
}

/// A server starts on the store it has; making one is for the commands that fill it.
fn judge_store(store: &StoreSection) -> Result<StoreUrl, ConfigError> {
    let Some(url) = &store.url else {
        return Err(ConfigError::new(
            "store.url",
            "is needed, such as sqlite:/var/lib/roompass/roompass.db: in the file that --config names, or as ROOMPASS_STORE_URL",
        ));
    };
    let mut parsed = StoreUrl::parse(url).map_err(|reason| ConfigError::new("store.url", reason))?;
    if let Some(path) = &store.password_file {
        let fault = |reason| ConfigError::new("store.password_file", reason);
        let password = private_file::read(path).map_err(fault)?;
        parsed = postgres(parsed).map_err(fault)?.with_password(password.trim_end()).into();
    }
    if let Some(path) = &store.ca_file {
        let fault = |reason| ConfigError::new("store.ca_file", reason);
        let certificates = fs::read(path).map_err(|error| fault(format!("{}: {error}", path.display())))?;
        parsed = postgres(parsed).map_err(fault)?.trusting(certificates).into();
    }
    Ok(parsed)
}

fn judge_webhooks(webhooks: &WebhooksSection) -> Result<WebhookSettings, ConfigError> {
    let networks: Result<PrivateNetworks, _> = webhooks.private_networks.join(" ").parse();
    let networks = networks.map_err(|fault| ConfigError::new("webhooks.private_networks", fault.to_string()))?;
    let trusted = webhooks.ca_file.as_deref().map(|path| {
        let fault = |reason| ConfigError::new("webhooks.ca_file", reason);
        let trusted = fs::read(path).map_err(|error| fault(format!("{}: {error}", path.display())))?;
        trust::client_config(Some(&trusted)).map_err(fault)?;
        Ok(trusted)
    });
    if !(1..=1_000_000).contains(&webhooks.max_pending) {
        return Err(ConfigError::new("webhooks.max_pending", "must be 1 to 1000000"));
    }
    if !(2..=90).contains(&webhooks.keep_days) {
        return Err(ConfigError::new("webhooks.keep_days", "must be 2 to 90"));
    }
    Ok(WebhookSettings {
        networks,
        trusted: trusted.transpose()?,
        max_pending: webhooks.max_pending,
        keep: Duration::from_secs(u64::from(webhooks.keep_days) * 24 * 3600),
        ..WebhookSettings::default()
    })
}

fn postgres(url: StoreUrl) -> Result<PostgresUrl, String> {
    match url {
        StoreUrl::Postgres(url) => Ok(url),
        StoreUrl::Sqlite(_) => Err("is for PostgreSQL only".to_owned()),
    }
}

fn judge_bus(bus: &BusSection) -> Result<BusUrl, ConfigError> {
    let mut parsed = BusUrl::parse(&bus.url).map_err(|reason| ConfigError::new("bus.url", reason))?;
    if let Some(path) = &bus.password_file {
        let fault = |reason| ConfigError::new("bus.password_file", reason);
        let password = private_file::read(path).map_err(fault)?;
        parsed = BusUrl::Redis(redis(parsed).map_err(fault)?.with_password(password.trim_end()));
    }
    if let Some(path) = &bus.ca_file {
        let fault = |reason| ConfigError::new("bus.ca_file", reason);
        let certificates = fs::read(path).map_err(|error| fault(format!("{}: {error}", path.display())))?;
        parsed = BusUrl::Redis(redis(parsed).map_err(fault)?.trusting(certificates));
    }
    Ok(parsed)
}

fn redis(url: BusUrl) -> Result<RedisUrl, String> {
    match url {
        BusUrl::Redis(url) => Ok(url),
        BusUrl::Local => Err("is for Redis only".to_owned()),
    }
}

fn judge_master_key(file: Option<&Path>, text: Option<&str>) -> Result<MasterKey, ConfigError> {
    match (file, text) {
        (Some(_), Some(_)) => {
            Err(ConfigError::new("master_key.file", format!("is set, and {MASTER_KEY_ENV} too: keep one of them")))
        }
        (None, None) => Err(ConfigError::new("master_key.file", format!("is needed, or {MASTER_KEY_ENV}"))),
        (None, Some(text)) => {
            MasterKey::parse(text).map_err(|fault| ConfigError::new(MASTER_KEY_ENV, fault.to_string()))
        }
        (Some(path), None) => read_master_key(path).map_err(|reason| ConfigError::new("master_key.file", reason)),
    }
}

/// Reads a key file that is closed to other users.
pub(crate) fn read_master_key(path: &Path) -> Result<MasterKey, String> {
    let text = private_file::read(path)?;
    MasterKey::parse(&text).map_err(|fault| format!("{} {fault}", path.display()))
}

pub(super) fn check_log(log: &LogSection) -> Result<(), ConfigError> {
    match EnvFilter::try_new(&log.filter) {
        Ok(_) => Ok(()),
        Err(error) => Err(ConfigError::new("log.filter", error.to_string())),
    }
}

#[cfg(test)]
pub(super) const KEY: &str = "8f3a1c5e7b9d2046f1e3a5c7092b4d6e80a2c4e6f8193b5d7f90a1b2c3d4e5f6";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_in_one_spelling() {
        for (good, origin) in [
            ("https://RTC.example.com", "https://rtc.example.com"),
            ("https://a.example:8443", "https://a.example:8443"),
            ("http://127.0.0.1:9", "http://127.0.0.1:9"),
            ("http://[::1]:9", "http://[::1]:9"),
            ("https://rtc.example.com:443", "https://rtc.example.com"),
            ("https://rtc.example.com:0443", "https://rtc.example.com"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://a.example:80", "https://a.example:80"),
        ] {
            assert_eq!(parse_origin(good).as_deref(), Ok(origin));
        }
    }

    // proves T62 (key file)
    #[test]
    fn a_key_file_must_be_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        fs::write(&path, KEY).unwrap();
        for (mode, accepted) in
            [(0o400, true), (0o600, true), (0o644, false), (0o640, false), (0o604, false), (0o620, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_master_key(&path).is_ok(), accepted, "{mode:o}");
        }
        assert!(read_master_key(&path).unwrap_err().contains("master.key"));
    }
}
