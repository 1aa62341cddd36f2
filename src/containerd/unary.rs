//! One unary call that a handler reads: its message, and how to forward it to containerd.
//!
//! Holds: what a handler forwards goes to the method and API version that the client called, with the
//! client's metadata, and with the rest of its deadline.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use tokio::time::Instant;
use tonic::Status;

use super::answer::{GRPC_TIMEOUT, own_metadata};
use super::{Answer, Away, Link, MAX_MESSAGE, unframe};
use crate::wire::WireError;

/// A unary call.
pub struct Call {
    link: Link,
    path: PathAndQuery,
    metadata: HeaderMap,
    deadline: Option<Instant>,
}

impl Call {
    /// A client's call to `uri` with its `metadata`, to be answered over `link`.
    pub fn new(link: Link, uri: &Uri, metadata: HeaderMap) -> Self {
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let deadline = metadata
            .get(GRPC_TIMEOUT)
            .and_then(grpc_timeout)
            .and_then(|left| Instant::now().checked_add(left));
        Self { link, path, metadata, deadline }
    }

    /// A call of the shunt's own, as a client would make it.
    pub fn own(link: Link, path: &'static str) -> Self {
        Self::new(link, &Uri::from_static(path), own_metadata())
    }

    /// Sends `message` to containerd under the method that was called.
    ///
    /// # Errors
    /// [`Away`] where containerd can't be reached. Errors that it answers are an [`Answer`].
    pub async fn forward(&self, message: &[u8]) -> Result<Answer, Away> {
        let mut metadata = self.metadata.clone();
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            // Eight digits at most, by the gRPC specification; 10^8 ms is more than a day.
            let left = left.clamp(1, 99_999_999);
            if let Ok(value) = HeaderValue::from_str(&format!("{left}m")) {
                metadata.insert(GRPC_TIMEOUT, value);
            }
        }
        self.link.unary(&self.path, metadata, message).await
    }

    /// When the client gives up.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the client's deadline has passed.
    pub fn expired(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}

/// Passes `message` on as it came.
pub async fn forward(call: &Call, message: &[u8]) -> Answer {
    match call.forward(message).await {
        Ok(answer) => answer,
        Err(away) => Answer::failure(&Status::unavailable(away.to_string())),
    }
}

/// The refusal of a message that is not valid protobuf, in the words of containerd's gRPC stack.
///
/// It is refused here, since two decoders may read it differently: one name would go past the policy and another to
/// containerd.
pub fn malformed(error: &WireError) -> Answer {
    Answer::failure(&Status::internal(format!("grpc: error unmarshalling request: {error}")))
}

/// Reads the one message of a unary request.
///
/// # Errors
/// What containerd's gRPC stack would answer to a body that holds none.
pub async fn read_message(body: &mut RecvStream) -> Result<Bytes, Status> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(|error| Status::cancelled(error.to_string()))?;
        let _ = body.flow_control().release_capacity(chunk.len());
        bytes.extend_from_slice(&chunk);
        let wanted = bytes.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        match wanted {
            Some(length) if length as usize > MAX_MESSAGE => break,
            Some(length) if bytes.len() - 5 >= length as usize => break,
            _ => {}
        }
    }
    unframe(&bytes.freeze())
}

/// The value of a `grpc-timeout` header (gRPC over HTTP/2 specification: up to eight digits and a unit).
fn grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_specification_writes_them() {
        let read = |text: &'static str| grpc_timeout(&HeaderValue::from_static(text));
        assert_eq!(read("2S"), Some(Duration::from_secs(2)));
        assert_eq!(read("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        for bad in ["", "S", "1", "123456789S", "-1S", "1x", "1.5S"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
