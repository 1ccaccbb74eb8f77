//! How a connection ends whose client is still sending. An answer that is there before the whole request, such as a
//! refusal of a body that is too long, would be lost: a socket that is closed with something unread is reset, and what its
//! client has not read by then is gone. So what still comes is read and dropped, for a while (RFC 9112 section 9.6).

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How long the client may go on sending.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// How much.
const MAX_BYTES: usize = 8 * 1024 * 1024;
const AT_ONCE: usize = 8 * 1024;

/// Whether a body on the connection was left unread.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

/// A body that says so where it is dropped before its end.
pub(super) struct WatchedBody {
    body: Incoming,
    has_ended: bool,
    unread: Unread,
}

impl WatchedBody {
    pub(super) fn new(body: Incoming, unread: &Unread) -> Self {
        Self { body, has_ended: false, unread: unread.clone() }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.has_ended |= frame.is_none();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        if !self.has_ended && !self.body.is_end_stream() {
            self.unread.0.store(true, Ordering::Relaxed);
        }
    }
}

/// A stream that is closed only once its client has stopped sending, where it may be about to.
pub(super) struct Lingering<S> {
    stream: S,
    unread: Unread,
    left: usize,
    /// From when on nothing more is written.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, unread: Unread) -> Self {
        Self { stream, unread, left: MAX_BYTES, until: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, unread, left, until } = &mut *self;
        let until = match until {
            Some(until) => until,
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
                if !unread.0.load(Ordering::Relaxed) {
                    return Poll::Ready(Ok(()));
                }
                until.insert(Box::pin(sleep_until(Instant::now() + TIME_LIMIT)))
            }
        };
        while *left > 0 && until.as_mut().poll(context).is_pending() {
            let mut dropped = [MaybeUninit::uninit(); AT_ONCE];
            let mut dropped = ReadBuf::uninit(&mut dropped);
            match ready!(Pin::new(&mut *stream).poll_read(context, &mut dropped)) {
                Ok(()) if !dropped.filled().is_empty() => *left = left.saturating_sub(dropped.filled().len()),
                // It has stopped, or is gone.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn where_nothing_was_left_unread_it_ends_at_once() {
        let (ours, mut theirs) = duplex(16);
        Lingering::new(ours, Unread::default()).shutdown().await.unwrap();
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_may_go_on_for_a_while_and_not_for_ever() {
        let left_unread = || Unread(Arc::new(true.into()));
        // Until it stops,
        let (ours, mut theirs) = duplex(16);
        let sending = async {
            theirs.write_all(&[0; 100_000]).await.unwrap();
            theirs.shutdown().await.unwrap();
            assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        };
        let start = Instant::now();
        let mut lingering = Lingering::new(ours, left_unread());
        tokio::join!(async { lingering.shutdown().await.unwrap() }, sending);
        assert!(start.elapsed() < TIME_LIMIT);
        // until it has sent a lot,
        let (ours, mut theirs) = duplex(1 << 20);
        let sending = async { while theirs.write_all(&[0; 100_000]).await.is_ok() {} };
        let lingering = async {
            let mut lingering = Lingering::new(ours, left_unread());
            lingering.shutdown().await.unwrap();
            assert_eq!(lingering.left, 0);
        };
        tokio::join!(lingering, sending);
        assert!(start.elapsed() < TIME_LIMIT);
        // or until its time is up.
        let (ours, _theirs) = duplex(16);
        Lingering::new(ours, left_unread()).shutdown().await.unwrap();
        assert!(start.elapsed() >= TIME_LIMIT);
    }
}
