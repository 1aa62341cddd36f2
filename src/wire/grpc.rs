//! The five bytes that gRPC puts before each message.
//!
//! Before: the body of a request or answer, collected.  After: the message goes to `get` and `set`.
//! Holds: exactly one message per unary body; a compressed one is told apart, never read as plain.
//! Source: gRPC over HTTP/2, "Length-Prefixed-Message".

/// Bytes before each message: one flag byte, four of big-endian length.
pub const HEADER_LEN: usize = 5;

/// A body that is not exactly one gRPC message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than the header, or than the header promises.
    #[error("gRPC message cut short: {have} of {want} bytes")]
    Truncated {
        /// Bytes that are there.
        have: usize,
        /// Bytes that the header asks for.
        want: usize,
    },
    /// Bytes after the one message of a unary call.
    #[error("{0} bytes after the gRPC message")]
    Trailing(usize),
    /// A flag byte other than 0 and 1.
    #[error("unknown gRPC message flag {0}")]
    BadFlag(u8),
}

/// One message of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether the message is compressed by the call's `grpc-encoding`.
    pub compressed: bool,
    /// The message, as it is on the wire.
    pub message: &'a [u8],
}

/// Length of the message that a header announces, for a caller that still collects.
#[must_use]
pub fn announced(header: [u8; HEADER_LEN]) -> usize {
    let [_, a, b, c, d] = header;
    u32::from_be_bytes([a, b, c, d]) as usize
}

/// The one message of a unary call's body.
pub fn parse(body: &[u8]) -> Result<Frame<'_>, FrameError> {
    let Some((header, rest)) = body.split_first_chunk::<HEADER_LEN>() else {
        return Err(FrameError::Truncated { have: body.len(), want: HEADER_LEN });
    };
    let len = announced(*header);
    let compressed = match header[0] {
        0 => false,
        1 => true,
        flag => return Err(FrameError::BadFlag(flag)),
    };
    match rest.len().checked_sub(len) {
        None => {
            let want = HEADER_LEN.saturating_add(len);
            Err(FrameError::Truncated { have: body.len(), want })
        }
        Some(0) => Ok(Frame { compressed, message: rest }),
        Some(more) => Err(FrameError::Trailing(more)),
    }
}

/// A body of one uncompressed message. `None` where it is longer than 32 bits can say.
#[must_use]
pub fn build(message: &[u8]) -> Option<Vec<u8>> {
    let len = u32::try_from(message.len()).ok()?;
    let mut body = Vec::with_capacity(HEADER_LEN + message.len());
    body.push(0);
    body.extend_from_slice(&len.to_be_bytes());
    body.extend_from_slice(message);
    Some(body)
}
