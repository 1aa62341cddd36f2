//! A client's connection to containerd.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use h2::Reason;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
    pub(super) side: Side<Socket>,
    pub(super) encoder: Encoder,
    /// Answers that the client has no room for, because answers of the shunt's have used it.
    pub(super) held: Held,
    /// SETTINGS that containerd has not acknowledged, and whether the client waits for that.
    pub(super) acks: VecDeque<bool>,
    /// The highest stream that it was given.
    pub(super) last: u32,
    /// How much DATA it was given, and has not given back.
    pub(super) owed: i64,
    /// It takes no more streams.
    pub(super) is_leaving: bool,
    /// The frames of a block that has not ended.
    block: Vec<u8>,
}

impl Containerd {
    /// Connects at once, or not at all: nobody waits for a containerd whose queue is full.
    pub(super) fn connect(path: &Path, said: Settings, credit: u32) -> io::Result<Containerd> {
        let mut side = Side::new(Socket::connect(path)?);
        side.out.extend_from_slice(head::PREFACE);
        said.put_of_client(&mut side.out);
        head::put_credit(&mut side.out, 0, credit);
        Ok(Containerd {
            side,
            encoder: Encoder::new(),
            held: Held::default(),
            acks: VecDeque::from([false]),
            last: 0,
            owed: 0,
            is_leaving: false,
            block: Vec::new(),
        })
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

/// Its socket. The first bytes leave at once: the runtime would first wait to be told that there is room for them.
#[derive(Debug)]
pub(super) struct Socket {
    stream: UnixStream,
    is_new: bool,
}

impl Socket {
    fn connect(path: &Path) -> io::Result<Socket> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket: OwnedFd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Socket { stream: UnixStream::from_std(socket.into())?, is_new: true })
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, space)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.is_new) {
            match send(&self.stream, bytes, SendFlags::NOSIGNAL) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                sent => return Poll::Ready(sent.map_err(io::Error::from)),
            }
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
