//! Where a PostgreSQL database is, and how it may be reached: over TLS with a proven name, unless it is on this
//! machine.

use std::{net::IpAddr, time::Duration};

use tokio_postgres::config::{ChannelBinding, Config, Host, SslMode, TargetSessionAttrs};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long what was sent may stay without any sign of the other machine.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);

/// A database, and how to reach it. Shows no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// Boxed, since it is large beside the name of a file.
    config: Box<Config>,
    /// The certificates trusted, in PEM; `None` trusts those of the operating system.
    trusted: Option<Vec<u8>>,
}

impl PostgresUrl {
    /// Reads `postgres://ROLE:PASSWORD@HOST:PORT/DATABASE`. What the text leaves open is decided here, not by
    /// variables of the environment.
    ///
    /// # Errors
    /// What it must be. Never repeats any of it, because a password may be anywhere in a URL with a slip.
    pub fn parse(url: &str) -> Result<Self, String> {
        let shape = || "must be postgres://ROLE@HOST/DATABASE".to_owned();
        let mut config: Box<Config> = url.parse().map(Box::new).map_err(|_| shape())?;
        if config.get_hosts().is_empty() || config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(shape());
        }
        let local = config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
        match config.get_ssl_mode() {
            SslMode::Disable if !local => {
                return Err("must not have sslmode=disable: the database is on another machine".to_owned());
            }
            // The certificates that packages make for this machine's own database prove nothing.
            SslMode::Prefer if local => drop(config.ssl_mode(SslMode::Disable)),
            SslMode::Disable => {}
            _ => drop(config.ssl_mode(SslMode::Require)),
        }
        config
            .application_name("roompass")
            .channel_binding(ChannelBinding::Disable)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(SILENCE_TIMEOUT)
            .keepalives_idle(SILENCE_TIMEOUT)
            // After a failover, the machine that only reads is passed over.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, trusted: None })
    }

    /// The same, with a password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// The same, trusting the certificates of a PEM file and no others.
    #[must_use]
    pub fn trusting(mut self, pem: Vec<u8>) -> Self {
        self.trusted = Some(pem);
        self
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn trusted(&self) -> Option<&[u8]> {
        self.trusted.as_deref()
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for (url, mode) in [
            ("postgres://r@localhost/d", SslMode::Disable),
            ("postgresql://r@127.0.0.1:5433/d", SslMode::Disable),
            ("postgres://r@[::1]/d", SslMode::Disable),
            ("postgres://r@%2Frun%2Fpostgresql/d", SslMode::Disable),
            ("postgres://r@localhost/d?sslmode=disable", SslMode::Disable),
            ("postgres://r@localhost/d?sslmode=require", SslMode::Require),
            ("postgres://r@db.example/d", SslMode::Require),
            ("postgres://r@db.example/d?sslmode=prefer", SslMode::Require),
            ("postgres://r@localhost,db.example/d", SslMode::Require),
            ("postgres://r@localhost/d?hostaddr=192.0.2.1", SslMode::Require),
        ] {
            assert_eq!(PostgresUrl::parse(url).unwrap().config.get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn a_refused_url_shows_nothing_of_itself() {
        for url in [
            "postgres://r:hunter2@db.example/d?sslmode=disable",
            "postgres://r:hunter2@localhost/d?hostaddr=192.0.2.1&sslmode=disable",
            "postgres://r:hunter2@db.example",
            "postgres://db.example/hunter2",
            "postgres://r:hunter2@/d",
            "postgres://",
        ] {
            let reason = PostgresUrl::parse(url).unwrap_err();
            assert!(reason.starts_with("must") && !reason.contains("hunter2"), "{url}: {reason}");
        }
        let good = PostgresUrl::parse("postgres://r:hunter2@db.example/d").unwrap().with_password("hunter2");
        assert!(!format!("{good:?}").contains("hunter2"));
    }
}
