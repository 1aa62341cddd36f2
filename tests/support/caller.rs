//! A client of the `h2` crate whose windows the test gives and sees.
//!
//! It takes a socket, a method's path and the bytes of a body.
//! Holds: no room is given back but for what [`exchange`] has read.

use std::path::Path;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};

/// A connection whose streams have a window of 1 MiB, and which has the window that HTTP/2 begins with.
pub async fn connect(socket: &Path) -> SendRequest<Bytes> {
    connect_with(&mut h2::client::Builder::new(), socket).await
}

/// As `connect`, of a client that is made in another way.
pub async fn connect_with(client: &mut h2::client::Builder, socket: &Path) -> SendRequest<Bytes> {
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let (sender, connection) =
        client.initial_window_size(1 << 20).handshake::<_, Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

/// A call with metadata of several kinds.
pub fn request(path: &str) -> Request<()> {
    Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-text", "one")
        .header("x-text", "two")
        .header("x-bin", "AAEC")
        .header("grpc-timeout", "50S")
        .body(())
        .unwrap()
}

/// Sends `body` as it is taken and reads the answer: head, body, trailers.
pub async fn exchange(
    sender: &mut SendRequest<Bytes>,
    path: &str,
    mut body: Bytes,
) -> (HeaderMap, Vec<u8>, HeaderMap) {
    let (response, mut stream) = sender.send_request(request(path), false).unwrap();
    let sending = async {
        while !body.is_empty() {
            stream.reserve_capacity(body.len());
            let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
            let part = body.split_to(room.min(body.len()));
            stream.send_data(part, false).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    };
    let reading = async {
        let (head, mut answer) = response.await.unwrap().into_parts();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.data().await {
            let chunk = chunk.unwrap();
            answer.flow_control().release_capacity(chunk.len()).unwrap();
            bytes.extend_from_slice(&chunk);
        }
        (head.headers, bytes, answer.trailers().await.unwrap().unwrap_or_default())
    };
    tokio::join!(sending, reading).1
}
