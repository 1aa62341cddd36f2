//! The unix socket that clients connect to, and who is let in. Their connections are served by `frames`.
//!
//! Holds: a connection that misbehaves ends alone. What a client may have open is limited (`limits`).

pub mod limits;
pub mod socket;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use limits::Limits;
use socket::{Peer, Socket};

use crate::serve::frames::{self, Spare};
use crate::serve::memory;
use crate::state::{Client, State};

/// How often the log says that connections are refused.
const REFUSALS: Duration = Duration::from_secs(60);

/// Longer than the last calls of all connections take, if none of them is a long one.
const SHORT: Duration = Duration::from_secs(1);

/// Serves `socket` until `stop`, and then until the calls under way have ended.
///
/// A socket of systemd's goes on being served meanwhile, for the next process takes it over only after the end of this
/// one. Else no more connections are taken.
pub async fn serve(socket: Socket, state: Arc<State>, stop: CancellationToken) {
    let ended = Arc::new(Notify::new());
    let _memory = AbortOnDropHandle::new(tokio::spawn(memory::give_back(ended.clone())));
    let spare = Arc::new(Spare::to(state.containerd.link.socket()));
    spare.fill();
    let mut door = Door {
        socket,
        state,
        spare,
        limits: Limits::new(),
        refused: None,
        connections: TaskTracker::new(),
        ended,
        last: CancellationToken::new(),
    };
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
    spare: Arc<Spare>,
    limits: Limits,
    /// When the log has said last that a connection is refused.
    refused: Option<Instant>,
    connections: TaskTracker,
    /// Told when a connection has ended.
    ended: Arc<Notify>,
    /// Cancelled when the connections are to take no more calls.
    last: CancellationToken,
}

impl Door {
    async fn accept_until(&mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = &mut end => return,
            };
            match accepted {
                Ok((stream, peer)) => self.let_in(stream, peer),
                Err(error) => {
                    // For example no file descriptor is free: waiting clients are served when there are some.
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn let_in(&mut self, stream: UnixStream, peer: Peer) {
        tracing::debug!(pid = peer.pid, uid = peer.uid, "connected");
        let client = Client::new(peer.pid, peer.uid, peer.gid);
        let Some(admitted) = self.limits.admit(peer.pid) else {
            if self.refused.is_none_or(|last| last.elapsed() > REFUSALS) {
                self.refused = Some(Instant::now());
                tracing::warn!(%client, "a client has too many connections: more of it are closed at once");
            }
            return;
        };
        let (state, spare) = (self.state.clone(), self.spare.clone());
        let (last, ended) = (self.last.clone(), self.ended.clone());
        self.connections.spawn(async move {
            frames::serve(stream, client, admitted, state, spare, last).await;
            ended.notify_one();
        });
    }

    /// Serves until there are only short calls. Then these end, while new connections wait in the socket's queue.
    async fn drain(&mut self) {
        loop {
            self.state.calls.allow_streams();
            let state = self.state.clone();
            self.accept_until(long_calls(&state)).await;
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
