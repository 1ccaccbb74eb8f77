//! TCP connections of clients whose network lets no UDP out. Each has its own tasks: a slow one holds up nobody.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use str0m::net::Protocol;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::{Arrivals, MAX_PACKET, framing};

/// Packets that may wait for a connection; what comes on top is dropped.
const WAITING: usize = 256;
/// How long a connection may take to name its session.
const FIRST_PACKET: Duration = Duration::from_secs(5);
/// How long a connection may stay silent. ICE checks come more often.
const SILENCE: Duration = Duration::from_secs(30);

type Connections = HashMap<SocketAddr, mpsc::Sender<Box<[u8]>>>;

/// The open connections, by the client's address.
#[derive(Debug, Default)]
pub(crate) struct TcpConnections(Mutex<Connections>);

impl TcpConnections {
    /// Whether there is such a connection with room for it.
    pub(crate) fn send(&self, destination: SocketAddr, packet: &[u8]) -> bool {
        let Some(framed) = framing::framed(packet) else { return false };
        self.lock().get(&destination).is_some_and(|connection| connection.try_send(framed).is_ok())
    }

    /// Accepts connections until the listener breaks; dropped to stop.
    pub(crate) async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        arrivals: Arc<Arrivals>,
        most: usize,
    ) -> io::Error {
        loop {
            let (stream, client) = match listener.accept().await {
                Ok(accepted) => accepted,
                // Out of file descriptors, or the client went away: the next one may do better.
                Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Err(error) => return error,
            };
            if self.lock().len() >= most {
                continue;
            }
            let (sender, waiting) = mpsc::channel(WAITING);
            self.lock().insert(client, sender);
            let (connections, arrivals) = (Arc::clone(&self), Arc::clone(&arrivals));
            tokio::spawn(async move {
                // Why a connection ended is of no use to anybody: ICE of the client and of the session see to it.
                let _ = serve(stream, client, waiting, &arrivals).await;
                connections.lock().remove(&client);
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    mut waiting: mpsc::Receiver<Box<[u8]>>,
    arrivals: &Arrivals,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut incoming, mut outgoing) = stream.into_split();
    let read = async {
        let mut buffer = [0; MAX_PACKET];
        let mut patience = FIRST_PACKET;
        while let Some(packet) = timeout(patience, framing::read_packet(&mut incoming, &mut buffer)).await?? {
            if !arrivals.deliver(Protocol::Tcp, client, packet) {
                break;
            }
            patience = SILENCE;
        }
        Ok(())
    };
    let write = async {
        while let Some(packet) = waiting.recv().await {
            outgoing.write_all(&packet).await?;
        }
        Ok(())
    };
    tokio::select! { done = read => done, done = write => done }
}
