//! The UDP socket, read by a thread of its own.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use rustix::net::{SendFlags, sendto, sockopt};
use str0m::net::Protocol;

use super::{Arrivals, MAX_PACKET};

/// How much the kernel is asked to hold in each direction; it may hold less.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// How often the reading thread looks whether it should stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// The node's UDP port for media.
#[derive(Debug)]
pub(crate) struct Udp(UdpSocket);

impl Udp {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(STOP_CHECK))?;
        sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER)?;
        sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER)?;
        Ok(Self(socket))
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Whether the kernel took it; it is not waited for.
    pub(crate) fn send(&self, destination: SocketAddr, packet: &[u8]) -> bool {
        sendto(&self.0, packet, SendFlags::DONTWAIT, &destination).is_ok()
    }

    /// Reads until told to stop.
    pub(crate) fn read(self: Arc<Self>, arrivals: Arc<Arrivals>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("media-udp".into()).spawn(move || {
            let mut buffer = [0; MAX_PACKET];
            while !arrivals.is_stopping() {
                // An error is a time-out, or what ICMP says of an earlier packet: neither ends the reading.
                if let Ok((length, source)) = self.0.recv_from(&mut buffer) {
                    arrivals.deliver(Protocol::Udp, source, &buffer[..length]);
                }
            }
        })
    }
}
