//! Accepts connections and serves HTTP/1.1 and HTTP/2 on them, within bounds, until told to stop.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tower::ServiceExt;

use super::{
    head_timer::HeadTimer,
    linger::{Lingering, Unread, WatchedBody},
};
use crate::{
    limits::{ConnectionPlace, Places},
    metrics::Metrics,
    tls::{Stream, Tls},
};

/// The longest that a request's head may take, and that a connection of HTTP/1.1 may be idle.
const HEAD_TIME_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection of HTTP/2 may be silent before it is asked for a sign of life, and how long that may take.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
const MAX_STREAMS: u32 = 100;
/// Streams that a client opens and resets at once cost us work: beyond these the connection ends.
const MAX_RESET_STREAMS: usize = 20;
/// How long to wait for descriptors to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves until `stopped` says so. Returns the connections that are still open, to be shut down.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    mut stopped: watch::Receiver<bool>,
    limits: ConnectionLimits,
) -> GracefulShutdown {
    let connections = GracefulShutdown::new();
    loop {
        let next = async {
            // Whoever finds no place waits to be accepted.
            drop(limits.places.take().await);
            listener.accept().await
        };
        let accepted = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|&stopped| stopped) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                limits.metrics.not_accepted();
                tracing::error!(%error, "cannot accept connections");
                let _ = timeout(ACCEPT_PAUSE, stopped.wait_for(|&stopped| stopped)).await;
                continue;
            }
        };
        // Answers are small and whole: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        // There is one, unless there are fewer places since a moment ago.
        let place = tokio::select! {
            place = limits.places.take() => place,
            _ = stopped.wait_for(|&stopped| stopped) => break,
        };
        // Places are never closed.
        let Ok(place) = place else { break };
        let place = ConnectionPlace(Arc::new(place));
        let held = place.clone();
        let stream = match &tls {
            Some(tls) => tls.accept(stream),
            None => Stream::Plain(stream),
        };
        let router = router.clone();
        let asked = Arc::new(AtomicBool::new(false));
        let asks = Arc::clone(&asked);
        let unread = Unread::default();
        let stream = Lingering::new(stream, unread.clone());
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            asks.store(true, Ordering::Relaxed);
            let mut request = request.map(|body| WatchedBody::new(body, &unread));
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(held.clone());
            router.clone().oneshot(request)
        });
        let connection = protocol().serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            let mut connection = pin!(connection);
            // Before the protocol is known, no other limit holds.
            let ended = match timeout(HEAD_TIME_LIMIT, &mut connection).await {
                Ok(ended) => ended,
                Err(_) if asked.load(Ordering::Relaxed) => connection.await,
                Err(_) => return,
            };
            if let Err(error) = ended {
                tracing::debug!(error, "a connection failed");
            }
        });
    }
    connections
}

/// What a connection may cost.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLimits {
    /// Connections open at a time.
    pub(crate) places: Places,
    /// Hears of those that could not be accepted.
    pub(crate) metrics: Arc<Metrics>,
}

impl ConnectionLimits {
    /// The usual limits, for as many at a time as there are `places`.
    pub(crate) fn new(places: Places, metrics: Arc<Metrics>) -> Self {
        Self { places, metrics }
    }
}

/// How one connection is served.
fn protocol() -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol
        .http1()
        .timer(HeadTimer::default())
        .header_read_timeout(HEAD_TIME_LIMIT)
        // Head and body of a small answer go out faster in one piece than as two.
        .writev(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_RESET_STREAMS)
        .keep_alive_interval(SILENCE_LIMIT)
        .keep_alive_timeout(SILENCE_LIMIT);
    protocol
}

/// Whether accepting failed because the one connection was gone already.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
