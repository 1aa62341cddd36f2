//! The shunt's own server for the calls that are taken out of a client's connection.
//!
//! It is an HTTP/2 server of `h2`, at the other end of a pipe in memory. Stream numbers are the client's.
//! Holds: no more of its answers waits for room at the client than the window that every connection begins with.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::head::{self, WINDOW};
use super::held::Held;
use super::hpack::decoder::Decoder;
use super::hpack::fields::MAX_LIST;
use super::settings::Settings;
use super::side::Side;
use super::streams::{Upload, Way};
use crate::containerd::{Link, UNSENT, Windows};
use crate::serve::router;
use crate::state::{Client, State};

/// Bytes that wait in the pipe.
const PIPE: usize = 64 << 10;
/// Streams that a client may have reset before we have seen them. kubelet's exec probes are cancelled in
/// bursts; h2's default of 20 would end the connection under them.
const PENDING_RESETS: usize = 1024;
/// Streams that had to be reset here because of what the client sent on them, before its connection is ended.
const FAULTS: usize = 1024;
/// How long calls may take to see that their client is gone.
const SEEN_WITHIN: Duration = Duration::from_millis(250);

/// The server, seen from the client's connection.
pub(super) struct Taken {
    pub(super) side: Side<DuplexStream>,
    pub(super) decoder: Decoder,
    /// Answers that the client has no room for.
    pub(super) held: Held,
    /// How much of the client's window its answers have used, and the client has not given back.
    pub(super) owed: u32,
    /// What the server takes on all streams, and on a new one.
    pub(super) window: i64,
    pub(super) stream_window: i64,
    /// What waits for these windows.
    pub(super) waiting: usize,
    /// How much of the client's window was not given back at once, because too much waits.
    pub(super) withheld: usize,
    /// A block that has not ended: its stream, whether the stream ends with it, and its bytes.
    pub(super) block: Option<(u32, bool, Vec<u8>)>,
    task: JoinHandle<()>,
}

impl Taken {
    pub(super) fn start(
        state: Arc<State>,
        client: Client,
        link: Link,
        windows: Windows,
        said: Settings,
    ) -> Taken {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let mut side = Side::new(ours);
        side.out.extend_from_slice(head::PREFACE);
        Settings { window: said.window, ..Settings::default() }.put_of_client(&mut side.out);
        Taken {
            side,
            decoder: Decoder::new(),
            held: Held::default(),
            owed: 0,
            window: WINDOW.into(),
            stream_window: WINDOW.into(),
            waiting: 0,
            withheld: 0,
            block: None,
            task: tokio::spawn(serve(theirs, state, client, link, windows)),
        }
    }

    /// Notes that so much of its answers has gone to the client, and lets it send as much again. A client with a large
    /// window gives nothing back for a long time, so nobody may wait for that: what there is no room for is held.
    pub(super) fn gave(&mut self, len: u32) {
        self.owed += len;
        head::put_credit(&mut self.side.out, 0, len);
    }

    /// Gives the server what it takes of a message. How much that was.
    pub(super) fn pump(&mut self, stream: u32, upload: &mut Upload) -> u32 {
        let room = self.window.min(upload.window).max(0) as usize;
        let mut given = 0;
        let now = upload.waiting.len().min(room);
        let mut rest = &upload.waiting[..now];
        let is_last = now == upload.waiting.len() && upload.is_whole && upload.trailers.is_none();
        while !rest.is_empty() || (is_last && given == 0) {
            let (piece, more) = rest.split_at(rest.len().min(head::MAX_PAYLOAD));
            let flags = if is_last && more.is_empty() { head::END_STREAM } else { 0 };
            head::put(&mut self.side.out, head::DATA, flags, stream, piece);
            given += piece.len();
            rest = more;
            if piece.is_empty() {
                break;
            }
        }
        upload.waiting.drain(..given);
        upload.window -= given as i64;
        self.window -= given as i64;
        if upload.waiting.is_empty() {
            upload.waiting = Vec::new();
            if let Some(block) = upload.trailers.take() {
                head::put_block(&mut self.side.out, stream, &block, true);
            }
            // Nothing is left to be ended.
            upload.is_whole = false;
        }
        given as u32
    }

    /// Ends it, and waits for what its calls have left to do.
    pub(super) async fn end(self) {
        drop(self.side);
        let _ = self.task.await;
    }
}

impl Way {
    pub(super) fn taken(window: i64) -> Way {
        Way::Taken(Box::new(Upload { window, waiting: Vec::new(), trailers: None, is_whole: false }))
    }
}

async fn serve(pipe: DuplexStream, state: Arc<State>, client: Client, link: Link, windows: Windows) {
    let handshake = h2::server::Builder::new()
        .initial_window_size(windows.stream)
        .initial_connection_window_size(windows.connection)
        .max_header_list_size(2 * MAX_LIST as u32)
        .max_send_buffer_size(UNSENT)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_concurrent_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(Some(FAULTS))
        .handshake(pipe);
    let Ok(mut connection) = handshake.await else { return };
    let requests = TaskTracker::new();
    while let Some(request) = connection.accept().await {
        match request {
            Ok((request, respond)) => {
                requests.spawn(router::route(state.clone(), client.clone(), link.clone(), request, respond));
                // Very many may have come together.
                tokio::task::coop::consume_budget().await;
            }
            Err(error) => {
                tracing::debug!(%error, "a client's calls that are looked into have ended");
                break;
            }
        }
    }
    requests.close();
    // Calls see by themselves that their client is gone. One that waits for a containerd that does not read would not.
    let _ = tokio::time::timeout(SEEN_WITHIN, requests.wait()).await;
    link.close();
    requests.wait().await;
}
