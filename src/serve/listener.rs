//! The unix socket that clients connect to, and the HTTP/2 connections on it.
//!
//! Holds: a connection that misbehaves ends alone. Each connection has its own link to containerd.

pub mod authority;
pub mod socket;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use authority::Filter;
use socket::Socket;

use crate::serve::router;
use crate::state::{Client, State};

/// Bytes of one stream that a client may send before containerd has taken them.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all streams of one connection together.
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Streams that a client may have reset before we have seen them. kubelet's exec probes are cancelled in
/// bursts; h2's default of 20 would end the connection under them.
const PENDING_RESETS: usize = 1024;

/// How long a request may be on its way when the daemon is told to stop. A client that does not hang up is
/// not waited for any longer.
const LAST_ARRIVAL: Duration = Duration::from_millis(250);

/// Serves `socket` until `stop`; then takes no more connections and ends the connections once their calls have ended.
pub async fn serve(socket: Socket, state: Arc<State>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                tracing::debug!(pid = peer.pid, uid = peer.uid, "connected");
                let client = Client::new(peer.pid, peer.uid, peer.gid);
                connections.spawn(connection(stream, client, state.clone(), stop.clone()));
            }
            Err(error) => {
                // For example no file descriptor is free: waiting clients are served when there are some.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // A successor can listen while the last calls end here.
    if let Err(error) = socket.close() {
        tracing::warn!(%error, "the socket's file stays behind");
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: UnixStream, client: Client, state: Arc<State>, stop: CancellationToken) {
    let handshake = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_concurrent_reset_streams(PENDING_RESETS)
        .handshake(Filter::new(stream));
    let handshake = tokio::select! {
        handshake = handshake => handshake,
        // A client that has sent nothing so far is not waited for.
        () = last_call(&stop, false) => return,
    };
    let mut connection = match handshake {
        Ok(connection) => connection,
        Err(error) => return tracing::debug!(%error, "a client did not speak HTTP/2"),
    };
    let link = state.containerd.link.another();
    let requests = TaskTracker::new();
    let mut served = false;
    let mut stopping = false;
    let mut last = pin!(last_call(&stop, served));
    loop {
        let request = tokio::select! {
            request = connection.accept() => request,
            () = &mut last, if !stopping => {
                stopping = true;
                connection.graceful_shutdown();
                requests.close();
                continue;
            }
            () = rest(&requests), if stopping => break,
        };
        match request {
            Some(Ok((request, respond))) => {
                if !std::mem::replace(&mut served, true) {
                    last.set(last_call(&stop, served));
                }
                requests.spawn(router::route(state.clone(), client.clone(), link.clone(), request, respond));
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a client's connection ended");
                break;
            }
            None => break,
        }
    }
    requests.close();
    requests.wait().await;
}

/// Returns when a connection is to be told that no more requests are taken on it.
///
/// One that has just been made is told after its first request: clients such as hyper and tonic give up
/// a call that meets the news on a new connection, where grpc-go and grpc's C core would dial again.
async fn last_call(stop: &CancellationToken, served: bool) {
    stop.cancelled().await;
    if !served {
        tokio::time::sleep(LAST_ARRIVAL).await;
    }
}

/// Returns once all `requests` have ended and those that were on their way have had time to arrive.
async fn rest(requests: &TaskTracker) {
    requests.wait().await;
    tokio::time::sleep(LAST_ARRIVAL).await;
}
