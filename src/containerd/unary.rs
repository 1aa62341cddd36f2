//! One unary call that a handler reads: its message, and how to forward it to containerd.
//!
//! Holds: what a handler forwards goes to the method and API version that the client called, with the
//! client's metadata, and with the rest of its deadline.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::answer::{Framed, GRPC_TIMEOUT, framed, own_metadata, request, too_much};
use super::{Answer, Away, Link, MAX_MESSAGE, Share, Taken, frame, gzip};
use crate::wire::WireError;

/// How a message is compressed.
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// How an answer may be.
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// Not at all.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
/// A method that changes nothing, by which containerd tells how it takes a call.
const HARMLESS: PathAndQuery = PathAndQuery::from_static("/runtime.v1.RuntimeService/Version");

/// A unary call.
pub struct Call {
    link: Link,
    path: PathAndQuery,
    /// `POST`, unless the client is mistaken.
    method: Method,
    /// How the client says that it has compressed its message.
    encoding: Option<HeaderValue>,
    metadata: HeaderMap,
    deadline: Option<Instant>,
}

impl Call {
    /// A client's call to be answered over `link`. containerd is asked without compression, for its answer is looked
    /// into.
    pub fn new(link: Link, head: http::request::Parts) -> Self {
        let http::request::Parts { method, uri, headers, .. } = head;
        let mut call = Self::to(link, &uri, headers);
        call.method = method;
        call.encoding = call.metadata.remove(GRPC_ENCODING).filter(|encoding| *encoding != IDENTITY);
        call.metadata.insert(GRPC_ACCEPT_ENCODING, IDENTITY);
        call
    }

    fn to(link: Link, uri: &Uri, metadata: HeaderMap) -> Self {
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let deadline = metadata
            .get(GRPC_TIMEOUT)
            .and_then(grpc_timeout)
            .and_then(|left| Instant::now().checked_add(left));
        Self { link, path, method: Method::POST, encoding: None, metadata, deadline }
    }

    /// A call of the shunt's own, as a client would make it.
    pub fn own(link: Link, path: &'static str) -> Self {
        Self::to(link, &Uri::from_static(path), own_metadata())
    }

    /// Reads the one message of the call. It takes what it needs of the memory for messages until the call is answered.
    ///
    /// # Errors
    /// What containerd would answer to a body that holds none, or to a call that is made in this way. A refusal where
    /// too little memory is left.
    pub async fn message(&self, body: &mut RecvStream) -> Result<(Bytes, Option<Taken>), Answer> {
        let refused = |status: Status| Answer::failure(&status);
        if self.method != Method::POST {
            self.is_taken(false).await?;
        }
        let memory = self.link.messages();
        let (Framed { message, is_compressed }, held) = read_message(body, memory).await.map_err(refused)?;
        if self.encoding.is_some() || is_compressed {
            self.is_taken(is_compressed).await?;
        }
        match &self.encoding {
            _ if !is_compressed => Ok((message, held)),
            Some(encoding) if encoding == "gzip" => {
                let (message, held) = gzip::decompress(message, memory).await.map_err(refused)?;
                Ok((message, Some(held)))
            }
            _ => Err(not_known(self.encoding.as_ref())),
        }
    }

    /// Whether containerd would take a call that is made like this one. Versions of it differ in that, so it is asked
    /// for something harmless in the same way.
    async fn is_taken(&self, is_compressed: bool) -> Result<(), Answer> {
        let mut metadata = own_metadata();
        metadata.extend(self.encoding.clone().map(|encoding| (GRPC_ENCODING, encoding)));
        let mut request = request(Some(&HARMLESS), metadata);
        *request.method_mut() = self.method.clone();
        let mut body = BytesMut::from(&frame(if is_compressed { gzip::EMPTY } else { &[] })[..]);
        body[0] = u8::from(is_compressed);
        let asked = self.link.exchange(request, body.freeze()).await;
        let answer = asked.map_err(|away| Answer::failure(&Status::unavailable(away.to_string())))?;
        let is_refused = matches!(answer.status().code(), Code::Unimplemented | Code::Internal);
        if is_refused || answer.head.status() != StatusCode::OK { Err(answer) } else { Ok(()) }
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

/// The refusal of a message that is compressed in a way that is not known here (gRPC specification, "Compression").
fn not_known(encoding: Option<&HeaderValue>) -> Answer {
    let encoding = encoding.map(|encoding| String::from_utf8_lossy(encoding.as_bytes())).unwrap_or_default();
    let text = format!("grpc: Decompressor is not installed for grpc-encoding \"{encoding}\"");
    let mut answer = Answer::failure(&Status::unimplemented(text));
    answer.head.headers_mut().insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
    answer
}

/// Longer messages are counted: the shorter ones are bounded by the number of calls.
const SHORT: usize = 16 << 10;

/// Reads the one message of a unary request.
async fn read_message(
    body: &mut RecvStream,
    messages: &Arc<Share>,
) -> Result<(Framed, Option<Taken>), Status> {
    let mut bytes = BytesMut::new();
    let mut held = None;
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(|error| Status::cancelled(error.to_string()))?;
        let _ = body.flow_control().release_capacity(chunk.len());
        bytes.extend_from_slice(&chunk);
        let wanted = bytes.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        let Some(length) = wanted.map(|length| length as usize) else { continue };
        if length > MAX_MESSAGE {
            break;
        }
        if held.is_none() && length > SHORT {
            // As it came, as it is edited, and as it is sent on.
            held = Some(messages.take(3 * length).ok_or_else(too_much)?);
            bytes.reserve((length + 5).saturating_sub(bytes.len()));
        }
        if bytes.len() - 5 >= length {
            break;
        }
    }
    Ok((framed(&bytes.freeze())?, held))
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
