//! A whole unary answer, kept as it came: head, message bytes, trailers.
//!
//! Holds: an answer that no handler edits reaches the client with every header, trailer and byte.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use tonic::{Code, Status};

use super::{Away, Link, MAX_MESSAGE, Share, Taken};

/// The answer to one unary call.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status line and headers; for an answer without a message these hold the gRPC status too.
    pub head: Response<()>,
    /// The gRPC frame of the message, or nothing.
    pub body: Bytes,
    /// The trailers; `None` where the head ended the stream.
    pub trailers: Option<HeaderMap>,
    /// What its bytes take of the memory for messages.
    pub held: Option<Arc<Taken>>,
}

/// Frames `message` as one uncompressed gRPC message.
pub fn frame(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(5 + message.len());
    out.put_u8(0);
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.put_slice(message);
    out.freeze()
}

/// The first message of a gRPC body: unary calls have no second, and grpc-go reads none.
///
/// # Errors
/// The status that containerd's own gRPC stack answers for such a body: compressed without a
/// decompressor, over the size limit, or cut short.
pub fn unframe(body: &Bytes) -> Result<Bytes, Status> {
    match framed(body)? {
        Framed { message, is_compressed: false } => Ok(message),
        Framed { .. } => Err(Status::unimplemented("grpc: compressed messages are not supported")),
    }
}

/// A message as it stands in a body.
pub(super) struct Framed {
    pub(super) message: Bytes,
    pub(super) is_compressed: bool,
}

/// As [`unframe`], for a message that may be compressed.
pub(super) fn framed(body: &Bytes) -> Result<Framed, Status> {
    let Some((&flag, rest)) = body.split_first() else {
        return Err(Status::internal("grpc: the request holds no message"));
    };
    let Some(length) = rest.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) as usize) else {
        return Err(Status::internal("unexpected EOF"));
    };
    if flag > 1 {
        return Err(Status::internal(format!("grpc: unknown compression flag {flag}")));
    }
    if length > MAX_MESSAGE {
        return Err(Status::resource_exhausted(format!(
            "grpc: received message larger than max ({length} vs. {MAX_MESSAGE})"
        )));
    }
    if rest.len() - 4 < length {
        return Err(Status::internal("unexpected EOF"));
    }
    Ok(Framed { message: body.slice(5..5 + length), is_compressed: flag == 1 })
}

impl Answer {
    /// An answer of the shunt's own: a failure, as a head that ends the stream.
    pub fn failure(status: &Status) -> Self {
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        // tonic refuses only details and metadata that are not valid headers; this status has neither.
        if status.add_header(headers).is_err() {
            headers.insert("grpc-status", HeaderValue::from(status.code() as i32));
        }
        Self { head, body: Bytes::new(), trailers: None, held: None }
    }

    /// An answer of the shunt's own with a message.
    pub fn message(message: &[u8]) -> Self {
        let mut head = Response::new(());
        head.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Self { head, body: frame(message), trailers: Some(trailers), held: None }
    }

    /// The gRPC status of this answer, with its text and its details.
    pub fn status(&self) -> Status {
        let found = self
            .trailers
            .as_ref()
            .and_then(Status::from_header_map)
            .or_else(|| Status::from_header_map(self.head.headers()));
        found.unwrap_or_else(|| Status::unknown("the answer carries no gRPC status"))
    }

    /// Whether the call succeeded. A whole status is not made for that.
    pub fn is_ok(&self) -> bool {
        let trailers = self.trailers.as_ref().and_then(|trailers| trailers.get(GRPC_STATUS));
        trailers.or_else(|| self.head.headers().get(GRPC_STATUS)).is_some_and(|code| code == "0")
    }

    /// Whether containerd's CRI plugin is still starting: its socket is served before that
    /// (`internal/cri/instrument`: "server is not initialized yet").
    pub fn is_not_initialized(&self) -> bool {
        let status = self.status();
        status.code() == Code::Unavailable && status.message().contains("not initialized")
    }

    /// The message's bytes, if the call succeeded and brought one.
    pub fn payload(&self) -> Option<Bytes> {
        if self.is_ok() { unframe(&self.body).ok() } else { None }
    }

    /// The same answer around another message.
    #[must_use]
    pub fn with_payload(mut self, message: &[u8]) -> Self {
        self.body = frame(message);
        self
    }
}

impl Link {
    /// One unary call: `message` goes out under `metadata`, the whole answer comes back.
    ///
    /// Dropping the future cancels the call in containerd.
    ///
    /// # Errors
    /// [`Away`] where containerd can't be reached or the connection breaks before its answer is whole.
    /// A stream that containerd resets is an answer: the status that gRPC makes of it.
    pub async fn unary(
        &self,
        path: &PathAndQuery,
        metadata: HeaderMap,
        message: &[u8],
    ) -> Result<Answer, Away> {
        self.exchange(request(Some(path), metadata), frame(message)).await
    }

    /// As [`unary`](Self::unary), with a request that need not be one.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn exchange(&self, request: Request<()>, body: Bytes) -> Result<Answer, Away> {
        let mut sender = self.sender().await?;
        let has_deadline = request.headers().contains_key("grpc-timeout");
        let sent = sender.send_request(request, false);
        let (response, mut send) = sent.map_err(|error| self.broken(error))?;
        send.send_data(body, true).map_err(|error| self.broken(error))?;
        match whole(response, self.messages()).await {
            Ok(answer) => Ok(answer),
            Err(error) => match error.reason() {
                // grpc-go's server resets a call whose deadline has passed, and grpc-go's client understands that
                // reset. It would take Cancelled for something else.
                Some(h2::Reason::CANCEL) if error.is_reset() && has_deadline => {
                    Ok(Answer::failure(&Status::deadline_exceeded("context deadline exceeded")))
                }
                Some(reason) if error.is_reset() => Ok(Answer::failure(&reset_status(reason))),
                _ => Err(self.broken(error)),
            },
        }
    }
}

async fn whole(response: h2::client::ResponseFuture, messages: &Arc<Share>) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let mut held = None;
    let Some(body) = collect(&mut stream, messages, &mut held).await? else {
        return Ok(Answer::failure(&too_much()));
    };
    let trailers = stream.trailers().await?;
    Ok(Answer { head: Response::from_parts(head, ()), body, trailers, held: held.map(Arc::new) })
}

/// The refusal of a message for which no memory is left to this client.
pub(super) fn too_much() -> Status {
    Status::resource_exhausted(
        "cri-shunt: the messages of this client that are under way need too much memory; ask again later",
    )
}

/// The gRPC status for a stream that containerd reset, after the table of the gRPC HTTP/2 mapping.
fn reset_status(reason: h2::Reason) -> Status {
    let text = format!("containerd ended the call: {reason}");
    match reason {
        h2::Reason::REFUSED_STREAM => Status::unavailable(text),
        h2::Reason::CANCEL => Status::cancelled(text),
        h2::Reason::ENHANCE_YOUR_CALM => Status::resource_exhausted(text),
        h2::Reason::INADEQUATE_SECURITY => Status::permission_denied(text),
        _ => Status::internal(text),
    }
}

/// The request head for `path`: containerd looks at the path and the metadata alone.
pub(crate) fn request(path: Option<&PathAndQuery>, metadata: HeaderMap) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(Authority::from_static("localhost"));
    uri.path_and_query = Some(path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/")));
    // This can only fail where scheme, authority or path is missing.
    *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    *request.headers_mut() = metadata;
    request
}

/// The message bytes of `stream`; none if they take more than is left of `messages`.
async fn collect(
    stream: &mut RecvStream,
    messages: &Arc<Share>,
    held: &mut Option<Taken>,
) -> Result<Option<Bytes>, h2::Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        // Twice: it is put together once more.
        let needed = 2 * chunk.len();
        let there = match held {
            Some(held) => held.grow(needed),
            None => {
                *held = messages.take(needed);
                held.is_some()
            }
        };
        if !there {
            return Ok(None);
        }
        let _ = stream.flow_control().release_capacity(chunk.len());
        if first.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&chunk);
        }
    }
    if rest.is_empty() {
        return Ok(Some(first));
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(Some(whole.freeze()))
}

/// Metadata for a call of the shunt's own.
pub(crate) fn own_metadata() -> HeaderMap {
    let mut metadata = HeaderMap::with_capacity(3);
    metadata.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    metadata.insert(http::header::TE, HeaderValue::from_static("trailers"));
    metadata.insert(
        http::header::USER_AGENT,
        HeaderValue::from_static(concat!("cri-shunt/", env!("CARGO_PKG_VERSION"))),
    );
    metadata
}

/// `grpc-status`: in the trailers, or in the head of an answer that is nothing else.
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `grpc-timeout`: a candidate's call carries the rest of the client's.
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_succeeded_where_its_status_says_so() {
        let map = |code: &str| HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_str(code).unwrap())]);
        for head in [None, Some("0"), Some("5"), Some("")] {
            for trailers in [None, Some(None), Some(Some("0")), Some(Some("5")), Some(Some("00"))] {
                let mut answer = Answer::failure(&Status::ok(""));
                answer.head.headers_mut().extend(head.map(map).unwrap_or_default());
                answer.trailers = trailers.map(|code| code.map(map).unwrap_or_default());
                assert_eq!(answer.is_ok(), answer.status().code() == Code::Ok, "{head:?} {trailers:?}");
            }
        }
    }

    #[test]
    fn a_framed_message_comes_back_and_its_near_misses_do_not() {
        assert_eq!(unframe(&frame(b"abc")).unwrap(), Bytes::from_static(b"abc"));
        let cases: [(&'static [u8], Code); 5] = [
            (b"", Code::Internal),
            (b"\0\0\0", Code::Internal),
            (b"\0\0\0\0\x02a", Code::Internal),
            (b"\x01\0\0\0\x01a", Code::Unimplemented),
            (b"\0\x01\0\0\x01", Code::ResourceExhausted),
        ];
        for (body, code) in cases {
            assert_eq!(unframe(&Bytes::from_static(body)).unwrap_err().code(), code, "{body:?}");
        }
    }
}
