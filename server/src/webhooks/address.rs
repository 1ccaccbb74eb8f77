//! Where an endpoint may be: public addresses, and private ones in networks that the operator lists. What decides is
//! the address that is dialled, not the name that led there.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The networks in which endpoints may be that say so. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivateNetworks(Vec<IpNet>);

impl PrivateNetworks {
    /// This machine alone: for development servers.
    pub fn loopback() -> Self {
        Self(vec![net(IpAddr::from([127, 0, 0, 0]), 8), net(Ipv6Addr::LOCALHOST.into(), 128)])
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an endpoint may be at `address`; `private` says whether it asks for private networks.
    pub fn permit(&self, address: IpAddr, private: bool) -> bool {
        let address = address.to_canonical();
        is_public(address) || (private && self.contain(address))
    }

    /// Whether `address` is on this machine, and the operator lists that.
    pub fn permit_loopback(&self, address: IpAddr) -> bool {
        address.to_canonical().is_loopback() && self.contain(address.to_canonical())
    }

    fn contain(&self, address: IpAddr) -> bool {
        // Link-local addresses are where clouds keep credentials of the machine; nothing lists those away.
        !is_link_local(address) && self.0.iter().any(|network| network.contains(&address))
    }
}

/// A text that is no list of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be addresses or networks")]
pub struct NetworksFault;

impl FromStr for PrivateNetworks {
    type Err = NetworksFault;

    /// Reads addresses and networks, with spaces between them.
    fn from_str(text: &str) -> Result<Self, NetworksFault> {
        let network = |word: &str| word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
        text.split_whitespace().map(|word| network(word).map_err(|_| NetworksFault)).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for PrivateNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&words.join(", "))
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}

/// Addresses of IPv4 that are for special purposes (IANA registry), as network and length.
const SPECIAL_V4: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3),
];
/// Of the global unicast addresses of IPv6, those for special purposes: protocol assignments with Teredo, two ranges
/// for documentation, and 6to4, which leads to any address of IPv4. NAT64 lies outside of global unicast.
const SPECIAL_V6: [(u16, u16, u8); 4] = [(0x2001, 0, 23), (0x2001, 0xdb8, 32), (0x2002, 0, 16), (0x3fff, 0, 20)];

fn is_public(address: IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(_) => {
            SPECIAL_V4.iter().any(|&(network, length)| net(Ipv4Addr::from(network).into(), length).contains(&address))
        }
        IpAddr::V6(_) => {
            let network = |first, second| Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0).into();
            let global = net(network(0x2000, 0), 3).contains(&address);
            !global
                || SPECIAL_V6
                    .iter()
                    .any(|&(first, second, length)| net(network(first, second), length).contains(&address))
        }
    };
    !special
}

fn net(address: IpAddr, length: u8) -> IpNet {
    match address {
        IpAddr::V4(address) => Ipv4Net::new_assert(address, length).into(),
        IpAddr::V6(address) => Ipv6Net::new_assert(address, length).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(networks: &str, address: &str, private: bool) -> bool {
        networks.parse::<PrivateNetworks>().unwrap().permit(address.parse().unwrap(), private)
    }

    // proves T31 (webhooks: addresses)
    #[test]
    fn only_public_addresses_are_dialled() {
        for public in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(permits("", public, false), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!permits("", special, false), "{special}");
            assert!(!permits("10.0.0.0/8 127.0.0.0/8 fd00::/8", special, false), "{special}: not asked for");
        }
    }

    #[test]
    fn private_addresses_need_both_the_operator_and_the_endpoint() {
        let networks = "10.0.0.0/8 fd00::/8 192.168.1.7";
        for (address, permitted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("fd12::1", true),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(permits(networks, address, true), permitted, "{address}");
        }
        for never in ["169.254.169.254", "fe80::1", "224.0.0.1"] {
            assert!(!permits("0.0.0.0/0 ::/0", never, true), "{never}");
        }
        assert!("10.0.0.0/8 proxy".parse::<PrivateNetworks>().is_err());
    }
}
