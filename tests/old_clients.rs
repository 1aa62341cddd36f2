//! gRPC C-core, which sends a unix socket's path as `:authority`, against the `h2` crate behind the
//! relay. Skipped, and counted so, where Debian's python3-grpcio is not installed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use bytes::Bytes;
use cri_shunt::inside::serve::serve_alone;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};

const PYTHON: &str = "/usr/bin/python3";
const CALLS: usize = 30;
/// More than a frame of 16 KiB, less than the headers of a call may have.
const LONG: usize = 30_000;

/// What the server saw: authorities, and the raw bytes of each connection.
#[derive(Default)]
struct Seen {
    authorities: Vec<String>,
    connections: Vec<Vec<u8>>,
}

/// A stream that keeps a copy of what was read.
struct Tee {
    inner: UnixStream,
    nth: usize,
    seen: Arc<Mutex<Seen>>,
}

impl AsyncRead for Tee {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.seen.lock().unwrap().connections[self.nth].extend_from_slice(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tee {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Serves `socket`, with the relay before it or without.
async fn serve(socket: PathBuf, seen: Arc<Mutex<Seen>>, is_relayed: bool) {
    let listener = UnixListener::bind(&socket).unwrap();
    let behind = socket.with_extension("behind");
    let server = UnixListener::bind(&behind).unwrap();
    loop {
        let (inner, _) = listener.accept().await.unwrap();
        let nth = {
            let mut seen = seen.lock().unwrap();
            seen.connections.push(Vec::new());
            seen.connections.len() - 1
        };
        let mut tee = Tee { inner, nth, seen: seen.clone() };
        if !is_relayed {
            tokio::spawn(connection(tee, seen.clone()));
            continue;
        }
        let (mut near, far) = UnixStream::pair().unwrap();
        let behind = behind.clone();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut tee, &mut near).await });
        tokio::spawn(async move { serve_alone(far, &behind, false).await });
        let (stream, _) = server.accept().await.unwrap();
        tokio::spawn(connection(stream, seen.clone()));
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, seen: Arc<Mutex<Seen>>) {
    let mut builder = h2::server::Builder::new();
    let mut h2 = builder.max_header_list_size(1 << 20).handshake::<_, Bytes>(stream).await.unwrap();
    while let Some(accepted) = h2.accept().await {
        // The client hangs up, or what it sent was refused: its own report says which.
        let Ok((request, respond)) = accepted else { return };
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        seen.lock().unwrap().authorities.push(authority);
        tokio::spawn(echo(request, respond));
    }
}

async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    let long = head.headers.get("x-long").map_or(0, HeaderValue::len);
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("x-n", &head.headers["x-n"])
        .header("x-long-len", long)
        .body(())
        .unwrap();
    let mut send = respond.send_response(response, false).unwrap();
    while let Some(piece) = body.data().await {
        send.send_data(piece.unwrap(), false).unwrap();
    }
    send.send_trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(0))]))
        .unwrap();
}

/// Runs the client against a server and answers its lines.
async fn run(socket: &Path, authority: &str, is_relayed: bool) -> (Vec<String>, Seen) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let server = tokio::spawn(serve(socket.to_owned(), seen.clone(), is_relayed));
    let mut client = Command::new(PYTHON);
    client
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old_clients/client.py"))
        .args([socket.as_os_str(), authority.as_ref()])
        .args([CALLS.to_string(), LONG.to_string()]);
    let output = tokio::task::spawn_blocking(move || client.output()).await.unwrap().unwrap();
    server.abort();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (lines, seen)
}

fn has_grpcio() -> bool {
    let found = Command::new(PYTHON).args(["-c", "import grpc"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        support::skipped(&format!("{PYTHON} has no grpc module (Debian: python3-grpcio)"));
    }
    found
}

/// Kinds of the frames after the client's preface.
fn frame_kinds(connection: &[u8]) -> Vec<u8> {
    let mut rest = &connection[24..];
    let mut kinds = Vec::new();
    while let [a, b, c, kind, ..] = *rest {
        kinds.push(kind);
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        rest = rest.get(9 + len..).unwrap_or_default();
    }
    kinds
}

fn occurrences(connection: &[u8], text: &str) -> usize {
    connection.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

/// All calls of one channel are served, and what the client sent was what this is about.
async fn assert_served(authority: impl Fn(&Path) -> (String, String)) {
    if !has_grpcio() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let socket: PathBuf = dir.path().join("shunt.sock");
    let (option, sent) = authority(&socket);
    let (lines, seen) = run(&socket, &option, true).await;
    let want: Vec<String> =
        (0..CALLS).map(|i| format!("ok call {i} {i} {}", if i % 3 == 2 { LONG } else { 0 })).collect();
    assert_eq!(lines, want);
    let [connection] = &seen.connections[..] else { panic!("{} connections", seen.connections.len()) };
    assert_eq!(occurrences(connection, &sent), 1, "{sent} is sent once, and then by index");
    assert!(frame_kinds(connection).contains(&9), "long headers come in CONTINUATION frames");
    assert_eq!(seen.authorities, ["localhost"; CALLS]);
}

/// Debian's C-core (1.51) says "localhost" for a unix socket if nobody tells it otherwise.
#[tokio::test]
async fn default_target_keeps_its_authority() {
    if !has_grpcio() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (lines, seen) = run(&dir.path().join("shunt.sock"), "", true).await;
    assert!(lines.iter().all(|line| line.starts_with("ok")), "{lines:?}");
    assert_eq!(seen.authorities, ["localhost"; CALLS]);
}

#[tokio::test]
async fn raw_path_is_served() {
    assert_served(|socket| {
        let path = socket.to_str().unwrap().to_owned();
        (path.clone(), path)
    })
    .await;
}

#[tokio::test]
async fn percent_encoded_path_is_served() {
    assert_served(|socket| {
        let path = socket.to_str().unwrap().replace('/', "%2F");
        (path.clone(), path)
    })
    .await;
}

/// What the relay mends: without it, the same calls fail.
#[tokio::test]
async fn without_the_relay_the_path_is_refused() {
    if !has_grpcio() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (lines, seen) = run(&dir.path().join("shunt.sock"), "/run/x.sock", false).await;
    assert_eq!(lines, vec!["error INTERNAL"; CALLS]);
    assert_eq!(seen.authorities, Vec::<String>::new());
}
