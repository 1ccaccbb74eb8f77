//! Keeps the two connections to Redis: one for commands, one for news. Renews the lease of this node, and watches those
//! of the others.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, RedisError, Value,
    aio::{MultiplexedConnection, PubSub, PubSubSink},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::{ANSWER_LIMIT, LEASE, News, NodeId, QUESTIONS, Request, Shared, channel, notices, read};
use crate::bus::url::Address;

const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Often enough that one sign of life may get lost.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// The first wait after a connection has failed, doubled up to the last.
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// How many beats in a row must find the lease of another node missing: it may be Redis that has lost it.
const BEATS_MISSED: i32 = 2;
/// How many beats of patience there are after an outage.
const BEATS_IN_LEASE: i32 = (LEASE.as_secs() / BEAT_EVERY.as_secs()) as i32;
/// How long it is known when a dead node was last seen.
const REMEMBER_DEAD: Duration = Duration::from_secs(3600);

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("no answer in time")]
    Late,
    #[error("the connection for news was closed")]
    Closed,
    #[error("{0}")]
    Bus(#[from] super::BusError),
}

/// Connects, serves, and connects again; for ever.
pub(super) async fn keep(shared: Arc<Shared>, mut asked: mpsc::UnboundedReceiver<Request>) {
    let mut retry = FIRST_RETRY;
    let mut was_up = None;
    loop {
        let fault = match serve(&shared, &mut asked, &mut was_up, &mut retry).await {
            Ok(()) => return,
            Err(fault) => fault,
        };
        shared.connection.send_replace(None);
        // Once, not every second.
        if was_up != Some(false) {
            tracing::error!(%fault, url = ?shared.url, "the bus is away: nodes go on alone");
        }
        was_up = Some(false);
        // Who waits for a confirmation waits no longer.
        while let Ok(request) = asked.try_recv() {
            drop(request);
        }
        wait(retry).await;
        retry = (retry * 2).min(LAST_RETRY);
    }
}

#[expect(clippy::disallowed_methods, reason = "a pause between attempts, not a deadline of any rule")]
async fn wait(retry: Duration) {
    sleep(retry).await;
}

/// Serves one pair of connections until one of them fails. Ends well when nobody asks any more.
async fn serve(
    shared: &Arc<Shared>,
    asked: &mut mpsc::UnboundedReceiver<Request>,
    was_up: &mut Option<bool>,
    retry: &mut Duration,
) -> Result<(), Fault> {
    // Its driver ends with the set.
    let mut driver = JoinSet::new();
    let connection = timeout(CONNECT_LIMIT, commands(shared, &mut driver)).await.map_err(|_| Fault::Late)??;
    let (sink, mut stream) = timeout(CONNECT_LIMIT, news(shared)).await.map_err(|_| Fault::Late)??.split();
    let topics: Vec<String> = shared.topics().iter().map(channel).collect();
    // Before the first beat: whoever is known to live can be asked.
    for channel in topics.into_iter().chain([notices(&shared.node), QUESTIONS.to_owned()]) {
        subscribe(sink.clone(), channel).await?;
    }
    // Where leases are missing, it may be that nobody could renew them.
    shared.nodes().values_mut().for_each(|missing| *missing = -BEATS_IN_LEASE);
    beat(shared, connection.clone()).await?;
    shared.connection.send_replace(Some(connection.clone()));
    if was_up.is_some() {
        tracing::info!(url = ?shared.url, "the bus is back");
        shared.counts.reconnects.add(1);
        shared.inbox.miss();
    }
    (*was_up, *retry) = (Some(true), FIRST_RETRY);

    let mut beats = interval(BEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beating = JoinSet::new();
    let mut subscribing = JoinSet::new();
    loop {
        tokio::select! {
            message = stream.next() => {
                let message = message.ok_or(Fault::Closed)?;
                let line = String::from_utf8_lossy(message.get_payload_bytes());
                shared.hear(message.get_channel_name(), &line);
            }
            request = asked.recv() => match request {
                None => return Ok(()),
                Some(Request::Subscribe(channel, answer)) => {
                    subscribing.spawn(confirm(answer, subscribe(sink.clone(), channel)));
                }
                Some(Request::Unsubscribe(channel, answer)) => {
                    subscribing.spawn(confirm(answer, unsubscribe(sink.clone(), channel)));
                }
                Some(Request::Suspect) if beating.is_empty() => {
                    beating.spawn(beat_once(Arc::clone(shared), connection.clone()));
                }
                Some(Request::Suspect) => {}
            },
            _ = beats.tick(), if beating.is_empty() => {
                beating.spawn(beat_once(Arc::clone(shared), connection.clone()));
            }
            Some(beaten) = beating.join_next() => beaten.unwrap_or(Err(Fault::Closed))?,
            Some(subscribed) = subscribing.join_next() => subscribed.unwrap_or(Err(Fault::Closed))?,
            Some(_) = driver.join_next() => return Err(Fault::Closed),
        }
    }
}

async fn subscribe(mut sink: PubSubSink, channel: String) -> Result<(), Fault> {
    Ok(timeout(ANSWER_LIMIT, sink.subscribe(channel)).await.map_err(|_| Fault::Late)??)
}

async fn unsubscribe(mut sink: PubSubSink, channel: String) -> Result<(), Fault> {
    Ok(timeout(ANSWER_LIMIT, sink.unsubscribe(channel)).await.map_err(|_| Fault::Late)??)
}

async fn confirm(answer: oneshot::Sender<()>, done: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    done.await?;
    // Whoever asked may have gone.
    let _ = answer.send(());
    Ok(())
}

async fn beat_once(shared: Arc<Shared>, connection: MultiplexedConnection) -> Result<(), Fault> {
    beat(&shared, connection).await
}

/// Renews the lease, and says which nodes have let theirs lapse.
async fn beat(shared: &Shared, mut connection: MultiplexedConnection) -> Result<(), Fault> {
    let watched: Vec<NodeId> = shared.nodes().keys().cloned().collect();
    let mut beat = redis::cmd("EVAL");
    beat.arg(include_str!("scripts/beat.lua")).arg(0).arg(shared.node.as_str());
    beat.arg(LEASE.as_millis().to_string()).arg(REMEMBER_DEAD.as_millis().to_string());
    beat.arg(watched.iter().map(NodeId::as_str).collect::<Vec<_>>());
    let begun = Instant::now();
    let dead: Value = beat.query_async(&mut connection).await?;
    shared.counts.took(begun.elapsed());
    let dead: Vec<String> = read(dead)?;

    let mut nodes = shared.nodes();
    for node in watched {
        let is_dead = dead.iter().any(|dead| dead == node.as_str());
        let Some(missing) = nodes.get_mut(&node) else { continue };
        *missing = if is_dead { *missing + 1 } else { 0 };
        if *missing >= BEATS_MISSED {
            nodes.remove(&node);
            shared.inbox.push(News::NodeGone(node));
        }
    }
    Ok(())
}

async fn commands(shared: &Shared, driver: &mut JoinSet<()>) -> Result<MultiplexedConnection, Fault> {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_LIMIT));
    let (settings, stream) = (shared.url.settings(), dial(shared).await?);
    let (connection, drive) = MultiplexedConnection::new_with_config(&settings, stream, config).await?;
    driver.spawn(drive);
    Ok(connection)
}

async fn news(shared: &Shared) -> Result<PubSub, Fault> {
    Ok(PubSub::new(&shared.url.settings(), dial(shared).await?).await?)
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn dial(shared: &Shared) -> Result<Box<dyn Stream>, Fault> {
    let (host, port, tls) = match &shared.url.address {
        Address::Socket(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
        Address::Tcp { host, port, tls } => (host, *port, *tls),
    };
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    if tls { Ok(Box::new(shared.trust.connect(host, tcp).await?)) } else { Ok(Box::new(tcp)) }
}
