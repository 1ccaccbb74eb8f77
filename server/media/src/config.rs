//! Every knob of the media plane. Reads no file and no environment: the server fills it in.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::MediaError;

/// Where the media plane listens, what it tells clients, and its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaConfig {
    /// The UDP address of all media. Port 0 takes any free one.
    pub udp: SocketAddr,
    /// The TCP address, for clients whose network lets no UDP out; none, if left out.
    pub tcp: Option<SocketAddr>,
    /// The addresses that clients reach the node by, the preferred one first. May be left empty if `udp` names one address.
    pub public: Vec<IpAddr>,
    /// Whether loopback addresses may be told to clients: for development and tests.
    pub allow_loopback: bool,
    /// How many threads forward packets. All sessions of a room share one; 0 is one per core.
    pub workers: usize,
    /// What a session and the node may use.
    pub limits: Limits,
}

impl MediaConfig {
    /// A node for this machine alone, on free ports: for development and tests.
    pub fn loopback() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { udp: any, tcp: Some(any), public: vec![], allow_loopback: true, workers: 1, limits: Limits::default() }
    }

    /// The addresses to tell clients, given the one that was bound.
    pub(crate) fn announced(&self, bound: SocketAddr) -> Result<Vec<SocketAddr>, MediaError> {
        let addresses = if self.public.is_empty() { vec![bound.ip()] } else { self.public.clone() };
        if addresses.iter().any(IpAddr::is_unspecified) {
            return Err(MediaError::Config(
                "the media plane listens on every address: say which public one to tell clients",
            ));
        }
        if !self.allow_loopback && addresses.iter().any(IpAddr::is_loopback) {
            return Err(MediaError::Config("a loopback address is told to clients only in development"));
        }
        Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect())
    }
}

/// Bounds, each with a default that is safe in production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Sessions on this node.
    pub sessions: usize,
    /// Media lines in an offer, which also bounds the buffers of a session.
    pub tracks: usize,
    /// Bytes of an offer.
    pub offer_bytes: usize,
    /// Bits a second that a session may send at all, before anything is decrypted.
    pub ingress_bps: u64,
    /// Packets waiting for one receiver before more are dropped for it.
    pub queued_packets: usize,
    /// Packets kept to answer a receiver's requests for lost ones, per track.
    pub resend_packets: usize,
    /// TCP connections on this node.
    pub tcp_connections: usize,
    /// How often a publisher is asked for a keyframe, at most.
    pub keyframe_interval: Duration,
    /// What a receiver is believed to be able to take before anything was measured.
    pub initial_bps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 4096,
            tracks: 64,
            offer_bytes: 64 * 1024,
            ingress_bps: 20_000_000,
            queued_packets: 512,
            resend_packets: 512,
            tcp_connections: 1024,
            keyframe_interval: Duration::from_millis(500),
            initial_bps: 1_500_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_public_addresses_with_the_bound_port() {
        let config = MediaConfig {
            public: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            allow_loopback: false,
            ..MediaConfig::loopback()
        };
        let told = config.announced("0.0.0.0:7000".parse().unwrap()).unwrap();
        assert_eq!(told, ["192.0.2.1:7000".parse().unwrap(), "[2001:db8::1]:7000".parse().unwrap()]);
    }

    #[test]
    fn neither_every_address_nor_loopback_is_told_by_accident() {
        let open = MediaConfig { allow_loopback: false, ..MediaConfig::loopback() };
        for bound in ["0.0.0.0:7000", "[::]:7000", "127.0.0.1:7000"] {
            assert!(open.announced(bound.parse().unwrap()).is_err(), "{bound}");
        }
        assert!(MediaConfig::loopback().announced("127.0.0.1:7000".parse().unwrap()).is_ok());
    }
}
