//! Messages that a client has compressed.
//!
//! Holds: whatever a message makes of itself, no more than [`MAX_MESSAGE`] bytes of it are kept, and no more than there
//! is memory for.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use tonic::Status;

use super::answer::too_much;
use super::{MAX_MESSAGE, Share, Taken};

/// An empty message.
pub(super) const EMPTY: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What is decompressed before it is counted.
const PIECE: u64 = 64 << 10;

/// The message in a compressed one.
///
/// # Errors
/// What containerd's gRPC stack would answer: it is not gzip, or larger than the limit. A refusal where too little is
/// left of `memory`.
pub(super) async fn decompress(compressed: Bytes, memory: &Arc<Share>) -> Result<(Bytes, Taken), Status> {
    let memory = memory.clone();
    // Some tens of milliseconds for a message of the full size.
    let work = tokio::task::spawn_blocking(move || read(&compressed, MAX_MESSAGE, &memory));
    work.await.unwrap_or_else(|error| Err(Status::internal(format!("grpc: {error}"))))
}

fn read(compressed: &[u8], limit: usize, memory: &Arc<Share>) -> Result<(Bytes, Taken), Status> {
    let mut message = Vec::new();
    let mut held = memory.take(0).ok_or_else(too_much)?;
    let mut decoder = MultiGzDecoder::new(compressed);
    loop {
        let before = message.len();
        decoder.by_ref().take(PIECE).read_to_end(&mut message).map_err(|error| {
            Status::internal(format!("grpc: failed to decompress the received message: {error}"))
        })?;
        if message.len() == before {
            return Ok((message.into(), held));
        }
        if message.len() > limit {
            return Err(Status::resource_exhausted(format!(
                "grpc: received message after decompression larger than max {limit}"
            )));
        }
        // As it is here, as it is edited, and as it is sent on.
        if !held.grow(3 * (message.len() - before)) {
            return Err(too_much());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tonic::Code;

    use super::*;

    fn gzip(message: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(message).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_message_comes_back_and_no_more_than_the_limit_of_it() {
        let read =
            |compressed: &[u8], limit| read(compressed, limit, &Share::endless()).map(|(message, _)| message);
        assert_eq!(read(EMPTY, 0).unwrap(), Bytes::new());
        assert_eq!(read(&gzip(b"abc"), 3).unwrap(), Bytes::from_static(b"abc"));
        assert_eq!(
            read(&[gzip(b"ab"), gzip(b"c")].concat(), 3).unwrap(),
            Bytes::from_static(b"abc"),
            "as Go reads it"
        );
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 1 << 17);
        for (compressed, limit) in [(gzip(b"abc"), 2), (bomb, 1 << 20)] {
            assert_eq!(read(&compressed, limit).unwrap_err().code(), Code::ResourceExhausted);
        }
        let whole = gzip(b"abc");
        let damaged: Vec<u8> = whole.iter().enumerate().map(|(i, byte)| byte ^ u8::from(i == 15)).collect();
        for bad in [&b""[..], b"abc", &whole[..whole.len() - 1], &damaged, &[&whole[..], b"more"].concat()] {
            assert_eq!(read(bad, 100).unwrap_err().code(), Code::Internal, "{bad:?}");
        }
    }

    #[test]
    fn no_more_of_a_message_is_kept_than_there_is_memory_for() {
        let bomb = gzip(&vec![0; 1 << 20]);
        let memory = Share::new(3 << 20);
        let (message, held) = read(&bomb, MAX_MESSAGE, &memory).unwrap();
        assert_eq!(message.len(), 1 << 20);
        assert_eq!(read(&bomb, MAX_MESSAGE, &memory).unwrap_err().code(), Code::ResourceExhausted);
        drop(held);
        read(&bomb, MAX_MESSAGE, &memory).unwrap();
    }
}
