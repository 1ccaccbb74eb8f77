//! Counts the fragments of a message as its bytes come in: the WebSocket library limits their bytes, not their number,
//! and a message in endless empty pieces would never be heard of.
//!
//! Reads the heads of frames and skips what is in them. Knows nothing else of the protocol: the library judges it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most fragments of one message.
pub(super) const MAX_FRAGMENTS: usize = 16;

/// A message comes in more pieces than anybody needs.
#[derive(Debug, thiserror::Error)]
#[error("a message in more than {MAX_FRAGMENTS} fragments")]
pub(super) struct TooManyFragments;

/// A stream of frames, which ends where a message has too many fragments.
#[derive(Debug)]
pub(in crate::gateway) struct Counted<S> {
    stream: S,
    at: At,
    /// Of the message that has begun and not ended.
    fragments: usize,
}

/// Where in a frame the next byte is.
#[derive(Debug, Clone, Copy)]
enum At {
    /// Its first.
    Head,
    /// The second: whether it is masked, and how long it is.
    Length,
    /// In a longer length, of which so many bytes are left.
    LongLength { left: u8, length: u64, mask: u64 },
    /// In the mask or the payload, of which so many bytes are left.
    Body(u64),
}

impl<S> Counted<S> {
    pub(in crate::gateway) fn new(stream: S) -> Self {
        Self { stream, at: At::Head, fragments: 0 }
    }

    fn count(&mut self, mut bytes: &[u8]) -> Result<(), TooManyFragments> {
        while let Some((&first, rest)) = bytes.split_first() {
            self.at = match self.at {
                At::Head => {
                    self.begin(first)?;
                    At::Length
                }
                At::Length => {
                    let mask = if first & 0x80 == 0 { 0 } else { 4 };
                    match first & 0x7f {
                        126 => At::LongLength { left: 2, length: 0, mask },
                        127 => At::LongLength { left: 8, length: 0, mask },
                        length => body(u64::from(length) + mask),
                    }
                }
                At::LongLength { left, length, mask } => {
                    let length = length << 8 | u64::from(first);
                    match left {
                        1 => body(length.saturating_add(mask)),
                        _ => At::LongLength { left: left - 1, length, mask },
                    }
                }
                At::Body(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[here..];
                    self.at = body(left - here as u64);
                    continue;
                }
            };
            bytes = rest;
        }
        Ok(())
    }

    /// Counts the frame that begins with this byte. Control frames may come in between.
    fn begin(&mut self, first: u8) -> Result<(), TooManyFragments> {
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        match opcode {
            0 => self.fragments += 1,
            1..8 => self.fragments = 1,
            _ => return Ok(()),
        }
        if self.fragments > MAX_FRAGMENTS {
            return Err(TooManyFragments);
        }
        if is_last {
            self.fragments = 0;
        }
        Ok(())
    }
}

fn body(left: u64) -> At {
    if left == 0 { At::Head } else { At::Body(left) }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.count(&buf.filled()[before..]).map_err(io::Error::other))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIN: u8 = 0x80;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match length {
            0..126 => bytes.push(FIN | u8::try_from(length).unwrap()),
            126..65_536 => {
                bytes.push(FIN | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(FIN | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        // What looks like a continuation frame, if it were read.
        bytes.extend(vec![0; 4 + length]);
        bytes
    }

    /// Whether it is taken, in pieces of so many bytes.
    fn is_taken(bytes: &[u8], piece: usize) -> bool {
        let mut counted = Counted::new(());
        bytes.chunks(piece).all(|piece| counted.count(piece).is_ok())
    }

    #[test]
    fn sixteen_fragments_are_taken_and_not_one_more_however_they_come_in() {
        for length in [0, 1, 125, 126, 300, 70_000] {
            for (continuations, expected) in [(0, true), (15, true), (16, false), (10_000, false)] {
                if length * continuations > 10_000_000 {
                    continue;
                }
                let message = [frame(1, length), frame(0, length).repeat(continuations)].concat();
                for piece in [1, 7, 1024, message.len()] {
                    assert_eq!(is_taken(&message, piece), expected, "{continuations} of {length} by {piece}");
                }
            }
        }
    }

    #[test]
    fn whole_messages_and_control_frames_are_no_fragments() {
        let whole = frame(FIN | 1, 200).repeat(100);
        let pings =
            [frame(1, 3), [frame(0, 3), frame(FIN | 9, 2).repeat(20)].concat().repeat(14), frame(FIN, 0)].concat();
        let two = [pings.clone(), pings.clone()].concat();
        for bytes in [&whole, &pings, &two] {
            assert!(is_taken(bytes, 5) && is_taken(bytes, bytes.len()));
        }
    }
}
