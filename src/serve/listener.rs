//! The unix socket that clients connect to, and the HTTP/2 connections on it.
//!
//! Holds: a connection that misbehaves ends alone. Each connection has its own link to containerd.

pub mod authority;
pub mod socket;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::Instant;
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

/// Longer than the last calls of all connections take, if none of them is a long one.
const SHORT: Duration = Duration::from_secs(1);

/// Serves `socket` until `stop`, and then until the calls under way have ended.
///
/// A socket of systemd's goes on being served meanwhile, for the next process takes it over only after the end of this
/// one. Else no more connections are taken.
pub async fn serve(socket: Socket, state: Arc<State>, stop: CancellationToken) {
    let mut door = Door { socket, state, connections: TaskTracker::new(), last: CancellationToken::new() };
    door.accept_until(stop.cancelled()).await;
    door.connections.close();
    door.state.tasks.close();
    door.state.calls.end_streams();
    if door.socket.is_inherited() {
        return door.drain().await;
    }
    door.last.cancel();
    // A successor can listen while the last calls end here.
    if let Err(error) = door.socket.close() {
        tracing::warn!(%error, "the socket's file stays behind");
    }
    door.connections.wait().await;
}

/// The socket with its connections.
struct Door {
    socket: Socket,
    state: Arc<State>,
    connections: TaskTracker,
    /// Cancelled when the connections are to take no more calls.
    last: CancellationToken,
}

impl Door {
    async fn accept_until(&self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = &mut end => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    tracing::debug!(pid = peer.pid, uid = peer.uid, "connected");
                    let client = Client::new(peer.pid, peer.uid, peer.gid);
                    let (state, last) = (self.state.clone(), self.last.clone());
                    self.connections.spawn(connection(stream, client, state, last));
                }
                Err(error) => {
                    // For example no file descriptor is free: waiting clients are served when there are some.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Serves until there are only short calls. Then these end, while new connections wait in the socket's queue.
    async fn drain(&mut self) {
        loop {
            self.state.calls.allow_streams();
            self.accept_until(long_calls(&self.state)).await;
            self.state.calls.end_streams();
            self.last.cancel();
            let ended = async {
                self.connections.wait().await;
                self.state.tasks.wait().await;
            };
            if tokio::time::timeout(SHORT, ended).await.is_ok() {
                return;
            }
            // A long one has begun at the last moment: nobody is to wait for it.
            self.last = CancellationToken::new();
        }
    }
}

/// Returns once there is no call that takes long, and no work that one has left.
async fn long_calls(state: &State) {
    loop {
        let begin = Instant::now();
        state.calls.under_way().wait().await;
        state.tasks.wait().await;
        if begin.elapsed() < SHORT {
            return;
        }
    }
}

async fn connection(stream: UnixStream, client: Client, state: Arc<State>, last: CancellationToken) {
    let handshake = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_concurrent_reset_streams(PENDING_RESETS)
        .handshake(Filter::new(stream));
    let handshake = tokio::select! {
        handshake = handshake => handshake,
        // A client that has sent nothing so far is not waited for.
        () = last_call(&last, false) => return,
    };
    let mut connection = match handshake {
        Ok(connection) => connection,
        Err(error) => return tracing::debug!(%error, "a client did not speak HTTP/2"),
    };
    let link = state.containerd.link.another();
    let requests = TaskTracker::new();
    let mut served = false;
    let mut stopping = false;
    let mut last_arrives = pin!(last_call(&last, served));
    loop {
        let request = tokio::select! {
            request = connection.accept() => request,
            () = &mut last_arrives, if !stopping => {
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
                    last_arrives.set(last_call(&last, served));
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
async fn last_call(last: &CancellationToken, served: bool) {
    last.cancelled().await;
    if !served {
        tokio::time::sleep(LAST_ARRIVAL).await;
    }
}

/// Returns once all `requests` have ended and those that were on their way have had time to arrive.
async fn rest(requests: &TaskTracker) {
    requests.wait().await;
    tokio::time::sleep(LAST_ARRIVAL).await;
}
