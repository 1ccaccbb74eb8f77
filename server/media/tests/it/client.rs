//! A WebRTC client on str0m with a socket and a thread of its own. It sends for as long as it lives, whatever it is told:
//! only what arrives elsewhere counts.

use std::{
    collections::{BTreeSet, HashMap},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use roompass_media::{Kind, Role, Track};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    channel::ChannelId,
    format::Codec,
    media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer},
    net::{Protocol, Receive, TcpType},
    rtp::RtpWrite,
};

/// How often each track sends a packet.
const PACE: Duration = Duration::from_millis(10);
/// How long the socket is waited for before something may have to be sent.
const READ_TIMEOUT: Duration = Duration::from_millis(2);
/// How many packets are taken from a socket before anything is sent.
const AT_ONCE: usize = 256;

/// A media line to offer.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    stream_id: Arc<str>,
    role: Role,
    kind: Kind,
    layers: &'static [&'static str],
}

impl Line {
    pub(crate) fn publish(stream_id: &str, kind: Kind) -> Self {
        Self { stream_id: stream_id.into(), role: Role::Publish(kind), kind, layers: &[] }
    }

    pub(crate) fn play(stream_id: &str, kind: Kind) -> Self {
        Self { stream_id: stream_id.into(), role: Role::Play, kind, layers: &[] }
    }

    /// A picture in several sizes, largest first.
    pub(crate) fn simulcast(stream_id: &str, layers: &'static [&'static str]) -> Self {
        Self { layers, ..Self::publish(stream_id, Kind::Video) }
    }
}

pub(crate) struct Client {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    tracks: Vec<Track>,
    kinds: HashMap<Mid, Kind>,
    sending: Vec<Sending>,
    received: HashMap<(Arc<str>, Kind), Received>,
    messages: Vec<(ChannelId, Vec<u8>)>,
    channels: HashMap<String, ChannelId>,
    /// When the packets that are handled had not come yet.
    not_before: Instant,
    payload_bytes: usize,
    is_connected: bool,
    is_closed: bool,
    stops: bool,
    reads: bool,
    hears_close: bool,
}

struct Sending {
    mid: Mid,
    rid: Option<Rid>,
    size: usize,
    seq: u64,
    keyframe_due: bool,
    due: Instant,
    stopped: bool,
}

#[derive(Debug, Clone, Default)]
struct Received {
    packets: u64,
    bytes: u64,
    last: Option<Instant>,
    seqs: BTreeSet<u64>,
    starts_with_keyframe: Option<bool>,
    layer: Option<u8>,
}

enum Socket {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, incoming: Vec<u8> },
}

impl Client {
    pub(crate) fn udp() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        let address = socket.local_addr().unwrap();
        Self::new(Socket::Udp(socket), Candidate::host(address, "udp").unwrap())
    }

    pub(crate) fn tcp(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        let address = stream.local_addr().unwrap();
        let candidate = Candidate::builder().tcp().host(address).tcptype(TcpType::Active).build().unwrap();
        Self::new(Socket::Tcp { stream, incoming: vec![] }, candidate)
    }

    fn new(socket: Socket, candidate: Candidate) -> Self {
        let mut rtc = RtcConfig::new().set_rtp_mode(true).build(Instant::now());
        rtc.add_local_candidate(candidate);
        let state = Arc::new(Mutex::new(State {
            rtc,
            pending: None,
            tracks: vec![],
            kinds: HashMap::new(),
            sending: vec![],
            received: HashMap::new(),
            messages: vec![],
            channels: HashMap::new(),
            not_before: Instant::now(),
            payload_bytes: 200,
            is_connected: false,
            is_closed: false,
            stops: false,
            reads: true,
            hears_close: true,
        }));
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || run(&shared, socket));
        Self { state, thread: Some(thread) }
    }

    /// An offer with one more media line for each of `lines`, and what all its lines are for.
    pub(crate) fn offer(&self, lines: &[Line]) -> (String, Vec<Track>) {
        self.change(lines, false)
    }

    /// An offer with new ICE credentials.
    pub(crate) fn ice_restart(&self) -> (String, Vec<Track>) {
        self.change(&[], true)
    }

    fn change(&self, lines: &[Line], restarts: bool) -> (String, Vec<Track>) {
        let mut state = self.lock();
        let State { rtc, tracks, kinds, sending, .. } = &mut *state;
        let mut api = rtc.sdp_api();
        if restarts {
            api.ice_restart(true);
        }
        for line in lines {
            if line.kind == Kind::Data {
                api.add_channel(line.stream_id.to_string());
                continue;
            }
            let kind = if line.kind == Kind::Audio { MediaKind::Audio } else { MediaKind::Video };
            let direction = if line.role == Role::Play { Direction::RecvOnly } else { Direction::SendOnly };
            let mut simulcast = Simulcast::new();
            for layer in line.layers {
                simulcast.add_send_layer(SimulcastLayer::new(layer));
            }
            let simulcast = (!line.layers.is_empty()).then_some(simulcast);
            let mid = api.add_media(kind, direction, None, None, simulcast);
            tracks.push(Track { mid: mid.to_string(), stream_id: Arc::clone(&line.stream_id), role: line.role });
            kinds.insert(mid, line.kind);
            if line.role != Role::Play {
                let rids: Vec<Option<Rid>> = match line.layers {
                    [] => vec![None],
                    layers => layers.iter().map(|layer| Some(Rid::from(*layer))).collect(),
                };
                for (index, rid) in rids.into_iter().enumerate() {
                    let size = index + 1;
                    let due = Instant::now();
                    sending.push(Sending { mid, rid, size, seq: 1, keyframe_due: true, due, stopped: false });
                }
            }
        }
        let (offer, pending) = api.apply().expect("there is something to offer");
        state.pending = Some(pending);
        (offer.to_sdp_string(), state.tracks.clone())
    }

    pub(crate) fn accept(&self, answer: &str) {
        let mut state = self.lock();
        let pending = state.pending.take().unwrap();
        state.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(answer).unwrap()).unwrap();
    }

    /// Waits for no answer any more: the offer was refused.
    pub(crate) fn withdraw(&self) {
        self.lock().pending = None;
    }

    /// Sends packets of about this many bytes.
    pub(crate) fn set_payload_bytes(&self, bytes: usize) {
        self.lock().payload_bytes = bytes;
    }

    /// Stops sending one layer.
    pub(crate) fn stop_layer(&self, layer: &str) {
        let rid = Rid::from(layer);
        let mut state = self.lock();
        state.sending.iter_mut().filter(|track| track.rid == Some(rid)).for_each(|track| track.stopped = true);
    }

    /// Does not hear from now on that the server closes the connection.
    pub(crate) fn ignore_close(&self) {
        self.lock().hears_close = false;
    }

    /// Reads nothing from its socket from now on.
    pub(crate) fn stop_reading(&self) {
        self.lock().reads = false;
    }

    /// Whether the channel is open and the message was taken.
    pub(crate) fn say(&self, channel: &str, message: &[u8]) -> bool {
        let mut state = self.lock();
        let Some(id) = state.channels.get(channel).copied() else { return false };
        state.rtc.channel(id).is_some_and(|mut channel| channel.write(true, message).unwrap())
    }

    pub(crate) fn has_channel(&self, channel: &str) -> bool {
        self.lock().channels.contains_key(channel)
    }

    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        self.lock().messages.iter().map(|(_, message)| message.clone()).collect()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.lock().is_connected
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub(crate) fn received(&self, stream_id: &str, kind: Kind) -> u64 {
        self.of(stream_id, kind).packets
    }

    pub(crate) fn received_bytes(&self, stream_id: &str, kind: Kind) -> u64 {
        self.of(stream_id, kind).bytes
    }

    /// A moment before which the last packet did not come: when the socket was last seen empty before it was read, because
    /// on a busy machine it may have waited there.
    pub(crate) fn last_received(&self, stream_id: &str, kind: Kind) -> Option<Instant> {
        self.of(stream_id, kind).last
    }

    /// Whether the first picture could be decoded.
    pub(crate) fn started_with_keyframe(&self, stream_id: &str) -> Option<bool> {
        self.of(stream_id, Kind::Video).starts_with_keyframe
    }

    /// How many sequence numbers are missing: lost packets of pictures are asked for again.
    pub(crate) fn gaps(&self, stream_id: &str, kind: Kind) -> u64 {
        let Received { seqs, .. } = self.of(stream_id, kind);
        let (first, last) = (seqs.first().copied().unwrap_or(1), seqs.last().copied().unwrap_or(0));
        (last + 1 - first) - seqs.len() as u64
    }

    /// The layer that the last packet was of: 1 is the largest.
    pub(crate) fn layer(&self, stream_id: &str) -> Option<u8> {
        self.of(stream_id, Kind::Video).layer
    }

    /// Everything that was ever received.
    pub(crate) fn received_anything(&self) -> bool {
        !self.lock().received.is_empty()
    }

    fn of(&self, stream_id: &str, kind: Kind) -> Received {
        self.lock().received.get(&(stream_id.into(), kind)).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.lock().stops = true;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(state: &Mutex<State>, mut socket: Socket) {
    let mut empty_at = Instant::now();
    loop {
        let reads = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.stops {
                return;
            }
            state.drive(&mut socket);
            // What comes before the answer is of lines that the client does not know yet. It stays in the socket, so that a
            // stream is seen from its first packet on.
            state.reads && state.pending.is_none()
        };
        let packets = if reads {
            socket.receive()
        } else {
            std::thread::park_timeout(READ_TIMEOUT);
            vec![]
        };
        let is_empty = reads && packets.len() < AT_ONCE;
        let seen_at = Instant::now();
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.not_before = empty_at;
        if is_empty {
            empty_at = seen_at;
        }
        for (source, bytes) in packets {
            let is_dtls = matches!(bytes.first(), Some(20..64));
            if is_dtls && !state.hears_close {
                continue;
            }
            let Ok(contents) = bytes.as_slice().try_into() else { continue };
            let (proto, destination) = socket.local();
            let receive = Receive { proto, source, destination, contents };
            let _ = state.rtc.handle_input(Input::Receive(Instant::now(), receive));
            state.drain(&mut socket);
        }
    }
}

impl State {
    fn drive(&mut self, socket: &mut Socket) {
        let now = Instant::now();
        let _ = self.rtc.handle_input(Input::Timeout(now));
        self.drain(socket);
        if !self.is_connected {
            return;
        }
        for index in 0..self.sending.len() {
            if self.sending[index].due <= now && !self.sending[index].stopped {
                self.sending[index].due = now + PACE;
                self.send(index, now);
                let _ = self.rtc.handle_input(Input::Timeout(now));
                self.drain(socket);
            }
        }
    }

    fn send(&mut self, index: usize, now: Instant) {
        let Self { rtc, sending, kinds, payload_bytes, .. } = self;
        let Sending { mid, rid, size, .. } = sending[index];
        let codec = if kinds[&mid] == Kind::Audio { Codec::Opus } else { Codec::Vp8 };
        let Some(pt) = rtc.codec_config().find(|params| params.spec().codec == codec).map(|params| params.pt()) else {
            return;
        };
        if !rtc.media(mid).is_some_and(|media| media.remote_pts().contains(&pt)) {
            return;
        }
        let track = &mut sending[index];
        // The descriptor of the first packet of a VP8 picture, and whether it is a whole one; then which layer it is.
        let header = [0x10, u8::from(!track.keyframe_due), size as u8];
        let mut payload = header.to_vec();
        payload.resize((*payload_bytes / size).max(header.len()), 0xaa);
        let seq = track.seq;
        let mut direct = rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(mid, rid) else { return };
        let write =
            RtpWrite::new(pt, seq.into(), (seq * 900) as u32, now, payload).marker(true).nackable(codec != Codec::Opus);
        stream.write_rtp(write);
        track.seq += 1;
        track.keyframe_due = false;
    }

    fn drain(&mut self, socket: &mut Socket) {
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Timeout(_) => break,
                Output::Transmit(transmit) => socket.send(transmit.destination, &transmit.contents),
                Output::Event(event) => self.heard(event),
            }
        }
    }

    fn heard(&mut self, event: Event) {
        match event {
            Event::Connected => self.is_connected = true,
            Event::Closed => self.is_closed = true,
            Event::ChannelOpen(id, label) => {
                self.channels.insert(label, id);
            }
            Event::ChannelData(data) => self.messages.push((data.id, data.data)),
            Event::KeyframeRequest(request) => {
                let of = |track: &&mut Sending| {
                    track.mid == request.mid && (request.rid.is_none() || track.rid == request.rid)
                };
                self.sending.iter_mut().filter(of).for_each(|track| track.keyframe_due = true);
            }
            Event::RtpPacket(packet) => {
                let ssrc = packet.header.ssrc;
                let Some(mid) = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid()) else { return };
                let Some(track) = self.tracks.iter().find(|track| *track.mid == *mid) else { return };
                let kind = self.kinds[&mid];
                let received = self.received.entry((Arc::clone(&track.stream_id), kind)).or_default();
                received.packets += 1;
                received.bytes += packet.payload.len() as u64;
                received.last = Some(self.not_before);
                received.starts_with_keyframe.get_or_insert(packet.payload.get(1) == Some(&0));
                received.layer = packet.payload.get(2).copied();
                received.seqs.insert(*packet.seq_no);
            }
            _ => {}
        }
    }
}

impl Socket {
    fn local(&self) -> (Protocol, SocketAddr) {
        match self {
            Self::Udp(socket) => (Protocol::Udp, socket.local_addr().unwrap()),
            Self::Tcp { stream, .. } => (Protocol::Tcp, stream.local_addr().unwrap()),
        }
    }

    fn send(&mut self, destination: SocketAddr, packet: &[u8]) {
        match self {
            Self::Udp(socket) => {
                let _ = socket.send_to(packet, destination);
            }
            Self::Tcp { stream, .. } => {
                let _ = stream.write_all(&[&(packet.len() as u16).to_be_bytes(), packet].concat());
            }
        }
    }

    fn receive(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = [0; 2048];
                let mut packets = vec![];
                // Waits for the first one, and takes with it what has come besides.
                while packets.len() < AT_ONCE
                    && let Ok((length, source)) = socket.recv_from(&mut buffer)
                {
                    packets.push((source, buffer[..length].to_vec()));
                    socket.set_nonblocking(true).unwrap();
                }
                socket.set_nonblocking(false).unwrap();
                packets
            }
            Self::Tcp { stream, incoming } => {
                let mut buffer = [0; 4096];
                match stream.read(&mut buffer) {
                    Ok(length) => incoming.extend(&buffer[..length]),
                    Err(error) => assert!(matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionReset
                    )),
                }
                let source = stream.peer_addr().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 9)));
                let mut packets = vec![];
                while let [high, low, rest @ ..] = incoming.as_slice() {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    let Some(packet) = rest.get(..length) else { break };
                    packets.push((source, packet.to_vec()));
                    incoming.drain(..2 + length);
                }
                packets
            }
        }
    }
}
