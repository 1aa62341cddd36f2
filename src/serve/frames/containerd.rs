//! A client's connection to containerd.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::task::{Context, Poll};

use h2::Reason;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send,
    socket_with,
};
use tokio::net::UnixStream;

use super::head::{self, CONTINUATION, END_HEADERS, Head};
use super::held::Held;
use super::hpack::encoder::Encoder;
use super::settings::Settings;
use super::side::Side;

/// The most bytes of one header block of containerd's.
const MAX_BLOCK: usize = 256 << 10;

/// The connection.
pub(super) struct Containerd {
    pub(super) side: Side<UnixStream>,
    /// Nothing has been written to it by way of the runtime.
    is_new: bool,
    pub(super) encoder: Encoder,
    /// Answers that the client has no room for, because answers of the shunt's have used it.
    pub(super) held: Held,
    /// SETTINGS that containerd has not acknowledged, and whether the client waits for that.
    pub(super) acks: VecDeque<bool>,
    /// The highest stream that it was given.
    pub(super) last: u32,
    /// How much DATA it was given, and has not given back.
    pub(super) owed: i64,
    /// An answer has begun to come.
    pub(super) has_answered: bool,
    /// It takes no more streams.
    pub(super) is_leaving: bool,
    /// The frames of a block that has not ended.
    block: Vec<u8>,
}

impl Containerd {
    /// Connects at once, or not at all: nobody waits for a containerd whose queue is full.
    pub(super) fn connect(path: &Path, said: Settings, credit: u32) -> io::Result<Containerd> {
        let mut containerd = Containerd::on(dial(path)?)?;
        let out = &mut containerd.side.out;
        out.extend_from_slice(head::PREFACE);
        said.put_of_client(out);
        head::put_credit(out, 0, credit);
        Ok(containerd)
    }

    fn on(socket: OwnedFd) -> io::Result<Containerd> {
        Ok(Containerd {
            side: Side::new(UnixStream::from_std(socket.into())?),
            is_new: true,
            encoder: Encoder::new(),
            held: Held::default(),
            acks: VecDeque::from([false]),
            last: 0,
            owed: 0,
            has_answered: false,
            is_leaving: false,
            block: Vec::new(),
        })
    }

    /// Writes what waits. The first bytes leave at once: the runtime would first wait to be told that there is room.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_new) {
            self.side.write_now()?;
        }
        self.side.poll_write(cx)
    }

    /// Takes a frame of a block that comes in several. Returns all of them with the last one.
    ///
    /// Nothing may come between them: they go to the client in one piece.
    pub(super) fn block(&mut self, head: Head, frame: &[u8]) -> Result<Option<Vec<u8>>, Reason> {
        if (head.kind == CONTINUATION) == self.block.is_empty() || self.block.len() > MAX_BLOCK {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.block.extend_from_slice(frame);
        Ok(head.has(END_HEADERS).then(|| std::mem::take(&mut self.block)))
    }

    /// Whether a block has begun and not ended.
    pub(super) fn is_in_block(&self) -> bool {
        !self.block.is_empty()
    }
}

/// A connection that has no client yet, and that containerd has been greeted on.
#[derive(Debug)]
pub(super) struct Greeted(OwnedFd);

impl Greeted {
    pub(super) fn connect(path: &Path) -> io::Result<Greeted> {
        let socket = dial(path)?;
        let mut greeting = head::PREFACE.to_vec();
        Settings::default().put_of_client(&mut greeting);
        let sent = send(&socket, &greeting, SendFlags::NOSIGNAL)?;
        if sent == greeting.len() { Ok(Greeted(socket)) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Gives it to a client who has said this. None if containerd has ended it, or is about to.
    ///
    /// containerd's own greeting is then in `space`, with this length.
    pub(super) fn give(self, said: Settings, credit: u32, space: &mut [u8]) -> Option<(Containerd, usize)> {
        let mut len = 0;
        loop {
            match recv(&self.0, &mut space[len..], RecvFlags::DONTWAIT) {
                Ok((more @ 1.., _)) => len += more,
                Err(Errno::AGAIN) => break,
                // It has ended; or it says more than a greeting.
                Ok((0, _)) | Err(_) => return None,
            }
        }
        let mut at = 0;
        while let Ok(Some((head, _, len))) = head::next(&space[at..len]) {
            if head.kind == head::GOAWAY {
                return None;
            }
            at += len;
        }
        let mut containerd = Containerd::on(self.0).ok()?;
        if said != Settings::default() {
            said.put_of_client(&mut containerd.side.out);
            containerd.acks.push_back(false);
        }
        head::put_credit(&mut containerd.side.out, 0, credit);
        Some((containerd, len))
    }
}

/// A connection to the socket at `path`.
fn dial(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}
