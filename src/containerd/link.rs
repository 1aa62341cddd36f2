//! One HTTP/2 connection to containerd's socket, dialled when first needed and again when it is gone.
//!
//! Holds: a call that finds no live connection connects at once, without any back-off: kubelet and crictl have time-outs
//! of their own, and a unix socket answers or refuses within microseconds.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

/// Bytes of one stream that containerd may send before the client has taken them.
///
/// Large enough for a list of some thousand images without a round trip, small enough that sixteen
/// slow readers cost no more than 16 MiB.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all streams of one connection together.
const CONNECTION_WINDOW: u32 = 4 << 20;

/// containerd does not answer on its socket, or its connection broke.
#[derive(Debug, Clone, thiserror::Error)]
#[error("containerd is not reachable on {socket}: {reason}")]
pub struct Away {
    socket: Arc<str>,
    reason: String,
}

impl Away {
    fn new(socket: &Path, reason: impl ToString) -> Self {
        Self { socket: socket.to_string_lossy().into(), reason: reason.to_string() }
    }
}

/// A connection to containerd that is made with its first call.
///
/// Clones share the connection. The listener makes one for each client connection, so that a client
/// that goes away takes exactly its own calls with it, and one slow reader never holds up another.
#[derive(Clone)]
pub struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    socket: Arc<Path>,
    sender: Mutex<Option<SendRequest<Bytes>>>,
}

impl Link {
    /// A link to the containerd that listens on `socket`. Nothing is dialled yet.
    pub fn new(socket: Arc<Path>) -> Self {
        Self { inner: Arc::new(Inner { socket, sender: Mutex::new(None) }) }
    }

    /// The socket that this link leads to.
    pub fn socket(&self) -> &Path {
        &self.inner.socket
    }

    /// A fresh link to the same socket.
    pub fn another(&self) -> Self {
        Self::new(self.inner.socket.clone())
    }

    /// A sender that can take a request now.
    ///
    /// # Errors
    /// [`Away`] where nothing answers on the socket, or what answers does not speak HTTP/2.
    pub async fn sender(&self) -> Result<SendRequest<Bytes>, Away> {
        let mut slot = self.inner.sender.lock().await;
        if let Some(sender) = slot.as_ref()
            && let Ok(ready) = sender.clone().ready().await
        {
            return Ok(ready);
        }
        *slot = None;
        let fresh = dial(&self.inner.socket).await.map_err(|reason| Away::new(self.socket(), reason))?;
        let ready = fresh.ready().await.map_err(|reason| Away::new(self.socket(), reason))?;
        *slot = Some(ready.clone());
        Ok(ready)
    }

    /// The error of a call whose connection broke under it.
    pub fn broken(&self, reason: impl ToString) -> Away {
        Away::new(self.socket(), reason)
    }
}

async fn dial(socket: &Path) -> io::Result<SendRequest<Bytes>> {
    let stream = UnixStream::connect(socket).await?;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_push(false)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(io::Error::other)?;
    // It ends by itself once the last sender and the last stream are gone, or containerd is.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to containerd ended");
        }
    });
    Ok(sender)
}
