//! One client's connection: its bytes are walked frame by frame, and each frame goes where its stream goes.
//!
//! ```text
//!             from_client                 ┌─ most streams, as they came ──▶ containerd
//! client ◀──────────────────▶ connection ─┤
//!             from_containerd, from_taken └─ what is looked into ─▶ taken (an h2 server) ─▶ router
//! ```
//!
//! Holds: each side is read only while the others take what comes of it, so memory is bounded; nothing is sent that the
//! client has not granted; what a client breaks ends its own connection.

mod endless;
mod from_client;
mod from_containerd;
mod from_taken;
mod passing;
mod requests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use h2::Reason;
use tokio::net::UnixStream;
use tonic::Status;

use super::block::{Block, block_of};
use super::containerd::Containerd;
use super::head::{self, WINDOW};
use super::hpack::decoder::Decoder;
use super::hpack::fields::{Fields, MAX_LIST};
use super::settings::Settings;
use super::side::{READ, Side};
use super::spare::Spare;
use super::streams::{Streams, Way};
use super::taken::Taken;
use crate::containerd::Link;
use crate::serve::listener::limits::Admitted;
use crate::state::{Client, State};

/// A side that leaves so much unread is sent nothing more.
const MAX_WAITING: usize = 64 << 10;
/// Answers to what is asked of the connection itself, such as PING, may wait beside that.
const MAX_WAITING_ANSWERS: usize = 256 << 10;
/// The most that may wait for room at the client of the shunt's own answers.
const MAX_HELD: usize = 1 << 20;
/// The most that may wait where a request goes, before more requests are refused. A request can be a thousand times longer
/// there than what the client has sent of it.
const MAX_WAITING_REQUESTS: usize = 1 << 20;
/// How often a connection may move up to [`READ`] bytes of answers, before others have their turn. What its client sends
/// is read only once, if that fills the space: each byte of a header block can stand for a long field.
const TURN: usize = 4;
thread_local! {
    /// What all connections of a thread read into.
    static SPACE: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// What is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The client has left.
    Connection,
    /// There is more to move, and others wait.
    Turn,
}

/// A stream that nobody ends but its client, or the daemon at its end.
struct Endless {
    stream: u32,
    /// containerd was told that it ends.
    is_told: bool,
    /// What is waited for: that it is to end; and then that containerd has had time enough to say that it has seen that.
    next: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The connection.
pub(super) struct Connection {
    state: Arc<State>,
    peer: Client,
    admitted: Admitted,
    spare: Arc<Spare>,
    link: Link,
    client: Side<UnixStream>,
    /// From the first call on that is passed.
    containerd: Option<Containerd>,
    /// containerd has ended, and its place here cannot be taken by another. What follows is taken out.
    is_lost: bool,
    /// From the first call on that is taken out.
    taken: Option<Taken>,
    streams: Streams,
    /// The highest stream of the client.
    last: u32,
    has_preface: bool,
    decoder: Decoder,
    /// How many header blocks were too large.
    too_large: u32,
    /// The fields of the client's last block.
    fields: Fields,
    /// A block that has not ended.
    block: Option<Block>,
    /// What the client has said.
    said: Settings,
    /// SETTINGS that the client has not acknowledged, and whether containerd waits for that.
    acks: VecDeque<bool>,
    /// The largest window of a stream that the client was told of.
    told_window: u32,
    /// How much DATA the client takes now.
    room: i64,
    /// How much it may send now.
    granted: i64,
    /// What it takes from containerd, above what every connection takes, while there is no connection to containerd.
    credit: u32,
    /// How much of what the client gives back was used by a connection to containerd that has ended.
    debt: u32,
    /// The client has changed the size of its table of headers.
    is_table_changed: bool,
    /// Streams that nobody ends but their client, or the daemon at its end.
    endless: Vec<Endless>,
}

impl Connection {
    pub(super) fn new(
        stream: UnixStream,
        state: Arc<State>,
        peer: Client,
        admitted: Admitted,
        spare: Arc<Spare>,
    ) -> Connection {
        let mut client = Side::new(stream);
        let own = Settings {
            max_streams: Some(admitted.calls()),
            max_header_list: Some(MAX_LIST as u32),
            ..Settings::default()
        };
        own.put(&mut client.out);
        Connection {
            link: state.containerd.link.for_client(admitted.windows(), admitted.messages()),
            admitted,
            spare,
            state,
            peer,
            client,
            containerd: None,
            is_lost: false,
            taken: None,
            streams: Streams::default(),
            last: 0,
            has_preface: false,
            decoder: Decoder::new(),
            too_large: 0,
            fields: Fields::default(),
            block: None,
            said: Settings::default(),
            acks: VecDeque::from([false]),
            told_window: WINDOW,
            room: WINDOW.into(),
            granted: WINDOW.into(),
            credit: 0,
            debt: 0,
            is_table_changed: false,
            endless: Vec::new(),
        }
    }

    /// Whether a call has come.
    pub(super) fn is_used(&self) -> bool {
        self.last > 0
    }

    /// Whether no call is under way, and nothing is to be written.
    pub(super) fn is_idle(&self) -> bool {
        let is_held = self.containerd.as_ref().is_some_and(|containerd| !containerd.held.is_empty())
            || self.taken.as_ref().is_some_and(|taken| !taken.held.is_empty());
        self.streams.is_empty() && self.client.waiting() == 0 && !is_held
    }

    /// Tells the client to begin no more calls here. Those that come all the same are answered.
    pub(super) fn take_leave(&mut self) {
        head::put_goaway(&mut self.client.out, head::MAX_WINDOW as u32, Reason::NO_ERROR);
    }

    /// Works until the client's connection ends, or its turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Over>> {
        let polled = SPACE.with_borrow_mut(|space| self.poll_with(cx, space));
        if let Poll::Ready(Err(_)) = polled {
            // The reason is in there, if the client reads it.
            let _ = self.client.poll_write(cx);
        }
        polled
    }

    fn poll_with(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<Over>> {
        let mut has_more = false;
        for _ in 0..TURN {
            let mut has_moved = false;
            if !has_more
                && self.takes_from_client()
                && let Poll::Ready(read) = self.client.poll_read(cx, space)
            {
                let read = read?;
                has_more = read == space.len();
                let space = &space[..read];
                if space.is_empty() {
                    return Poll::Ready(Ok(Over::Connection));
                }
                let used = self.client_bytes(space).map_err(|reason| self.broken(reason))?;
                self.client.keep(&space[used..]);
                has_moved = true;
            }
            let had_answered = self.has_answered();
            let has_read = self.poll_containerd(cx, space);
            has_moved |= has_read;
            has_moved |= self.poll_taken(cx, space)?;
            has_moved |= self.poll_write(cx, has_read)?;
            if self.has_answered() && !had_answered {
                // Not sooner: making one is work for containerd too, while this client waits for it.
                self.spare.fill();
            }
            if !has_moved && !self.poll_endless(cx) {
                if has_more {
                    break;
                }
                return Poll::Pending;
            }
        }
        self.poll_endless(cx);
        Poll::Ready(Ok(Over::Turn))
    }

    fn takes_from_client(&self) -> bool {
        self.client.waiting() < MAX_WAITING_ANSWERS
            && self.containerd.as_ref().is_none_or(|containerd| containerd.side.waiting() < MAX_WAITING)
            && self.taken.as_ref().is_none_or(|taken| taken.side.waiting() < MAX_WAITING)
    }

    /// Whether containerd has begun to answer, on the connection that it has now.
    fn has_answered(&self) -> bool {
        self.containerd.as_ref().is_some_and(|containerd| containerd.has_answered)
    }

    /// Writes what waits. Whether somebody has taken any of it: then there may be room for more.
    ///
    /// A client gets its answer before containerd gets what it has asked for meanwhile, such as PING.
    fn poll_write(&mut self, cx: &mut Context<'_>, is_client_first: bool) -> io::Result<bool> {
        let before = self.waiting();
        if is_client_first {
            self.write_to_client(cx)?;
        }
        if let Some(containerd) = &mut self.containerd
            && let Poll::Ready(Err(_)) = containerd.poll_write(cx)
        {
            // It has ended. What it has answered before is still to be read, up to its end.
            containerd.side.give_up();
            containerd.is_leaving = true;
        }
        if let Some(taken) = &mut self.taken
            && let Poll::Ready(Err(error)) = taken.side.poll_write(cx)
        {
            return Err(error);
        }
        if !is_client_first {
            self.write_to_client(cx)?;
        }
        Ok(self.waiting() < before)
    }

    fn write_to_client(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.client.poll_write(cx) {
            Poll::Ready(written) => written,
            Poll::Pending => Ok(()),
        }
    }

    fn waiting(&self) -> usize {
        self.client.waiting()
            + self.containerd.as_ref().map_or(0, |containerd| containerd.side.waiting())
            + self.taken.as_ref().map_or(0, |taken| taken.side.waiting())
    }

    fn poll_containerd(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> bool {
        let Some(containerd) = &mut self.containerd else { return false };
        if self.client.waiting() >= MAX_WAITING
            || containerd.held.len() >= MAX_WAITING
            || containerd.side.waiting() >= MAX_WAITING_ANSWERS
        {
            return false;
        }
        let Poll::Ready(read) = containerd.side.poll_read(cx, space) else { return false };
        if matches!(read, Ok(0) | Err(_)) && !containerd.held.is_empty() {
            // The client gets first what was answered. Then the end is read again.
            containerd.is_leaving = true;
            return false;
        }
        let space = match read {
            Ok(read @ 1..) => &space[..read],
            Ok(0) => {
                self.lose_containerd(&"it has closed the connection");
                return true;
            }
            Err(error) => {
                self.lose_containerd(&error);
                return true;
            }
        };
        if let Err(reason) = self.containerd_bytes(space, Some(cx)) {
            self.lose_containerd(&reason);
        }
        true
    }

    fn poll_taken(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> io::Result<bool> {
        let Some(taken) = &mut self.taken else { return Ok(false) };
        if self.client.waiting() >= MAX_WAITING {
            return Ok(false);
        }
        let Poll::Ready(read) = taken.side.poll_read(cx, space) else { return Ok(false) };
        let space = &space[..read?];
        if space.is_empty() {
            return Err(self.broken(Reason::INTERNAL_ERROR));
        }
        self.taken_bytes(space, cx).map_err(|reason| self.broken(reason))?;
        if self.taken.as_ref().is_some_and(|taken| taken.held.len() > MAX_HELD) {
            // It asks for ever more, and gives no room for any answer. Heads of answers need no room.
            return Err(self.broken(Reason::ENHANCE_YOUR_CALM));
        }
        Ok(true)
    }

    /// Tells the client why its connection ends.
    fn broken(&mut self, reason: Reason) -> io::Error {
        head::put_goaway(&mut self.client.out, self.last, reason);
        io::Error::other(reason.to_string())
    }

    /// Forgets a stream, if both sides have ended it.
    fn forget_if_over(&mut self, number: u32) {
        if self.streams.get(&number).is_some_and(|stream| stream.is_over()) {
            self.forget(number);
        }
    }

    /// Forgets a stream, with what waits of its message. Returns who was to answer it, if it was there.
    fn forget(&mut self, number: u32) -> Option<Way> {
        let stream = self.streams.remove(&number)?;
        if let Way::Taken(upload) = &stream.way {
            self.uploaded(upload.waiting.len());
        }
        Some(stream.way)
    }

    /// Notes that so much of the messages that are taken out does not wait any more.
    fn uploaded(&mut self, len: usize) {
        let Some(taken) = &mut self.taken else { return };
        taken.waiting -= len;
        let back = len.min(taken.withheld);
        taken.withheld -= back;
        self.give_back(back);
    }

    /// Ends a passed stream with a status of the shunt's own.
    fn end_passed(&mut self, number: u32, status: &Status) {
        let Some(stream) = self.streams.remove(&number).filter(|stream| !stream.is_done) else { return };
        let block = block_of(status, !stream.is_answered);
        let out = match &mut self.containerd {
            Some(containerd) if !containerd.held.is_empty() => containerd.held.end(),
            _ => &mut self.client.out,
        };
        head::put_block(out, number, &block, true);
        if !stream.is_sent {
            head::put_reset(out, number, Reason::NO_ERROR);
        }
    }

    /// Gives the client's window back where the client, or a stream that nobody wants any more, has used it.
    fn give_back(&mut self, len: usize) {
        self.granted += len as i64;
        head::put_credit(&mut self.client.out, 0, len as u32);
    }

    /// Ends what is left of it.
    pub(super) async fn end(self) {
        let taken = self.taken;
        drop((self.client, self.containerd));
        if let Some(taken) = taken {
            taken.end().await;
        }
    }
}
