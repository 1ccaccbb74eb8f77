//! Driving transports: packets and time in, packets out, and what they report acted on.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use str0m::{
    Event as Report, IceConnectionState, Input, Output, Rtc,
    bwe::BweKind,
    net::{Protocol, Receive},
};

use super::{Sfu, peer::Transport};
use crate::{
    Event, Reason,
    net::{Datagram, Route, is_stun},
};

impl Sfu {
    /// Takes in a packet of a client.
    pub(crate) fn datagram(&mut self, datagram: &Datagram<&[u8]>) {
        let Datagram { session, protocol, source, at: now, bytes } = *datagram;
        self.working_for = Some(session);
        let local = self.local_address(protocol, source);
        let route = Route { worker: self.worker, session };
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let Some(transport) = peer.transport.as_mut() else { return };
        if !peer.ingress.passes(bytes.len(), now) {
            self.shared.counters.capped_packets.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (Some(destination), Ok(contents)) = (local, bytes.try_into()) else { return };
        let input = Input::Receive(now, Receive { proto: protocol, source, destination, contents });
        if !transport.rtc.accepts(&input) {
            return;
        }
        // A message that proves to know the ICE password brings the packets that follow from there to this session.
        if !transport.addresses.contains(&source)
            && let Some(forgotten) = transport.add_address(source)
        {
            self.shared.routes.remove_address(forgotten, route);
        }
        // Each such message does so again: whoever forges an address takes packets for a moment only.
        if is_stun(bytes) {
            self.shared.routes.add_address(source, route);
        }
        if transport.rtc.handle_input(input).is_err() {
            transport.rtc.disconnect();
        }
        self.drain(session);
        self.act_on_reports(now);
    }

    /// Does what is due at `now`.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some(Reverse((at, session))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            let Some(transport) = self.transport_mut(session) else { continue };
            if transport.scheduled != Some(at) {
                continue;
            }
            transport.scheduled = None;
            if transport.deadline <= now {
                self.working_for = Some(session);
                self.flush(session, now);
            } else {
                self.schedule(session);
            }
        }
        if self.next_tick <= now {
            self.next_tick = now + super::TICK;
            self.tick(now);
        }
        self.act_on_reports(now);
    }

    /// When the next transport wants to be driven on. Times that no longer count are dropped here rather than woken up for:
    /// with every packet a transport may want it later.
    pub(super) fn next_timer(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, session))) = self.timers.peek().copied() {
            let transport = self.transport_mut(session).filter(|transport| transport.scheduled == Some(at));
            match transport {
                Some(transport) if transport.deadline <= at => return Some(at),
                Some(transport) => {
                    transport.scheduled = None;
                    self.timers.pop();
                    self.schedule(session);
                }
                None => {
                    self.timers.pop();
                }
            }
        }
        None
    }

    /// Moves a transport's time to `now` and sends what it wants sent.
    pub(super) fn flush(&mut self, session: u64, now: Instant) {
        let Some(transport) = self.transport_mut(session) else { return };
        if transport.rtc.handle_input(Input::Timeout(now)).is_err() {
            transport.rtc.disconnect();
        }
        self.drain(session);
    }

    /// Sends what a transport wants sent, and keeps what it reports.
    fn drain(&mut self, session: u64) {
        let Some(transport) = self.peers.get_mut(&session).and_then(|peer| peer.transport.as_mut()) else { return };
        while transport.rtc.is_alive() {
            match transport.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => self.shared.departures.send(&transmit),
                Ok(Output::Event(report)) => self.reported.push_back((session, report)),
                Ok(Output::Timeout(deadline)) => {
                    transport.deadline = deadline;
                    break;
                }
                Err(_) => transport.rtc.disconnect(),
            }
        }
        if transport.rtc.is_alive() {
            schedule(transport, session, &mut self.timers);
        } else if transport.is_connected {
            self.reported.push_back((session, Report::Closed));
        }
    }

    /// Puts a transport's deadline among the timers, unless it is there.
    fn schedule(&mut self, session: u64) {
        if let Some(transport) = self.peers.get_mut(&session).and_then(|peer| peer.transport.as_mut()) {
            schedule(transport, session, &mut self.timers);
        }
    }

    pub(super) fn act_on_reports(&mut self, now: Instant) {
        while let Some((session, report)) = self.reported.pop_front() {
            self.act_on(session, report, now);
        }
    }

    fn act_on(&mut self, session: u64, report: Report, now: Instant) {
        match report {
            Report::RtpPacket(packet) => self.forward(session, &packet, now),
            Report::ChannelData(data) => self.forward_message(session, &data, now),
            Report::KeyframeRequest(request) => self.keyframe_requested(session, request.mid, now),
            Report::EgressBitrateEstimate(BweKind::Twcc { estimate, .. } | BweKind::Remb { estimate, .. }) => {
                if let Some(peer) = self.peers.get_mut(&session) {
                    peer.estimate_bps = Some(estimate.as_u64());
                }
            }
            Report::Connected => self.connected(session, true, now),
            Report::IceConnectionStateChange(IceConnectionState::Disconnected) | Report::Closed => {
                self.connected(session, false, now);
            }
            // After an ICE restart the keys are those of before.
            Report::IceConnectionStateChange(state) if state.is_connected() => {
                let is_up = self.transport_mut(session).is_some_and(|transport| transport.rtc.is_connected());
                if is_up {
                    self.connected(session, true, now);
                }
            }
            Report::ChannelOpen(id, label) => {
                if let Some(peer) = self.peers.get_mut(&session) {
                    peer.open_channel(id, &label);
                }
            }
            Report::ChannelClose(id) => {
                if let Some(peer) = self.peers.get_mut(&session) {
                    peer.channels.retain(|(open, _)| *open != id);
                }
            }
            Report::MediaIngressStats(measured) => {
                if let Some(track) = self.peers.get_mut(&session).and_then(|peer| peer.published_mut(measured.mid)) {
                    track.stats.nacks = measured.nacks;
                    track.stats.plis = measured.plis;
                    track.stats.loss = measured.loss;
                    track.stats.rtt = measured.rtt.or(track.stats.rtt);
                }
            }
            Report::MediaEgressStats(measured) => {
                if let Some(track) = self.peers.get_mut(&session).and_then(|peer| peer.played_mut(measured.mid)) {
                    track.stats.nacks = measured.nacks;
                    track.stats.plis = measured.plis;
                    track.stats.loss = measured.loss.or(track.stats.loss);
                    track.stats.rtt = measured.rtt.or(track.stats.rtt);
                }
            }
            _ => {}
        }
    }

    fn connected(&mut self, session: u64, is_connected: bool, now: Instant) {
        let Some(peer) = self.peers.get_mut(&session) else { return };
        let Some(transport) = peer.transport.as_mut() else { return };
        if transport.is_connected == is_connected {
            return;
        }
        transport.is_connected = is_connected;
        peer.tell(if is_connected { Event::Connected } else { Event::Disconnected });
        if is_connected {
            let room = Arc::clone(&peer.room);
            self.rewire(&room, Reason::Stopped, now);
            self.refresh(session, now);
        }
    }

    /// Closes the connection to a client: it is told, and what it sends from now on is nobody's.
    pub(super) fn hang_up(&mut self, session: u64, now: Instant) {
        let Some(mut transport) = self.peers.get_mut(&session).and_then(|peer| peer.transport.take()) else { return };
        if transport.rtc.close().is_ok() && transport.rtc.handle_input(Input::Timeout(now)).is_ok() {
            while let Ok(output) = transport.rtc.poll_output() {
                match output {
                    Output::Transmit(transmit) => self.shared.departures.send(&transmit),
                    Output::Timeout(_) => break,
                    Output::Event(_) => {}
                }
            }
        }
        self.forget(session, Some(transport));
    }

    /// Takes a transport's routes away.
    pub(super) fn forget(&mut self, session: u64, transport: Option<Transport>) {
        let Some(transport) = transport else { return };
        let route = Route { worker: self.worker, session };
        self.shared.routes.remove_ufrag(&transport.ufrag);
        for address in transport.addresses {
            self.shared.routes.remove_address(address, route);
        }
    }

    pub(super) fn transport_mut(&mut self, session: u64) -> Option<&mut Transport> {
        self.peers.get_mut(&session)?.transport.as_mut()
    }

    pub(super) fn rtc_mut(&mut self, session: u64) -> Option<&mut Rtc> {
        self.transport_mut(session).map(|transport| &mut transport.rtc)
    }

    /// The address of ours that a packet from `source` was sent to: the preferred one of that family.
    fn local_address(&self, protocol: Protocol, source: std::net::SocketAddr) -> Option<std::net::SocketAddr> {
        let ours = if protocol == Protocol::Udp { &self.shared.udp } else { &self.shared.tcp };
        ours.iter().find(|address| address.is_ipv4() == source.is_ipv4()).copied()
    }
}

fn schedule(transport: &mut Transport, session: u64, timers: &mut BinaryHeap<Reverse<(Instant, u64)>>) {
    let deadline = transport.deadline;
    if transport.scheduled.is_none_or(|at| deadline < at) {
        transport.scheduled = Some(deadline);
        timers.push(Reverse((deadline, session)));
    }
}
