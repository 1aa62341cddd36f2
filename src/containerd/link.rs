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
use tokio_util::sync::CancellationToken;

use super::Share;

/// What may be sent before the other side has taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Bytes of one stream.
    pub stream: u32,
    /// Bytes of all streams of one connection together.
    pub connection: u32,
}

impl Windows {
    /// Large enough for a list of some thousand images without a round trip, small enough that any number of slow
    /// readers on one connection costs no more than 4 MiB.
    pub const LARGE: Self = Self { stream: 1 << 20, connection: 4 << 20 };
    /// What HTTP/2 begins with.
    pub const SMALL: Self = Self { stream: 65_535, connection: 65_535 };
}

/// Bytes of one stream that wait for the connection to take them, whatever the other side has room for.
pub(crate) const UNSENT: usize = 64 << 10;
/// How long the headers or trailers of an answer may be, with 32 bytes more for each, as HTTP/2 counts them.
const HEADERS: u32 = 64 << 10;

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
    windows: Windows,
    messages: Arc<Share>,
    sender: Mutex<Option<SendRequest<Bytes>>>,
    /// Told when nobody is left for whom it could be.
    closed: CancellationToken,
}

impl Link {
    /// A link to the containerd that listens on `socket`. Nothing is dialled yet.
    pub fn new(socket: Arc<Path>) -> Self {
        Self::with(socket, Windows::LARGE, Share::endless())
    }

    fn with(socket: Arc<Path>, windows: Windows, messages: Arc<Share>) -> Self {
        let (sender, closed) = (Mutex::new(None), CancellationToken::new());
        Self { inner: Arc::new(Inner { socket, windows, messages, sender, closed }) }
    }

    /// The socket that this link leads to.
    pub fn socket(&self) -> &Path {
        &self.inner.socket
    }

    /// A fresh link to the same socket.
    pub fn another(&self) -> Self {
        Self::new(self.inner.socket.clone())
    }

    /// A fresh link to the same socket for the calls of one client connection. What is held in memory of its
    /// messages is taken from `messages`.
    pub fn for_client(&self, windows: Windows, messages: Arc<Share>) -> Self {
        Self::with(self.inner.socket.clone(), windows, messages)
    }

    /// What may be held in memory of whole messages.
    pub fn messages(&self) -> &Arc<Share> {
        &self.inner.messages
    }

    /// Ends the connection at once, and with it every call: to cancel them one by one, containerd would have to read.
    pub fn close(&self) {
        self.inner.closed.cancel();
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
        if self.inner.closed.is_cancelled() {
            return Err(self.broken("the client is gone"));
        }
        let fresh = dial(&self.inner).await.map_err(|reason| Away::new(self.socket(), reason))?;
        let ready = fresh.ready().await.map_err(|reason| Away::new(self.socket(), reason))?;
        *slot = Some(ready.clone());
        Ok(ready)
    }

    /// The error of a call whose connection broke under it.
    pub fn broken(&self, reason: impl ToString) -> Away {
        Away::new(self.socket(), reason)
    }
}

async fn dial(link: &Inner) -> io::Result<SendRequest<Bytes>> {
    let stream = UnixStream::connect(&link.socket).await?;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(link.windows.stream)
        .initial_connection_window_size(link.windows.connection)
        .max_header_list_size(HEADERS)
        .max_send_buffer_size(UNSENT)
        .enable_push(false)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(io::Error::other)?;
    // It ends by itself once the last sender and the last stream are gone, or containerd is.
    let closed = link.closed.clone();
    tokio::spawn(async move {
        if let Some(Err(error)) = closed.run_until_cancelled_owned(connection).await {
            tracing::debug!(%error, "connection to containerd ended");
        }
    });
    Ok(sender)
}
