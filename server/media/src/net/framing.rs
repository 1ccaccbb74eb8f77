//! Packets in a TCP stream: each behind its length in two bytes (RFC 4571).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::MAX_PACKET;

/// The next packet, in `buffer`; none at the end of the stream.
///
/// # Errors
/// When the stream breaks, or a length is none that WebRTC uses.
pub(crate) async fn read_packet<'b>(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &'b mut [u8; MAX_PACKET],
) -> io::Result<Option<&'b [u8]>> {
    let length = match stream.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length == 0 || length > MAX_PACKET {
        return Err(io::ErrorKind::InvalidData.into());
    }
    stream.read_exact(&mut buffer[..length]).await?;
    Ok(Some(&buffer[..length]))
}

/// `packet` with its length before it.
pub(crate) fn framed(packet: &[u8]) -> Option<Box<[u8]>> {
    let length = u16::try_from(packet.len()).ok()?;
    Some([&length.to_be_bytes(), packet].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_come_out_as_they_went_in() {
        let sent = [vec![1; 1], vec![2; MAX_PACKET], vec![3; 700]];
        let bytes: Vec<u8> = sent.iter().flat_map(|packet| framed(packet).unwrap()).collect();
        let mut stream = bytes.as_slice();
        let mut buffer = [0; MAX_PACKET];
        for packet in sent {
            assert_eq!(read_packet(&mut stream, &mut buffer).await.unwrap(), Some(packet.as_slice()));
        }
        assert_eq!(read_packet(&mut stream, &mut buffer).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_length_that_cannot_be_and_a_cut_packet_are_errors() {
        let mut buffer = [0; MAX_PACKET];
        for bytes in [&[0, 0, 1][..], &[0xff, 0xff, 1], &[0, 5, 1, 2]] {
            assert!(read_packet(&mut &*bytes, &mut buffer).await.is_err(), "{bytes:?}");
        }
    }
}
