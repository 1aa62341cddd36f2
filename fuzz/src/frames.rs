//! Any bytes behind a preface, through the relay of frames to a server of another HTTP/2 stack: what that server sees on
//! a stream is what it sees there without the relay, and the relay ends when its client has left.
//!
//! Input: how much comes at a time, and the stream. If the first is odd, the relay has a connection to the server before
//! the client comes. `:authority` is not compared: the relay mends it. Streams that one of the two ways refuses are not
//! compared either, and nothing is where calls are looked into: these come to the server on another connection.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::disk::Disk;
use bytes::Bytes;
use cri_shunt::inside::serve::serve_alone;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Much longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call, as the server sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: http::Method,
    path: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    /// Its message, if all of it has come.
    body: Option<(Vec<u8>, Option<HeaderMap>)>,
}

impl Seen {
    fn is_looked_into(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.contains("runtime.v1") || path.contains("crishunt"))
    }
}

/// The calls of one connection, by the numbers of their streams.
type Calls = BTreeMap<u32, Seen>;

/// Serves one connection until it ends.
async fn server(stream: UnixStream) -> Calls {
    let mut seen = Calls::new();
    let Ok(mut connection) = h2::server::handshake(stream).await else { return seen };
    let mut calls = Vec::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        calls.push(tokio::spawn(one(request, respond)));
    }
    drop(connection);
    for call in calls {
        let (stream, call) = call.await.unwrap();
        seen.insert(stream, call);
    }
    seen
}

async fn one(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> (u32, Seen) {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string);
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let headers: Vec<_> = headers.collect();
    let call =
        |body| Seen { method: head.method.clone(), path: path.clone(), headers: headers.clone(), body };
    let stream = respond.stream_id().as_u32();
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    if let Ok(mut answer) = respond.send_response(response, false) {
        drop(answer.send_data(Bytes::from_static(b"\0\0\0\0\x04good"), false));
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        drop(answer.send_trailers(trailers));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let Ok(chunk) = chunk else { return (stream, call(None)) };
        drop(body.flow_control().release_capacity(chunk.len()));
        bytes.extend_from_slice(&chunk);
    }
    let body = body.trailers().await.ok().map(|trailers| (bytes, trailers));
    (stream, call(body))
}

/// Sends it all, reads whatever comes, and leaves.
async fn client(mut stream: UnixStream, bytes: &[u8], size: usize) {
    let (mut read, mut write) = stream.split();
    let sending = async {
        for piece in bytes.chunks(size) {
            if write.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(write.shutdown().await);
    };
    let reading = async { while matches!(read.read(&mut [0; 4096]).await, Ok(1..)) {} };
    tokio::join!(sending, reading);
}

/// Whether there is a connection to the server before the client comes.
struct Greeted(bool);

/// What the server sees on its first connection.
async fn seen(bytes: &[u8], size: usize, relay: Option<Greeted>) -> Calls {
    let disk = Disk::new("frames");
    let socket = disk.path("s");
    drop(std::fs::remove_file(&socket));
    let listener = UnixListener::bind(&socket).unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let Some(Greeted(is_greeted)) = relay else {
        return tokio::join!(client(near, bytes, size), server(far)).1;
    };
    // Frames that pass come on the first connection.
    let calls = Rc::new(RefCell::new(None));
    let accepting = async {
        while let Ok((stream, _)) = listener.accept().await {
            let serving = tokio::spawn(server(stream));
            calls.borrow_mut().get_or_insert(serving);
        }
    };
    let relaying = async { tokio::join!(client(near, bytes, size), serve_alone(far, &socket, is_greeted)) };
    tokio::select! {
        biased;
        () = accepting => unreachable!("it accepts for as long as it is polled"),
        _ = relaying => {}
    }
    let first = calls.borrow_mut().take();
    match first {
        Some(first) => first.await.unwrap(),
        None => Calls::new(),
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let [size, tail @ ..] = bytes else { return };
    let sent = [PREFACE, tail].concat();
    let piece = usize::from(*size) * 16 + 1;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let both = async {
        let direct = seen(&sent, piece, None).await;
        (direct, seen(&sent, piece, Some(Greeted(size % 2 == 1))).await)
    };
    let (direct, relayed) = runtime
        .block_on(async { tokio::time::timeout(PATIENCE, both).await.expect("it ends with its client") });
    if direct.values().chain(relayed.values()).any(Seen::is_looked_into) {
        return;
    }
    for (stream, call) in relayed {
        let Some(same) = direct.get(&stream) else { continue };
        assert_eq!(call.method, same.method, "stream {stream}");
        assert_eq!(call.path, same.path, "stream {stream}");
        assert_eq!(call.headers, same.headers, "stream {stream}");
        if let (Some(one), Some(other)) = (&call.body, &same.body) {
            assert_eq!(one, other, "stream {stream}");
        }
    }
}
