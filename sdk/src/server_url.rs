//! The address of a server: checked once, then turned into the addresses and the origin that the protocol needs.

use std::net::IpAddr;

use roompass_wire::gateway::GATEWAY_PATH;
use url::Url;

use crate::error::Error;

/// Where a server is.
#[derive(Debug, Clone)]
pub(crate) struct ServerUrl(Url);

impl ServerUrl {
    /// Takes `http`, `https`, `ws` and `wss`; `ws` means the same server as `http`.
    ///
    /// Unencrypted schemes are for this machine only, unless `plain_allowed`.
    pub(crate) fn parse(text: &str, plain_allowed: bool) -> Result<Self, Error> {
        let fault = |fault: &str| Err(Error::config("server URL", fault));
        let Ok(mut url) = Url::parse(text) else { return fault("is not a URL") };
        let scheme = match url.scheme() {
            "http" | "ws" => "http",
            "https" | "wss" => "https",
            _ => return fault("must begin with http, https, ws or wss"),
        };
        if url.set_scheme(scheme).is_err() || !url.has_host() {
            return fault("names no server");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return fault("must not carry a user or a password");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return fault("must not carry a query or a fragment");
        }
        check_plain(&url, plain_allowed, "server URL")?;
        Ok(Self(url))
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address of the room gateway.
    pub(crate) fn gateway(&self) -> Url {
        let mut url = self.join(GATEWAY_PATH);
        // Between the schemes of the web this cannot fail.
        let _ = url.set_scheme(if self.is_secure() { "wss" } else { "ws" });
        url
    }

    /// The address of an endpoint: `path` begins with a slash.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path().trim_end_matches('/')));
        url
    }

    /// `scheme://host[:port]` with `http` or `https`, without the scheme's usual port: what an AppSign proof binds.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

/// Refuses an unencrypted address off this machine, where anybody on the way could read tokens.
pub(crate) fn check_plain(url: &Url, plain_allowed: bool, option: &'static str) -> Result<(), Error> {
    if url.scheme() == "https" || plain_allowed || is_loopback(url) {
        return Ok(());
    }
    Err(Error::config(option, "must begin with https (or wss): only this machine may be reached unencrypted"))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_has_one_origin_whatever_scheme_it_is_written_with() {
        for (text, origin, gateway) in [
            ("https://Rtc.Example.com", "https://rtc.example.com", "wss://rtc.example.com/v1/gateway"),
            ("wss://rtc.example.com:443/", "https://rtc.example.com", "wss://rtc.example.com/v1/gateway"),
            (
                "wss://rtc.example.com:8443/eu/",
                "https://rtc.example.com:8443",
                "wss://rtc.example.com:8443/eu/v1/gateway",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/gateway"),
            ("ws://[::1]:8080", "http://[::1]:8080", "ws://[::1]:8080/v1/gateway"),
            ("http://localhost:80/", "http://localhost", "ws://localhost/v1/gateway"),
        ] {
            let url = ServerUrl::parse(text, false).unwrap();
            assert_eq!(url.origin(), origin, "{text}");
            assert_eq!(url.gateway().as_str(), gateway, "{text}");
        }
    }

    #[test]
    fn addresses_that_would_leak_or_mislead_are_refused() {
        for text in [
            "rtc.example.com",
            "ftp://rtc.example.com",
            "https://",
            "https://user:pw@rtc.example.com",
            "https://rtc.example.com/?token=1",
            "https://rtc.example.com/#x",
            "http://rtc.example.com",
            "ws://10.0.0.1",
            "http://127.0.0.1.example.com",
        ] {
            assert!(ServerUrl::parse(text, false).is_err(), "{text}");
        }
        assert!(ServerUrl::parse("ws://10.0.0.1", true).is_ok());
    }
}
