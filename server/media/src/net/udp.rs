//! The UDP socket.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
};

use rustix::net::{SendFlags, sendto, sockopt};

use super::MAX_PACKET;

/// How much the kernel is asked to hold in each direction; it may hold less.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// The node's UDP port for media.
#[derive(Debug)]
pub(crate) struct Udp(UdpSocket);

impl Udp {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER)?;
        sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER)?;
        Ok(Self(socket))
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Whether the kernel took it; it is not waited for.
    pub(crate) fn send(&self, destination: SocketAddr, packet: &[u8]) -> bool {
        sendto(&self.0, packet, SendFlags::empty(), &destination).is_ok()
    }

    /// The next packet, if there is one. What ICMP says of an earlier one is none.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8; MAX_PACKET]) -> Option<(&'b [u8], SocketAddr)> {
        let (length, source) = self.0.recv_from(buffer).ok()?;
        Some((&buffer[..length], source))
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
