//! One gRPC call with everything of its answer visible: headers, message bytes, trailers.
//!
//! It takes a socket, a method's path and the bytes of a message.
//! Holds: nothing between the caller and the wire but the `h2` crate.

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use std::path::Path;

use super::caller::connect_with;

/// An HTTP/2 connection to a unix socket.
#[derive(Clone)]
pub struct Raw {
    send: SendRequest<Bytes>,
}

/// All that came back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub http_status: u16,
    pub headers: HeaderMap,
    /// The messages, without their five-byte frames.
    pub messages: Vec<Bytes>,
    pub trailers: HeaderMap,
    /// The reason of a reset, where the stream ended by one, or why there was no stream.
    pub reset: Option<String>,
}

impl Answer {
    /// `grpc-status`, wherever it stands (an answer of trailers only has it in the headers).
    pub fn code(&self) -> Option<i32> {
        self.field("grpc-status").and_then(|value| value.parse().ok())
    }

    /// `grpc-message`, still percent-encoded as it was sent.
    pub fn message(&self) -> Option<String> {
        self.field("grpc-message")
    }

    pub fn field(&self, name: &str) -> Option<String> {
        let value = self.trailers.get(name).or_else(|| self.headers.get(name))?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

impl Raw {
    pub async fn connect(socket: &Path) -> Raw {
        let mut client = h2::client::Builder::new();
        Raw { send: connect_with(client.initial_connection_window_size(4 << 20), socket).await }
    }

    /// Whether the other side has not said that it takes no more calls on this connection.
    pub async fn takes_calls(&self) -> bool {
        self.send.clone().ready().await.is_ok()
    }

    /// A unary call, or a stream that ends by itself, with one message.
    pub async fn call(&self, path: &str, message: &[u8]) -> Answer {
        self.call_with(path, message, &[]).await
    }

    /// As `call`, with more request headers.
    pub async fn call_with(&self, path: &str, message: &[u8], headers: &[(&str, &str)]) -> Answer {
        self.exchange(path, framed(message), headers, usize::MAX).await
    }

    /// As `call_with`, with a body that need not be framed as gRPC asks; gives up (resetting the
    /// stream) after `most` messages.
    pub async fn exchange(&self, path: &str, body: Bytes, headers: &[(&str, &str)], most: usize) -> Answer {
        self.send(request(path, headers), body, most).await
    }

    /// As `exchange`, with a head that need not be one of gRPC.
    pub async fn send(&self, head: Request<()>, body: Bytes, most: usize) -> Answer {
        let mut answer = Answer::default();
        let exchanged = async {
            let mut send = self.send.clone().ready().await?;
            let (response, mut stream) = send.send_request(head, body.is_empty())?;
            if !body.is_empty() {
                // h2 queues what the windows do not let go yet.
                drop(stream.send_data(body, true));
            }
            receive(response, &mut answer, most).await
        };
        if let Err(error) = exchanged.await {
            answer.reset = error.reason().map(|reason| reason.to_string()).or(Some(error.to_string()));
        }
        answer
    }
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// A message with gRPC's frame: not compressed, length, bytes.
pub fn framed(message: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(message.len() + 5);
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap());
    body.put_slice(message);
    body.freeze()
}

async fn receive(
    response: h2::client::ResponseFuture,
    answer: &mut Answer,
    most: usize,
) -> Result<(), h2::Error> {
    let (parts, mut body) = response.await?.into_parts();
    answer.http_status = parts.status.as_u16();
    answer.headers = parts.headers;
    let mut pending = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        pending.extend_from_slice(&chunk);
        while pending.len() >= 5 {
            let length = u32::from_be_bytes([pending[1], pending[2], pending[3], pending[4]]) as usize;
            if pending.len() < length + 5 {
                break;
            }
            answer.messages.push(pending.split_to(length + 5).freeze().slice(5..));
        }
        if answer.messages.len() >= most {
            return Ok(());
        }
    }
    assert!(pending.is_empty(), "a message was cut short: {} bytes of it", pending.len());
    answer.trailers = body.trailers().await?.unwrap_or_default();
    Ok(())
}
