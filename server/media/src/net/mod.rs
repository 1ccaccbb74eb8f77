//! The node's sockets for media: one UDP port for everybody, and a TCP port for whose network lets no UDP out.
//! Knows where a packet goes, and nothing of what is in it.

mod framing;
mod routes;
mod tcp;
mod udp;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use str0m::net::{Protocol, Transmit};

pub(crate) use routes::{Route, Routes, is_stun};
pub(crate) use tcp::TcpConnections;
pub(crate) use udp::Udp;

use crate::{inbox::Inbox, stats::Counters};

/// Larger packets than WebRTC ever sends.
pub(crate) const MAX_PACKET: usize = 2048;

/// A packet that arrived, and the session it is for.
#[derive(Debug)]
pub(crate) struct Datagram<B> {
    pub(crate) session: u64,
    pub(crate) protocol: Protocol,
    pub(crate) source: SocketAddr,
    pub(crate) at: Instant,
    pub(crate) bytes: B,
}

impl Datagram<Box<[u8]>> {
    pub(crate) fn borrowed(&self) -> Datagram<&[u8]> {
        let Self { session, protocol, source, at, ref bytes } = *self;
        Datagram { session, protocol, source, at, bytes }
    }
}

/// Hands packets that arrive to the workers.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pub(crate) routes: Arc<Routes>,
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) counters: Arc<Counters>,
}

impl Arrivals {
    /// Hands on a packet; false if it is nobody's.
    pub(crate) fn deliver(&self, protocol: Protocol, source: SocketAddr, bytes: &[u8]) -> bool {
        let Some((worker, datagram)) = self.address(protocol, source, bytes) else { return false };
        self.hand_over(worker, datagram);
        true
    }

    /// Gives a packet back that is for `worker`, which is who asks, and hands on any other.
    pub(crate) fn deliver_at<'b>(
        &self,
        worker: usize,
        protocol: Protocol,
        source: SocketAddr,
        bytes: &'b [u8],
    ) -> Option<Datagram<&'b [u8]>> {
        let (owner, datagram) = self.address(protocol, source, bytes)?;
        if owner == worker {
            return Some(datagram);
        }
        self.hand_over(owner, datagram);
        None
    }

    fn address<'b>(
        &self,
        protocol: Protocol,
        source: SocketAddr,
        bytes: &'b [u8],
    ) -> Option<(usize, Datagram<&'b [u8]>)> {
        let Some(Route { worker, session }) = self.routes.find(source, bytes) else {
            self.counters.stray_packets.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        Some((worker, Datagram { session, protocol, source, at: Instant::now(), bytes }))
    }

    fn hand_over(&self, worker: usize, datagram: Datagram<&[u8]>) {
        let Datagram { session, protocol, source, at, bytes } = datagram;
        if !self.inboxes[worker].datagram(Datagram { session, protocol, source, at, bytes: bytes.into() }) {
            self.counters.overload_drops.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Sends packets, and never waits to do so.
#[derive(Debug, Clone)]
pub(crate) struct Departures {
    pub(crate) udp: Arc<Udp>,
    pub(crate) tcp: Arc<TcpConnections>,
    pub(crate) counters: Arc<Counters>,
}

impl Departures {
    pub(crate) fn send(&self, transmit: &Transmit) {
        let sent = match transmit.proto {
            Protocol::Udp => self.udp.send(transmit.destination, &transmit.contents),
            _ => self.tcp.send(transmit.destination, &transmit.contents),
        };
        if !sent {
            self.counters.send_drops.fetch_add(1, Ordering::Relaxed);
        }
    }
}
