//! A wire between clients and a server, for a test to cut.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

/// Carries bytes both ways until it is told otherwise. Knows nothing of what they mean.
pub struct Relay {
    address: SocketAddr,
    wire: watch::Sender<Wire>,
    accepting: AbortHandle,
}

/// The state of the wire. What is carried belongs to the life of the wire in which it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wire {
    life: u64,
    is_whole: bool,
}

impl Relay {
    /// A wire to the server at `url`, such as `http://127.0.0.1:8080`.
    pub async fn to(url: &str) -> Self {
        let server = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let wire = watch::Sender::new(Wire { life: 0, is_whole: true });
        let mut state = wire.subscribe();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let wire = *state.borrow_and_update();
                if wire.is_whole {
                    tokio::spawn(carry(client, server.clone(), wire, state.clone()));
                }
            }
        });
        Self { address, wire, accepting: accepting.abort_handle() }
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection without a goodbye; the next ones are carried again.
    pub fn cut(&self) {
        self.wire.send_modify(|wire| wire.life += 1);
    }

    /// Breaks every connection, and all that come until it is mended.
    pub fn break_down(&self) {
        self.wire.send_modify(|wire| *wire = Wire { life: wire.life + 1, is_whole: false });
    }

    /// Carries again.
    pub fn mend(&self) {
        self.wire.send_modify(|wire| wire.is_whole = true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut client: TcpStream, server: String, began: Wire, mut state: watch::Receiver<Wire>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        // Gone, too, once the relay is.
        _ = state.wait_for(|wire| wire.life != began.life) => {}
    }
}
