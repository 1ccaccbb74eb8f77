//! The yardstick: str0m's own loop. One socket, one thread, and what the first client sends goes to all the others.

use std::{
    collections::HashMap,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    bwe::Bitrate,
    change::SdpOffer,
    media::{KeyframeRequestKind, Mid},
    net::{Protocol, Receive},
    rtp::{RtpPacket, RtpWrite},
};

pub(crate) struct Plain {
    address: SocketAddr,
    clients: mpsc::Sender<Rtc>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Loop {
    rtcs: Vec<(Rtc, Option<Mid>)>,
    by_address: HashMap<SocketAddr, usize>,
    packets: Vec<RtpPacket>,
    first_seq: Option<u64>,
    wants_keyframe: bool,
}

impl Plain {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let address = socket.local_addr().expect("it is bound");
        let (clients, arrive) = mpsc::channel();
        let stops = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stops);
        let run = move || Loop::default().run(&socket, address, &arrive, &stop);
        let thread = std::thread::Builder::new().name("plain".into()).spawn(run).expect("a thread can be made");
        Self { address, clients, stops, thread: Some(thread) }
    }

    pub(crate) fn answer(&self, sdp: String) -> String {
        let mut rtc = RtcConfig::new()
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_stats_interval(Some(Duration::from_secs(1)))
            .set_send_buffer_video(512)
            .enable_bwe(Some(Bitrate::bps(1_500_000)))
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(self.address, "udp").expect("a good address"));
        let offer = SdpOffer::from_sdp_string(&sdp).expect("a good offer");
        let answer = rtc.sdp_api().accept_offer(offer).expect("a fitting offer").to_sdp_string();
        self.clients.send(rtc).expect("the loop runs");
        answer
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ran to its end");
        }
    }
}

impl Loop {
    fn run(mut self, socket: &UdpSocket, address: SocketAddr, arrive: &mpsc::Receiver<Rtc>, stop: &AtomicBool) {
        let mut buffer = [0; 2048];
        let mut deadlines: Vec<Instant> = vec![];
        while !stop.load(Ordering::Relaxed) {
            for mut rtc in arrive.try_iter() {
                rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::mbps(5));
                self.rtcs.push((rtc, None));
                deadlines.push(Instant::now());
            }
            let now = Instant::now();
            for (index, deadline) in deadlines.iter_mut().enumerate() {
                if *deadline <= now {
                    *deadline = self.flush(index, socket, now);
                }
            }
            let next = deadlines.iter().min().copied().unwrap_or(now).min(now + Duration::from_millis(50));
            let wait = next.saturating_duration_since(Instant::now()).max(Duration::from_micros(100));
            socket.set_read_timeout(Some(wait)).expect("it can be set");
            let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
            let now = Instant::now();
            let Ok(contents) = (&buffer[..length]).try_into() else { continue };
            let input = Input::Receive(now, Receive { proto: Protocol::Udp, source, destination: address, contents });
            let known = self.by_address.get(&source).copied();
            let Some(index) = known.or_else(|| self.rtcs.iter().position(|(rtc, _)| rtc.accepts(&input))) else {
                continue;
            };
            self.by_address.insert(source, index);
            let _ = self.rtcs[index].0.handle_input(input);
            deadlines[index] = self.drain(index, socket);
            for packet in std::mem::take(&mut self.packets) {
                self.forward(&packet, socket, &mut deadlines, now);
            }
            if std::mem::take(&mut self.wants_keyframe)
                && let Some((rtc, Some(mid))) = self.rtcs.first_mut()
                && let Some(stream) = rtc.direct_api().stream_rx_by_mid(*mid, None)
            {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                deadlines[0] = self.flush(0, socket, now);
            }
        }
    }

    fn forward(&mut self, packet: &RtpPacket, socket: &UdpSocket, deadlines: &mut [Instant], now: Instant) {
        let first = *self.first_seq.get_or_insert(*packet.seq_no);
        for (index, deadline) in deadlines.iter_mut().enumerate().skip(1) {
            let (rtc, mid) = &mut self.rtcs[index];
            let Some(mid) = *mid else { continue };
            if !rtc.is_connected() {
                continue;
            }
            let Some(params) =
                self.rtcs[0].0.codec_config().find(|params| params.pt() == packet.header.payload_type).copied()
            else {
                continue;
            };
            let rtc = &mut self.rtcs[index].0;
            let Some(pt) = rtc.codec_config().match_params(params).map(|params| params.pt()) else { continue };
            let seq = (*packet.seq_no - first + 1).into();
            let mut direct = rtc.direct_api();
            let Some(stream) = direct.stream_tx_by_mid(mid, None) else { continue };
            let write = RtpWrite::new(pt, seq, packet.header.timestamp, packet.timestamp, packet.payload.clone());
            stream.write_rtp(write.marker(packet.header.marker).nackable(true));
            *deadline = self.flush(index, socket, now);
        }
    }

    fn flush(&mut self, index: usize, socket: &UdpSocket, now: Instant) -> Instant {
        let _ = self.rtcs[index].0.handle_input(Input::Timeout(now));
        self.drain(index, socket)
    }

    fn drain(&mut self, index: usize, socket: &UdpSocket) -> Instant {
        let (rtc, mid) = &mut self.rtcs[index];
        loop {
            match rtc.poll_output() {
                Ok(Output::Timeout(at)) => return at,
                Ok(Output::Transmit(transmit)) => {
                    let _ = socket.send_to(&transmit.contents, transmit.destination);
                }
                Ok(Output::Event(Event::MediaAdded(added))) => *mid = Some(added.mid),
                Ok(Output::Event(Event::KeyframeRequest(_))) => self.wants_keyframe = true,
                Ok(Output::Event(Event::RtpPacket(packet))) => self.packets.push(packet),
                Ok(Output::Event(_)) => {}
                Err(_) => return Instant::now() + Duration::from_secs(1),
            }
        }
    }
}
