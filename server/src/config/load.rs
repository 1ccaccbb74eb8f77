//! Reads the file, the environment and the key file, merges them over the defaults, and judges the result.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::Uri;
use serde::Deserialize;
use toml::{Table, Value};
use tracing_subscriber::EnvFilter;

use super::{
    AuditSettings, Callers, Config, ConfigError, FIELDS, Field, LogSection, Values,
    fields::{
        AuditSection, BusSection, LimitsSection, Sections, ServerSection, StoreSection, TlsSection, WebhooksSection,
    },
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

/// Holds the master key itself.
const MASTER_KEY_ENV: &str = "ROOMPASS_MASTER_KEY";

/// How many threads may serve.
const MAX_WORKERS: u32 = 1024;

/// What flags say; they win over file and environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `server.listen`.
    pub listen: Option<SocketAddr>,
}

/// Where a configuration is read from, besides the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    file: Option<PathBuf>,
    overrides: Overrides,
}

impl Source {
    /// Reads it, as [`serve`].
    ///
    /// # Errors
    /// As [`serve`].
    pub fn read(&self) -> Result<(Config, LogSection), ConfigError> {
        serve(self.file.as_deref(), &self.overrides)
    }
}

/// The configuration of `roompass serve` and of the commands that work on its store, with what to log.
///
/// # Errors
/// The first field that is missing or makes no sense. Nothing has been written then.
pub fn serve(file: Option<&Path>, overrides: &Overrides) -> Result<(Config, LogSection), ConfigError> {
    let env = environment();
    let text = file.map(read_config_file).transpose()?;
    let table = merge(text.as_deref(), &env, overrides)?;
    let values = Values::of(&table);
    let (config, log) = judge(read(table, &env)?, env.get(MASTER_KEY_ENV).map(String::as_str))?;
    let source = Some(Source { file: file.map(Path::to_owned), overrides: overrides.clone() });
    Ok((Config { source, values, ..config }, log))
}

/// What to log, where there is no configuration file: defaults and environment.
///
/// # Errors
/// A variable that makes no sense.
pub fn log_section() -> Result<LogSection, ConfigError> {
    let env = environment();
    let sections = read(merge(None, &env, &Overrides::default())?, &env)?;
    check_log(&sections.log)?;
    Ok(sections.log)
}

/// How many threads are to serve, if that is said and makes sense; if not, [`serve`] says so.
pub fn workers(file: Option<&Path>) -> Option<u32> {
    let env = environment();
    let text = file.map(read_config_file).transpose().ok()?;
    let sections = read(merge(text.as_deref(), &env, &Overrides::default()).ok()?, &env).ok()?;
    Some(sections.server.workers).filter(|workers| (1..=MAX_WORKERS).contains(workers))
}

fn environment() -> HashMap<String, String> {
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    // What is not UTF-8 is no value of ours.
    env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with("ROOMPASS_")).collect()
}

fn read_config_file(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|error| ConfigError::new(path.display().to_string(), error.to_string()))
}

/// Lays file, environment and flags over the defaults.
fn merge(file: Option<&str>, env: &HashMap<String, String>, overrides: &Overrides) -> Result<Table, ConfigError> {
    let mut table = defaults();
    if let Some(text) = file {
        let given: Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            ConfigError::new(format!("configuration file, line {line}"), error.message())
        })?;
        overlay(&mut table, given)?;
    }
    for field in FIELDS {
        if let Some(text) = env.get(&field.env_name()) {
            set(&mut table, field, parse_env(field, text)?);
        }
    }
    refuse_unknown_variables(env)?;
    if let (Some(listen), Some(field)) = (overrides.listen, FIELDS.iter().find(|field| field.name == "listen")) {
        set(&mut table, field, Value::String(listen.to_string()));
    }
    Ok(table)
}

/// Gives every value its type.
fn read(table: Table, env: &HashMap<String, String>) -> Result<Sections, ConfigError> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let field = error.path().to_string();
        let source = FIELDS.iter().find(|known| known.path() == field && env.contains_key(&known.env_name()));
        let field = source.map_or(field.clone(), |known| format!("{field} (from {})", known.env_name()));
        ConfigError::new(field, error.into_inner().message().to_owned())
    })
}

fn defaults() -> Table {
    let mut table = Table::new();
    for field in FIELDS {
        let section = table.entry(field.section).or_insert_with(|| Value::Table(Table::new()));
        if let (Value::Table(section), Ok(mut default)) =
            (section, toml::from_str::<Table>(&format!("default = {}", field.default)))
            && let Some(default) = default.remove("default")
        {
            section.insert(field.name.to_owned(), default);
        }
    }
    table
}

fn overlay(table: &mut Table, given: Table) -> Result<(), ConfigError> {
    for (name, value) in given {
        match (table.get_mut(&name), value) {
            (Some(Value::Table(section)), Value::Table(given)) => section.extend(given),
            (Some(_), _) => return Err(ConfigError::new(name, "must be a table")),
            (None, _) => {
                let mut known: Vec<&str> = FIELDS.iter().map(|field| field.section).collect();
                known.dedup();
                return Err(ConfigError::new(name, format!("is not known; there are {}", known.join(", "))));
            }
        }
    }
    Ok(())
}

fn set(table: &mut Table, field: &Field, value: Value) {
    if let Some(Value::Table(section)) = table.get_mut(field.section) {
        section.insert(field.name.to_owned(), value);
    }
}

fn parse_env(field: &Field, text: &str) -> Result<Value, ConfigError> {
    if field.is_text() {
        return Ok(Value::String(text.to_owned()));
    }
    let parsed = Value::deserialize(toml::de::ValueDeserializer::parse(text).map_err(|_| bad_env(field))?);
    parsed.map_err(|_| bad_env(field))
}

fn bad_env(field: &Field) -> ConfigError {
    ConfigError::new(field.env_name(), format!("must be written like the default, {}", field.default))
}

/// A misspelt variable would silently leave a default in place. Other variables with our prefix, such as those of
/// the tour, are none of our business.
fn refuse_unknown_variables(env: &HashMap<String, String>) -> Result<(), ConfigError> {
    let ours = |name: &str| {
        FIELDS.iter().any(|field| name.starts_with(&format!("ROOMPASS_{}_", field.section.to_uppercase())))
    };
    let known = |name: &str| FIELDS.iter().any(|field| field.env_name() == name);
    match env.keys().filter(|name| ours(name) && !known(name)).min() {
        Some(name) => Err(ConfigError::new(name.clone(), "is no field's variable; see `roompass config docs`")),
        None => Ok(()),
    }
}

fn judge(sections: Sections, master_key_text: Option<&str>) -> Result<(Config, LogSection), ConfigError> {
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

fn check_log(log: &LogSection) -> Result<(), ConfigError> {
    match EnvFilter::try_new(&log.filter) {
        Ok(_) => Ok(()),
        Err(error) => Err(ConfigError::new("log.filter", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{default_toml, docs_markdown};

    const KEY: &str = "8f3a1c5e7b9d2046f1e3a5c7092b4d6e80a2c4e6f8193b5d7f90a1b2c3d4e5f6";

    fn load(file: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let env: HashMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let table = merge(Some(file), &env, &Overrides::default()).map_err(|error| error.to_string())?;
        let sections = read(table, &env).map_err(|error| error.to_string())?;
        let judged = judge(sections, env.get(MASTER_KEY_ENV).map(String::as_str));
        judged.map(|(config, _)| config).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_overrides_the_file_and_the_file_the_defaults() {
        let key = (MASTER_KEY_ENV, KEY);
        let file = "[store]\nurl = \"sqlite:a.db\"\n[server]\nlisten = \"127.0.0.1:1\"\ndrain_secs = 5";
        let config = load(file, &[key, ("ROOMPASS_SERVER_LISTEN", "[::1]:2")]).unwrap();
        assert_eq!(config.listen.to_string(), "[::1]:2");
        assert_eq!(config.drain, Duration::from_secs(5));
        assert_eq!(config.store, StoreUrl::parse("sqlite:a.db").unwrap());
        let config = load("", &[key, ("ROOMPASS_STORE_URL", "sqlite:b.db"), ("ROOMPASS_SERVER_DRAIN_SECS", "7")]);
        assert_eq!(config.unwrap().drain, Duration::from_secs(7));
    }

    // proves W3 (as it is configured)
    #[test]
    fn sockets_without_a_login_are_a_share_of_the_connections() {
        let gateway = |limits: &str| {
            let file = format!("[store]\nurl = \"sqlite:r.db\"\n[limits]\n{limits}");
            load(&file, &[(MASTER_KEY_ENV, KEY)]).unwrap().gateway
        };
        let waiting = |limits| (gateway(limits).max_waiting, gateway(limits).max_waiting_per_source);
        assert_eq!(waiting("connections = 100"), (100, 50));
        assert_eq!(waiting("connections = 100\nwaiting_per_source = 80"), (100, 50));
        assert_eq!(waiting("connections = 1200\nwaiting_per_source = 7"), (limits::waiting(1200), 7));
        assert_eq!(waiting(""), (limits::waiting(20_000), 50));
    }

    #[test]
    fn a_bus_is_for_several_nodes_and_its_password_for_nobody() {
        let file = "[store]\nurl = \"postgres://r@localhost/d\"\n";
        assert_eq!(load(file, &[(MASTER_KEY_ENV, KEY)]).unwrap().bus, BusUrl::Local);
        let url = "redis://:hunter2@localhost/1";
        let config = load(file, &[(MASTER_KEY_ENV, KEY), ("ROOMPASS_BUS_URL", url)]).unwrap();
        assert_eq!(config.bus, BusUrl::parse(url).unwrap());
        assert!(!format!("{config:?}").contains("hunter2"));
    }

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

    #[test]
    fn the_printed_default_is_the_default() {
        let env = HashMap::new();
        let merged = |file| read(merge(file, &env, &Overrides::default()).unwrap(), &env).unwrap();
        let default = default_toml();
        let printed = merged(Some(&*default));
        let built_in = merged(None);
        assert_eq!(format!("{printed:?}"), format!("{built_in:?}"));
        assert_eq!(docs_markdown().lines().count(), FIELDS.len() + 2);
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
