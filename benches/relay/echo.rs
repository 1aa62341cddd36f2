//! The upstream that costs as little as possible: `/bench.Echo/SIZE` answers so many bytes, and
//! `/bench.Echo/events/COUNT` streams so many small messages. It runs as a process of its own, so that a
//! relay's CPU time is its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};

use super::support::raw::framed;

/// A running echo process.
pub struct Echo {
    child: Child,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Echo {
    /// Starts one.
    pub fn start() -> Echo {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("echo.sock");
        let program = std::env::current_exe().unwrap();
        let child = Command::new(program).arg("--echo").arg(&socket).spawn().unwrap();
        Echo { child, socket, _dir: dir }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves until it is killed.
pub fn serve(socket: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = Bytes::from(vec![7; 8 << 20]);
    runtime.block_on(async {
        let listener = tokio::net::UnixListener::bind(socket).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::Builder::new()
                    .initial_window_size(1 << 20)
                    .initial_connection_window_size(4 << 20)
                    .handshake(stream)
                    .await
                else {
                    return;
                };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(one(request, respond, answer.clone()));
                }
            });
        }
    });
}

async fn one(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, answer: Bytes) {
    let (head, mut body) = request.into_parts();
    while let Some(Ok(chunk)) = body.data().await {
        drop(body.flow_control().release_capacity(chunk.len()));
    }
    let path = head.uri.path().trim_start_matches("/bench.Echo/").to_owned();
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let Ok(mut stream) = respond.send_response(response, false) else { return };
    match path.strip_prefix("events/") {
        Some(count) => {
            for _ in 0..count.parse().unwrap_or(0) {
                send(&mut stream, framed(&answer.slice(..200))).await;
                tokio::task::yield_now().await;
            }
        }
        None => send(&mut stream, framed(&answer.slice(..path.parse().unwrap_or(0)))).await,
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    drop(stream.send_trailers(trailers));
}

async fn send(stream: &mut h2::SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        if stream.send_data(bytes.split_to(room.min(bytes.len())), false).is_err() {
            return;
        }
    }
}
