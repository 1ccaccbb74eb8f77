//! A publisher and its receivers: str0m with sockets, one thread for each side.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use roompass_media::Kind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    bwe::Bitrate,
    change::SdpAnswer,
    format::Codec,
    media::{Direction, MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::RtpWrite,
};

const PAYLOAD: usize = 1000;

pub(crate) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    receivers: usize,
}

struct Shared {
    stops: AtomicBool,
    counts: AtomicBool,
    epoch: Instant,
    latencies: Mutex<Vec<Duration>>,
    receiving: Mutex<Vec<bool>>,
}

struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    mid: Mid,
    is_connected: bool,
    keyframe_due: bool,
    seq: u64,
}

impl Clients {
    /// Connects a publisher and receivers; `answer` takes an offer, its media line, and what is published there.
    pub(crate) fn connect(
        receivers: usize,
        packets_per_second: u32,
        mut answer: impl FnMut(String, String, Option<Kind>) -> String,
    ) -> Self {
        let mut client = |publishes: Option<Kind>| {
            let direction = if publishes.is_some() { Direction::SendOnly } else { Direction::RecvOnly };
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
            socket.set_nonblocking(true).expect("it can be set");
            let address = socket.local_addr().expect("it is bound");
            let mut rtc = RtcConfig::new()
                .set_rtp_mode(true)
                .enable_bwe(publishes.map(|_| Bitrate::mbps(8)))
                .build(Instant::now());
            rtc.add_local_candidate(Candidate::host(address, "udp").expect("a good address"));
            let mut api = rtc.sdp_api();
            let mid = api.add_media(MediaKind::Video, direction, None, None, None);
            let (offer, pending) = api.apply().expect("there is something to offer");
            let sdp = answer(offer.to_sdp_string(), mid.to_string(), publishes);
            let sdp = SdpAnswer::from_sdp_string(&sdp).expect("a good answer");
            rtc.sdp_api().accept_answer(pending, sdp).expect("a fitting answer");
            Client { rtc, socket, address, mid, is_connected: false, keyframe_due: true, seq: 1 }
        };
        let publisher = client(Some(Kind::Video));
        let listening: Vec<_> = (0..receivers).map(|_| client(None)).collect();
        let shared = Arc::new(Shared {
            stops: AtomicBool::new(false),
            counts: AtomicBool::new(false),
            epoch: Instant::now(),
            latencies: Mutex::default(),
            receiving: Mutex::new(vec![false; receivers]),
        });
        let run = |clients: Vec<Client>, pace: Option<Duration>| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.run(clients, pace))
        };
        let pace = Duration::from_secs(1) / packets_per_second;
        let threads = vec![run(vec![publisher], Some(pace)), run(listening, None)];
        Self { shared, threads, receivers }
    }

    pub(crate) fn wait_until_all_receive(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.shared.receiving.lock().expect("no thread failed").iter().any(|receives| !receives) {
            assert!(Instant::now() < deadline, "not all of {} receivers get packets", self.receivers);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn start_counting(&self) {
        self.shared.counts.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stop_counting(&self) -> Vec<Duration> {
        self.shared.counts.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.shared.latencies.lock().expect("no thread failed"))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("it ran to its end");
        }
    }
}

impl Shared {
    fn run(&self, mut clients: Vec<Client>, pace: Option<Duration>) {
        let mut due = Instant::now();
        let mut buffer = [0; 2048];
        while !self.stops.load(Ordering::Relaxed) {
            let now = Instant::now();
            let sends = pace.is_some_and(|_| due <= now);
            let mut wake = now + Duration::from_millis(50);
            for (index, client) in clients.iter_mut().enumerate() {
                if sends && client.is_connected {
                    client.send(self.epoch, now);
                }
                let _ = client.rtc.handle_input(Input::Timeout(now));
                wake = wake.min(client.drain(index, self));
            }
            if let Some(pace) = pace {
                if sends {
                    due = (due + pace).max(now);
                }
                wake = wake.min(due);
            }
            let wait = wake.saturating_duration_since(Instant::now());
            let wait = Timespec { tv_sec: 0, tv_nsec: wait.as_nanos().min(50_000_000) as i64 };
            let mut fds: Vec<_> = clients.iter().map(|client| PollFd::new(&client.socket, PollFlags::IN)).collect();
            let _ = poll(&mut fds, Some(&wait));
            for (index, client) in clients.iter_mut().enumerate() {
                while let Ok((length, source)) = client.socket.recv_from(&mut buffer) {
                    let Ok(contents) = (&buffer[..length]).try_into() else { continue };
                    let receive = Receive { proto: Protocol::Udp, source, destination: client.address, contents };
                    let _ = client.rtc.handle_input(Input::Receive(Instant::now(), receive));
                    client.drain(index, self);
                }
            }
        }
    }
}

impl Client {
    fn send(&mut self, epoch: Instant, now: Instant) {
        let Some(pt) =
            self.rtc.codec_config().find(|params| params.spec().codec == Codec::Vp8).map(|params| params.pt())
        else {
            return;
        };
        let mut payload = vec![0xaa; PAYLOAD];
        payload[..2].copy_from_slice(&[0x10, u8::from(!self.keyframe_due)]);
        payload[8..16].copy_from_slice(&(epoch.elapsed().as_nanos() as u64).to_be_bytes());
        self.keyframe_due = false;
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(self.mid, None) else { return };
        stream.set_unpaced(true);
        let write = RtpWrite::new(pt, self.seq.into(), (self.seq * 225) as u32, now, payload);
        stream.write_rtp(write.marker(true).nackable(true));
        self.seq += 1;
    }

    fn drain(&mut self, index: usize, shared: &Shared) -> Instant {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return at,
                Ok(Output::Transmit(transmit)) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Ok(Output::Event(Event::Connected)) => self.is_connected = true,
                Ok(Output::Event(Event::KeyframeRequest(_))) => self.keyframe_due = true,
                Ok(Output::Event(Event::RtpPacket(packet))) => {
                    let sent = packet.payload[8..16].try_into().map(u64::from_be_bytes).expect("8 bytes");
                    let latency = shared.epoch.elapsed().saturating_sub(Duration::from_nanos(sent));
                    if shared.counts.load(Ordering::Relaxed) {
                        shared.latencies.lock().expect("no thread failed").push(latency);
                    }
                    shared.receiving.lock().expect("no thread failed")[index] = true;
                }
                Ok(Output::Event(_)) => {}
                Err(_) => return Instant::now() + Duration::from_secs(1),
            }
        }
    }
}
