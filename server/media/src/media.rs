//! The handle on the media plane of this node.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use str0m::crypto;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::{
    Event, MediaConfig, MediaError, Reason, Rights, Session, Snapshot, Totals,
    command::Command,
    inbox::Inbox,
    net::{Arrivals, Departures, Routes, TcpConnections, Udp},
    sfu::Shared,
    stats::Counters,
    worker,
};

/// Events that may wait for a session's owner; what comes on top is lost.
const WAITING_EVENTS: usize = 256;

/// The media plane of this node. Cheap to clone; it runs until [`Media::shutdown`].
#[derive(Debug, Clone)]
pub struct Media(Arc<Node>);

#[derive(Debug)]
struct Node {
    arrivals: Arc<Arrivals>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    most_sessions: usize,
    next_session: AtomicU64,
    sessions: Arc<AtomicUsize>,
    hasher: RandomState,
    threads: Mutex<Vec<JoinHandle<()>>>,
    tcp_task: Option<tokio::task::AbortHandle>,
}

/// Who a session is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The room, named so that rooms of different apps differ. Streams are known within it and nowhere else.
    pub room: Arc<str>,
    /// The user, for statistics.
    pub user_id: Arc<str>,
    /// What the session may do to begin with.
    pub rights: Rights,
}

impl Media {
    /// Opens the ports and starts to forward. Must be called on a tokio runtime if there is a TCP port.
    ///
    /// # Errors
    /// When a port cannot be opened, or no address of it may be told to clients.
    pub async fn start(config: MediaConfig) -> Result<Self, MediaError> {
        let listen = |address| move |source| MediaError::Listen { address, source };
        let udp = Arc::new(Udp::bind(config.udp).map_err(listen(config.udp))?);
        let udp_told = config.announced(udp.address().map_err(listen(config.udp))?)?;
        let listener = match config.tcp {
            Some(address) => Some(TcpListener::bind(address).await.map_err(listen(address))?),
            None => None,
        };
        let tcp_told = match &listener {
            Some(listener) => config.announced(listener.local_addr().map_err(listen(config.udp))?)?,
            None => vec![],
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if config.workers == 0 { cores } else { config.workers };

        let counters = Arc::new(Counters::default());
        let routes = Arc::new(Routes::default());
        let connections = Arc::new(TcpConnections::default());
        let inboxes: io::Result<Vec<_>> = (0..workers).map(|_| Inbox::new()).collect();
        let arrivals = Arc::new(Arrivals {
            routes: Arc::clone(&routes),
            inboxes: inboxes.map_err(listen(config.udp))?,
            counters: Arc::clone(&counters),
        });
        let certificate =
            crypto::from_feature_flags().dtls_provider.generate_certificate().ok_or(MediaError::Randomness)?;
        let shared = Shared {
            limits: config.limits.clone(),
            udp: udp_told.clone(),
            tcp: tcp_told.clone(),
            certificate,
            routes,
            departures: Departures {
                udp: Arc::clone(&udp),
                tcp: Arc::clone(&connections),
                counters: Arc::clone(&counters),
            },
            counters,
        };
        let mut threads = vec![];
        for number in 0..workers {
            let reads = (number == 0).then(|| Arc::clone(&udp));
            let worker = worker::run(number, shared.clone(), Arc::clone(&arrivals), reads);
            threads.push(worker.map_err(listen(config.udp))?);
        }
        let accept = |listener| connections.accept(listener, Arc::clone(&arrivals), config.limits.tcp_connections);
        let tcp_task = listener.map(|listener| tokio::spawn(accept(listener)).abort_handle());
        tracing::info!(udp = ?udp_told, tcp = ?tcp_told, workers, "media is forwarded");
        Ok(Self(Arc::new(Node {
            arrivals,
            udp: udp_told,
            tcp: tcp_told,
            most_sessions: config.limits.sessions,
            next_session: AtomicU64::new(1),
            sessions: Arc::default(),
            hasher: RandomState::new(),
            threads: Mutex::new(threads),
            tcp_task,
        })))
    }

    /// The UDP addresses told to clients.
    pub fn udp_addresses(&self) -> &[SocketAddr] {
        &self.0.udp
    }

    /// The TCP addresses told to clients.
    pub fn tcp_addresses(&self) -> &[SocketAddr] {
        &self.0.tcp
    }

    /// A session, and what happens to it. It ends when it is told to, or dropped.
    ///
    /// # Errors
    /// [`MediaError::Full`].
    pub fn open(&self, opening: Opening) -> Result<(Session, mpsc::Receiver<Event>), MediaError> {
        let Some(place) = Place::take(&self.0.sessions, self.0.most_sessions) else { return Err(MediaError::Full) };
        let session = self.0.next_session.fetch_add(1, Ordering::Relaxed);
        let worker = self.worker_of(&opening.room);
        let inbox = &self.0.arrivals.inboxes[worker];
        let (events, heard) = mpsc::channel(WAITING_EVENTS);
        let Opening { room, user_id, rights } = opening;
        inbox.command(Command::Open { session, room, user_id, rights, events });
        Ok((Session::new(session, Arc::clone(&self.0.arrivals), worker, place), heard))
    }

    /// Ends every session of a room, because another node forwards it or nobody is to.
    pub fn end_room(&self, room: impl Into<Arc<str>>, reason: Reason) {
        let room = room.into();
        self.0.arrivals.inboxes[self.worker_of(&room)].command(Command::EndRoom { room, reason });
    }

    /// What the node has counted since it started.
    pub fn totals(&self) -> Totals {
        self.0.arrivals.counters.totals()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.0.sessions.load(Ordering::Relaxed)
    }

    /// Every session and track with what was measured of it.
    pub async fn snapshot(&self) -> Snapshot {
        let ask = |inbox: &Inbox| {
            let (reply, answer) = oneshot::channel();
            inbox.command(Command::Snapshot { reply });
            answer
        };
        let answers: Vec<_> = self.0.arrivals.inboxes.iter().map(ask).collect();
        let mut snapshot = Snapshot { totals: self.totals(), sessions: vec![] };
        for answer in answers {
            // A worker that is gone has no sessions.
            snapshot.sessions.extend(answer.await.map(|worker| worker.0).unwrap_or_default());
        }
        snapshot
    }

    /// Ends every session and closes the ports. Blocks for the moment that takes.
    pub fn shutdown(&self) {
        for inbox in &self.0.arrivals.inboxes {
            inbox.command(Command::Shutdown);
        }
        if let Some(task) = &self.0.tcp_task {
            task.abort();
        }
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that failed has stopped too.
            let _ = thread.join();
        }
    }

    /// All sessions of a room share a worker, so that forwarding crosses no thread.
    fn worker_of(&self, room: &str) -> usize {
        (self.0.hasher.hash_one(room) % self.0.arrivals.inboxes.len() as u64) as usize
    }
}

/// A session's place among those that the node may have; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(sessions: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let more = |taken| (taken < most).then_some(taken + 1);
        sessions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(sessions)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
