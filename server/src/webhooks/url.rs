//! The URL of an endpoint, checked once.

use std::net::IpAddr;

use axum::http::Uri;

use super::address::PrivateNetworks;

const MAX_LEN: usize = 2048;

/// Where to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndpointUrl {
    /// Whether over TLS; plain only on this machine.
    pub(super) tls: bool,
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What the `Host` header says.
    pub(super) authority: String,
    /// Path and query, as they are asked for.
    pub(super) target: String,
}

impl EndpointUrl {
    /// Reads a URL. A name is looked up only when something is delivered; an address is judged here already.
    ///
    /// # Errors
    /// What it must be. Never repeats it: it may hold a credential of the receiver's.
    pub(super) fn parse(text: &str, networks: &PrivateNetworks, private: bool) -> Result<Self, String> {
        const SHAPE: &str = "must read https://HOST[:PORT]/PATH, without user, password or fragment";
        if text.len() > MAX_LEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
            return Err(format!("{SHAPE}, of at most {MAX_LEN} visible ASCII characters"));
        }
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(SHAPE.to_owned()) };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => None,
            Some(port) => Some(port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).ok_or(SHAPE)?),
            // A user before the host.
            None => return Err(SHAPE.to_owned()),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() || port == Some(0) {
            return Err(SHAPE.to_owned());
        }
        let address: Option<IpAddr> = host.parse().ok();
        let tls = match scheme {
            "https" => true,
            "http" => {
                let local = address.or((host == "localhost").then_some(IpAddr::from([127, 0, 0, 1])));
                if !private || !local.is_some_and(|address| networks.permit_loopback(address)) {
                    let reason = "must be https; http is for this machine alone, with private_network, where \
                                  webhooks.private_networks lists it";
                    return Err(reason.to_owned());
                }
                false
            }
            _ => return Err(SHAPE.to_owned()),
        };
        if address.is_some_and(|address| !networks.permit(address, private)) {
            return Err(
                "must be at a public address, or with private_network in one of webhooks.private_networks".to_owned()
            );
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host, port, authority: authority.as_str().to_owned(), target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_may_be_dialled_are_taken() {
        let none = PrivateNetworks::default();
        let url = EndpointUrl::parse("https://Hooks.example.com:8443/a?b=c", &none, false).unwrap();
        assert_eq!((&*url.host, url.port, &*url.target, url.tls), ("hooks.example.com", 8443, "/a?b=c", true));
        let url = EndpointUrl::parse("https://[2606:4700::1111]", &none, false).unwrap();
        assert_eq!((&*url.host, url.port, &*url.target), ("2606:4700::1111", 443, "/"));
        for bad in [
            "",
            "https://",
            "https:///x",
            "hooks.example.com/x",
            "/x",
            "ftp://hooks.example.com/",
            "http://hooks.example.com/",
            "http://localhost/",
            "http://127.0.0.1/",
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest",
            "https://user@hooks.example.com/",
            "https://user:password@hooks.example.com/",
            "https://hooks.example.com/#fragment",
            "https://hooks.example.com:0/",
            "https://hooks.example.com:65536/",
            "https://hooks.example.com/a b",
            "https://hooks.example.com/\u{e9}",
            &format!("https://hooks.example.com/{}", "a".repeat(MAX_LEN)),
        ] {
            assert!(EndpointUrl::parse(bad, &none, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        let loopback = PrivateNetworks::loopback();
        for (text, private, taken) in [
            ("http://localhost:8080/x", true, true),
            ("http://127.0.0.1:8080/x", true, true),
            ("http://[::1]:8080/x", true, true),
            ("https://127.0.0.1/x", true, true),
            ("http://127.0.0.1:8080/x", false, false),
            ("http://10.0.0.1/x", true, false),
            ("http://hooks.example.com/x", true, false),
        ] {
            assert_eq!(EndpointUrl::parse(text, &loopback, private).is_ok(), taken, "{text}");
        }
    }
}
