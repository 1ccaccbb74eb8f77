//! Where a request comes from, as far as that can be known.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;

/// Who is counted as one: an IPv4 address, or the /64 network of an IPv6 address, which is what one host may pick
/// addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The source that `address` belongs to.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self(Ipv6Addr::from_bits(network).into())
            }
            v4 => Self(v4),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

/// The address that a request or a socket comes from, behind the proxies that are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The proxies whose `X-Forwarded-For` is believed. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Believes the proxies in these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The address of the client: that of the other end, unless it is a trusted proxy; then the last address in
    /// `forwarded` (the values of `X-Forwarded-For`, in order) that is not one itself.
    ///
    /// Whatever a client writes in that header stands before what our proxies add, so it is never reached.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in forwarded.rev().flat_map(|value| value.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            match hop.trim().parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                // Whatever wrote this is no proxy of ours.
                Err(_) => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = ipnet::AddrParseError;

    /// Reads addresses and networks, separated by commas or white space.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network =
            |word: &str| word.parse().or_else(|error| word.parse::<IpAddr>().map(IpNet::from).map_err(|_| error));
        let words = text.split([',', ' ', '\n', '\t']).filter(|word| !word.is_empty());
        Ok(Self(words.map(network).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let proxies: TrustedProxies = proxies.parse().unwrap();
        proxies.client(peer.parse().unwrap(), forwarded.iter().copied()).to_string()
    }

    // proves T28
    #[test]
    fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
        let proxies = "10.0.0.0/8, 192.0.2.1 2001:db8::/32";
        for (proxies, peer, forwarded, expected) in [
            ("", "127.0.0.1", &["203.0.113.9"][..], "127.0.0.1"),
            (proxies, "203.0.113.5", &["203.0.113.9"], "203.0.113.5"),
            (proxies, "10.1.2.3", &[], "10.1.2.3"),
            (proxies, "10.1.2.3", &["203.0.113.9"], "203.0.113.9"),
            (proxies, "10.1.2.3", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            (proxies, "10.1.2.3", &["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
            (proxies, "10.1.2.3", &["1.1.1.1, 203.0.113.9,192.0.2.1"], "203.0.113.9"),
            (proxies, "10.1.2.3", &["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            (proxies, "10.1.2.3", &["203.0.113.9, nonsense"], "10.1.2.3"),
            (proxies, "10.1.2.3", &["203.0.113.9, "], "10.1.2.3"),
            (proxies, "10.1.2.3", &["203.0.113.9:80"], "10.1.2.3"),
            (proxies, "::ffff:10.1.2.3", &["::ffff:203.0.113.9"], "203.0.113.9"),
            (proxies, "2001:db8::1", &["2001:db9::7"], "2001:db9::7"),
        ] {
            assert_eq!(client(proxies, peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let source = |text: &str| Source::of(text.parse().unwrap()).to_string();
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(source("2001:db8:1:2::"), source("2001:db8:1:2:ffff::1"));
        assert_eq!(source("::ffff:192.0.2.7"), "192.0.2.7");
        assert_ne!(source("192.0.2.7"), source("192.0.2.8"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["x", "10.0.0.0/33", "10.0.0", "proxy.example.com"] {
            assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
        }
    }
}
