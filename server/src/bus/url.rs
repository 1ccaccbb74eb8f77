//! Which bus, by URL: `local:` or `redis://…`, and how Redis may be reached: over TLS with a proven name, unless it is
//! on this machine.

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc};

use rand::{TryRng, rngs::SysRng};
use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use zeroize::Zeroizing;

use super::{Bus, LocalBus, NodeId, RedisBus};

const SHAPE: &str = "must be local:, or redis://HOST:PORT, or rediss://HOST:PORT for TLS, or redis+unix://PATH";

/// Names a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// One node, which needs none.
    Local,
    /// One Redis, for any number of nodes.
    Redis(RedisUrl),
}

/// A Redis, and how to reach it. Shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(super) address: Address,
    database: i64,
    user: Option<String>,
    password: Option<Zeroizing<String>>,
    /// The certificates trusted, in PEM; `None` trusts those of the operating system.
    trusted: Option<Vec<u8>>,
}

/// Where a Redis listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// On a socket of this machine.
    Socket(PathBuf),
    Tcp {
        host: String,
        port: u16,
        tls: bool,
    },
}

impl BusUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What it must be. Never repeats it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("local", "")) => Ok(Self::Local),
            Some(("redis" | "rediss" | "redis+unix", rest)) if rest.starts_with("//") => {
                RedisUrl::parse(text).map(Self::Redis)
            }
            _ => Err(SHAPE.to_owned()),
        }
    }
}

impl BusUrl {
    /// Joins as a new node.
    ///
    /// # Errors
    /// What is wrong with the certificates to trust. A Redis that is away is no error: it is waited for.
    pub fn join(&self) -> Result<Arc<dyn Bus>, String> {
        let mut random = [0; 8];
        SysRng.try_fill_bytes(&mut random).map_err(|error| error.to_string())?;
        let node = NodeId::new(random);
        Ok(match self {
            Self::Local => Arc::new(LocalBus::alone(node)),
            Self::Redis(url) => Arc::new(RedisBus::start(url.clone(), node)?),
        })
    }
}

impl RedisUrl {
    /// Reads `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss:` for TLS, or `redis+unix://PATH`.
    ///
    /// # Errors
    /// What it must be. Never repeats any of it, because a password may be anywhere in a URL with a slip.
    pub fn parse(url: &str) -> Result<Self, String> {
        // Settings such as `#insecure` or `?protocol=` are decided here, not by the URL.
        let (scheme, rest) = url.split_once(':').filter(|_| !url.contains(['#', '?'])).ok_or(SHAPE)?;
        let (tls, plain) = match scheme {
            // TLS is ours, and not the library's to know of.
            "rediss" => (true, format!("redis:{rest}")),
            "redis" | "redis+unix" => (false, url.to_owned()),
            _ => return Err(SHAPE.to_owned()),
        };
        let connection = plain.into_connection_info().map_err(|_| SHAPE)?;
        let address = match connection.addr() {
            ConnectionAddr::Unix(path) => Address::Socket(path.clone()),
            ConnectionAddr::Tcp(host, port) => {
                Address::Tcp { host: host.trim_matches(['[', ']']).to_owned(), port: *port, tls }
            }
            _ => return Err(SHAPE.to_owned()),
        };
        if matches!(&address, Address::Tcp { host, tls: false, .. } if !is_local(host)) {
            return Err("must be rediss://…: the bus is on another machine".to_owned());
        }
        let settings = connection.redis_settings();
        Ok(Self {
            address,
            database: settings.db(),
            user: settings.username().map(str::to_owned),
            password: settings.password().map(|password| Zeroizing::new(password.to_owned())),
            trusted: None,
        })
    }

    /// The same, with a password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(Zeroizing::new(password.to_owned()));
        self
    }

    /// The same, trusting the certificates of a PEM file and no others.
    #[must_use]
    pub fn trusting(mut self, pem: Vec<u8>) -> Self {
        self.trusted = Some(pem);
        self
    }

    pub(super) fn settings(&self) -> RedisConnectionInfo {
        let mut settings = RedisConnectionInfo::default().set_db(self.database).set_skip_set_lib_name();
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.as_str());
        }
        settings
    }

    pub(super) fn trusted(&self) -> Option<&[u8]> {
        self.trusted.as_deref()
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, self.database) {
            (Address::Socket(path), database) => write!(f, "redis+unix://{} database {database}", path.display()),
            (Address::Tcp { host, port, tls: true }, database) => write!(f, "rediss://{host}:{port}/{database}"),
            (Address::Tcp { host, port, tls: false }, database) => write!(f, "redis://{host}:{port}/{database}"),
        }
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        assert_eq!(BusUrl::parse("local:").unwrap(), BusUrl::Local);
        for (url, tls) in [
            ("redis://localhost", false),
            ("redis://127.0.0.1:6390/2", false),
            ("redis://[::1]:6390", false),
            ("rediss://localhost", true),
            ("rediss://roompass:pw@redis.example:6380/1", true),
        ] {
            let BusUrl::Redis(parsed) = BusUrl::parse(url).unwrap() else { panic!("{url}") };
            assert!(matches!(parsed.address, Address::Tcp { tls: is, .. } if is == tls), "{url}");
        }
        let BusUrl::Redis(parsed) = BusUrl::parse("redis+unix:///run/redis.sock").unwrap() else { panic!() };
        assert_eq!(parsed.address, Address::Socket("/run/redis.sock".into()));
    }

    #[test]
    fn a_refused_url_shows_nothing_of_itself() {
        for url in [
            "redis://:hunter2@redis.example",
            "redis://redis.example/hunter2",
            "rediss://:hunter2@redis.example/#insecure",
            "redis+unix:///run/redis.sock?pass=hunter2",
            "redis:hunter2",
            "local:hunter2",
            "hunter2",
            "",
        ] {
            let reason = BusUrl::parse(url).unwrap_err();
            assert!(reason.starts_with("must") && !reason.contains("hunter2"), "{url}: {reason}");
        }
        let good = BusUrl::parse("rediss://u:hunter2@redis.example/3").unwrap();
        assert_eq!(format!("{good:?}"), "Redis(rediss://redis.example:6379/3)");
        let BusUrl::Redis(good) = good else { panic!() };
        assert!(!format!("{:?}", good.with_password("hunter2")).contains("hunter2"));
    }
}
