//! The node's sockets for media: one UDP port for everybody, and a TCP port for whose network lets no UDP out.
//! Knows where a packet goes, and nothing of what is in it.

mod framing;
mod routes;
mod tcp;
mod udp;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use str0m::net::{Protocol, Transmit};

pub(crate) use routes::{Route, Routes};
pub(crate) use tcp::TcpConnections;
pub(crate) use udp::Udp;

use crate::{inbox::Inbox, stats::Counters};

/// Larger packets than WebRTC ever sends.
pub(crate) const MAX_PACKET: usize = 2048;

/// A packet that arrived, and the session it is for.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) session: u64,
    pub(crate) protocol: Protocol,
    pub(crate) source: SocketAddr,
    pub(crate) at: Instant,
    pub(crate) bytes: Box<[u8]>,
}

/// Hands packets that arrive to the workers.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pub(crate) routes: Arc<Routes>,
    pub(crate) inboxes: Vec<Arc<Inbox>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stopping: AtomicBool,
}

impl Arrivals {
    /// Hands on a packet; false if it is nobody's.
    pub(crate) fn deliver(&self, protocol: Protocol, source: SocketAddr, bytes: &[u8]) -> bool {
        let Some(Route { worker, session }) = self.routes.find(source, bytes) else {
            self.counters.stray_packets.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        let datagram = Datagram { session, protocol, source, at: Instant::now(), bytes: bytes.into() };
        if !self.inboxes[worker].datagram(datagram) {
            self.counters.overload_drops.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
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
