//! Reads the file and the environment and merges them over the defaults. What comes of it is judged in `judge`.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Config, ConfigError, FIELDS, Field, LogSection, Values, fields::Sections, judge};

/// Holds the master key itself.
pub(super) const MASTER_KEY_ENV: &str = "ROOMPASS_MASTER_KEY";

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
    let (config, log) = judge::judge(read(table, &env)?, env.get(MASTER_KEY_ENV).map(String::as_str))?;
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
    judge::check_log(&sections.log)?;
    Ok(sections.log)
}

/// How many threads are to serve, if that is said and makes sense; if not, [`serve`] says so.
pub fn workers(file: Option<&Path>) -> Option<u32> {
    let env = environment();
    let text = file.map(read_config_file).transpose().ok()?;
    let sections = read(merge(text.as_deref(), &env, &Overrides::default()).ok()?, &env).ok()?;
    Some(sections.server.workers).filter(|workers| (1..=judge::MAX_WORKERS).contains(workers))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::{
        bus::BusUrl,
        config::{default_toml, docs_markdown, judge::KEY},
        limits,
        store::StoreUrl,
    };

    fn load(file: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let env: HashMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let table = merge(Some(file), &env, &Overrides::default()).map_err(|error| error.to_string())?;
        let sections = read(table, &env).map_err(|error| error.to_string())?;
        let judged = judge::judge(sections, env.get(MASTER_KEY_ENV).map(String::as_str));
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
    fn the_printed_default_is_the_default() {
        let env = HashMap::new();
        let merged = |file| read(merge(file, &env, &Overrides::default()).unwrap(), &env).unwrap();
        let default = default_toml();
        let printed = merged(Some(&*default));
        let built_in = merged(None);
        assert_eq!(format!("{printed:?}"), format!("{built_in:?}"));
        assert_eq!(docs_markdown().lines().count(), FIELDS.len() + 2);
    }
}
