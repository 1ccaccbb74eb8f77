//! Which worker and session a packet is for, told by its first STUN message and from then on by where it comes from.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{PoisonError, RwLock},
};

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) worker: usize,
    pub(crate) session: u64,
}

#[derive(Debug, Default)]
struct Table {
    by_ufrag: HashMap<String, Route>,
    by_address: HashMap<SocketAddr, Route>,
}

/// The routes of every session on this node. Only workers write it, and an address only after a message from it has
/// proven to know the session's ICE password.
#[derive(Debug, Default)]
pub(crate) struct Routes(RwLock<Table>);

impl Routes {
    /// Where `packet` from `source` goes, if anywhere.
    pub(crate) fn find(&self, source: SocketAddr, packet: &[u8]) -> Option<Route> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match stun_ufrag(packet) {
            Some(ufrag) => table.by_ufrag.get(ufrag).copied(),
            None => table.by_address.get(&source).copied(),
        }
    }

    pub(crate) fn add_ufrag(&self, ufrag: String, route: Route) {
        self.write().by_ufrag.insert(ufrag, route);
    }

    pub(crate) fn remove_ufrag(&self, ufrag: &str) {
        self.write().by_ufrag.remove(ufrag);
    }

    pub(crate) fn add_address(&self, address: SocketAddr, route: Route) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).by_address.get(&address).copied();
        if known != Some(route) {
            self.write().by_address.insert(address, route);
        }
    }

    /// Forgets `address`, unless it has become another session's.
    pub(crate) fn remove_address(&self, address: SocketAddr, route: Route) {
        let mut table = self.write();
        if table.by_address.get(&address) == Some(&route) {
            table.by_address.remove(&address);
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

const STUN_HEADER: usize = 20;
const STUN_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const USERNAME: u16 = 0x0006;

/// Whether a packet is a STUN message (RFC 7983).
pub(crate) fn is_stun(packet: &[u8]) -> bool {
    packet.len() >= STUN_HEADER && packet[0] <= 3 && packet[4..8] == STUN_COOKIE
}

/// The receiver's name in a STUN request: the part of USERNAME before the colon.
fn stun_ufrag(packet: &[u8]) -> Option<&str> {
    if !is_stun(packet) {
        return None;
    }
    let mut rest = &packet[STUN_HEADER..];
    while let [k0, k1, l0, l1, value @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        if u16::from_be_bytes([*k0, *k1]) == USERNAME {
            let username = std::str::from_utf8(value.get(..length)?).ok()?;
            return username.split(':').next();
        }
        rest = value.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut packet = vec![0, 1, 0, 0];
        packet.extend(STUN_COOKIE);
        packet.extend([7; 12]);
        for (kind, value) in attributes {
            packet.extend(kind.to_be_bytes());
            packet.extend((value.len() as u16).to_be_bytes());
            packet.extend(*value);
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        packet
    }

    #[test]
    fn the_first_message_names_its_receiver() {
        assert_eq!(stun_ufrag(&stun(&[(0x0024, b"1234"), (USERNAME, b"server:client")])), Some("server"));
        assert_eq!(stun_ufrag(&stun(&[(0x0024, b"12345"), (USERNAME, b"s")])), Some("s"));
    }

    #[test]
    fn what_is_not_stun_or_cut_short_names_nobody() {
        let whole = stun(&[(USERNAME, b"server:client")]);
        for length in 0..whole.len() - 3 {
            assert_eq!(stun_ufrag(&whole[..length]), None, "{length}");
        }
        assert_eq!(stun_ufrag(&[0x80; 40]), None);
        assert_eq!(stun_ufrag(&stun(&[(USERNAME, &[0xff, 0xfe])])), None);
    }

    #[test]
    fn an_address_is_forgotten_only_by_its_present_owner() {
        let routes = Routes::default();
        let address = "192.0.2.7:5000".parse().unwrap();
        let (old, new) = (Route { worker: 0, session: 1 }, Route { worker: 0, session: 2 });
        routes.add_address(address, old);
        routes.add_address(address, new);
        routes.remove_address(address, old);
        assert_eq!(routes.find(address, &[0x80; 20]), Some(new));
        routes.remove_address(address, new);
        assert_eq!(routes.find(address, &[0x80; 20]), None);
    }
}
