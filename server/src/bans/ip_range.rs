//! A range of internet addresses, as operators write them: `203.0.113.0/24`, `2001:db8::/32`, or one address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Addresses that begin with the same bits. IPv4 addresses inside IPv6 count as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpRange {
    first: IpAddr,
    prefix_len: u8,
}

/// What is wrong with the text of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IpRangeFault {
    /// No address, or no number of bits, where one must be.
    #[error("must be an address or a range such as 203.0.113.0/24 or 2001:db8::/32")]
    Shape,
    /// Bits are set after the prefix: what was meant is not clear.
    #[error("has bits set after its prefix; the range that holds this address is {0}")]
    HostBits(IpRange),
}

impl IpRange {
    /// The range of `prefix_len` bits that holds `address`; `None` for more bits than the address has.
    pub fn around(address: IpAddr, prefix_len: u8) -> Option<Self> {
        let first = match address.to_canonical() {
            IpAddr::V4(address) => {
                let host_bits = 32_u8.checked_sub(prefix_len)?;
                let mask = u32::MAX.checked_shl(host_bits.into()).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let host_bits = 128_u8.checked_sub(prefix_len)?;
                let mask = u128::MAX.checked_shl(host_bits.into()).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        Some(Self { first, prefix_len })
    }

    /// How many leading bits its addresses share.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether it is one of IPv4 addresses.
    pub fn is_ipv4(self) -> bool {
        self.first.is_ipv4()
    }

    /// Whether `address` is in it.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && Self::around(address, self.prefix_len) == Some(self)
    }
}

impl FromStr for IpRange {
    type Err = IpRangeFault;

    fn from_str(text: &str) -> Result<Self, IpRangeFault> {
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, bits)) if bits.bytes().all(|byte| byte.is_ascii_digit()) => (address, Some(bits)),
            Some(_) => return Err(IpRangeFault::Shape),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| IpRangeFault::Shape)?;
        // `::ffff:203.0.113.0/120` counts its bits from the IPv6 side.
        if prefix_len.is_some() && address != address.to_canonical() {
            return Err(IpRangeFault::Shape);
        }
        let address = address.to_canonical();
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = prefix_len.map_or(Ok(whole), str::parse).map_err(|_| IpRangeFault::Shape)?;
        let range = Self::around(address, prefix_len).ok_or(IpRangeFault::Shape)?;
        if range.first == address { Ok(range) } else { Err(IpRangeFault::HostBits(range)) }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses_and_no_others() {
        for (range, inside, outside) in [
            (
                "203.0.113.0/24",
                vec!["203.0.113.0", "203.0.113.255", "::ffff:203.0.113.7"],
                vec!["203.0.112.255", "203.0.114.0"],
            ),
            ("203.0.113.7", vec!["203.0.113.7"], vec!["203.0.113.6", "203.0.113.8", "::"]),
            ("0.0.0.0/0", vec!["0.0.0.0", "255.255.255.255"], vec!["::", "2001:db8::1"]),
            ("10.0.0.0/9", vec!["10.127.255.255"], vec!["10.128.0.0"]),
            ("2001:db8::/33", vec!["2001:db8:7fff::"], vec!["2001:db8:8000::", "203.0.113.0"]),
            ("::/0", vec!["::", "ffff::"], vec!["203.0.113.0", "::ffff:203.0.113.0"]),
            ("::1", vec!["::1"], vec!["::2", "0.0.0.1"]),
        ] {
            let parsed: IpRange = range.parse().unwrap();
            for address in inside {
                assert!(parsed.contains(address.parse().unwrap()), "{address} in {range}");
            }
            for address in outside {
                assert!(!parsed.contains(address.parse().unwrap()), "{address} not in {range}");
            }
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "010.0.0.0/8",
            "::/129",
            "::g",
            "10.0.0.0/256",
            "10.0.0.0/4294967304",
            " 10.0.0.0/8",
            "10.0.0.0/8\n",
            "::ffff:10.0.0.0/104",
            "fe80::1%eth0",
            "[::1]",
            "10.0.0.1:80",
        ] {
            assert_eq!(bad.parse::<IpRange>(), Err(IpRangeFault::Shape), "{bad:?}");
        }
        let meant = "10.0.0.0/8".parse().unwrap();
        assert_eq!("10.1.0.0/8".parse::<IpRange>(), Err(IpRangeFault::HostBits(meant)));
    }
}
