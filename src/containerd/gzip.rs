//! Messages that a client has compressed.
//!
//! Holds: whatever a message makes of itself, no more than [`MAX_MESSAGE`] bytes of it are kept.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use tonic::Status;

use super::MAX_MESSAGE;

/// An empty message.
pub(super) const EMPTY: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The message in a compressed one.
///
/// # Errors
/// What containerd's gRPC stack would answer: it is not gzip, or larger than the limit.
pub(super) async fn decompress(compressed: Bytes) -> Result<Bytes, Status> {
    // Some tens of milliseconds for a message of the full size.
    let work = tokio::task::spawn_blocking(move || read(&compressed, MAX_MESSAGE));
    work.await.unwrap_or_else(|error| Err(Status::internal(format!("grpc: {error}"))))
}

fn read(compressed: &[u8], limit: usize) -> Result<Bytes, Status> {
    let mut message = Vec::new();
    // One byte more tells that there is more.
    let mut decoder = MultiGzDecoder::new(compressed).take(limit as u64 + 1);
    decoder.read_to_end(&mut message).map_err(|error| {
        Status::internal(format!("grpc: failed to decompress the received message: {error}"))
    })?;
    if message.len() > limit {
        return Err(Status::resource_exhausted(format!(
            "grpc: received message after decompression larger than max {limit}"
        )));
    }
    Ok(message.into())
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
}
