//! One of the streams of bytes that a connection is made of, with what is to be written to it.
//!
//! Holds: one that rests keeps no buffer for reading: all connections read into the same one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// How much is read at a time, the rest of the last time included. More than the longest frame.
pub(super) const READ: usize = 64 << 10;
/// A buffer that is larger than this is given back when it is empty.
const KEPT: usize = 4 << 10;

/// A stream of bytes, both ways.
#[derive(Debug)]
pub(super) struct Side<S> {
    io: S,
    /// The start of a frame that has not come whole.
    rest: Vec<u8>,
    /// What is to be written.
    pub(super) out: Vec<u8>,
    /// How much of it is.
    written: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Side<S> {
    pub(super) fn new(io: S) -> Side<S> {
        Side { io, rest: Vec::new(), out: Vec::new(), written: 0 }
    }

    /// How much waits to be written.
    pub(super) fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    /// Reads into `space`, behind what was left of the last time. How much is there then; 0 at the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let (before, behind) = space.split_at_mut(self.rest.len());
        let mut behind = ReadBuf::new(behind);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut behind))?;
        let read = behind.filled().len();
        if read == 0 {
            return Poll::Ready(Ok(0));
        }
        before.copy_from_slice(&self.rest);
        let all = before.len() + read;
        self.keep(&[]);
        Poll::Ready(Ok(all))
    }

    /// Keeps what was not used, for the next time.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        if self.rest.capacity() > KEPT {
            self.rest = Vec::new();
        }
        self.rest.clear();
        self.rest.extend_from_slice(rest);
    }

    /// Leaves unwritten what was to be written.
    pub(super) fn give_up(&mut self) {
        (self.out, self.written) = (Vec::new(), 0);
    }

    /// Writes as much as the other side takes.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.waiting() > 0 {
            let Poll::Ready(written) = Pin::new(&mut self.io).poll_write(cx, &self.out[self.written..])
            else {
                self.forget_written();
                return Poll::Pending;
            };
            let written = written?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        if !self.out.is_empty() {
            self.written = 0;
            if self.out.capacity() > KEPT {
                self.out = Vec::new();
            }
            self.out.clear();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes `bytes` behind what waits. What the other side does not take now waits.
    pub(super) fn send(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) {
        while self.waiting() == 0 && !bytes.is_empty() {
            // An error comes again when the rest is written.
            let Poll::Ready(Ok(written @ 1..)) = Pin::new(&mut self.io).poll_write(cx, bytes) else { break };
            bytes = &bytes[written..];
        }
        self.out.extend_from_slice(bytes);
    }

    /// Lets go of what was written, once it is as much as the rest: a slow reader may always leave something.
    fn forget_written(&mut self) {
        if self.written >= KEPT && self.written >= self.waiting() {
            self.out.drain(..self.written);
            self.written = 0;
        }
    }
}

impl Side<UnixStream> {
    /// Writes what there is room for, without the runtime.
    pub(super) fn write_now(&mut self) -> io::Result<()> {
        match send(&self.io, &self.out[self.written..], SendFlags::NOSIGNAL) {
            Ok(written) => self.written += written,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn what_was_written_is_not_kept_while_a_slow_reader_always_leaves_something() {
        let (near, mut far) = tokio::io::duplex(1000);
        let mut side = Side::new(near);
        let slow = async {
            for round in 0..1000 {
                while side.waiting() < READ {
                    side.out.extend_from_slice(&[7; 1000]);
                }
                let written = std::future::poll_fn(|cx| side.poll_write(cx)).now_or_never();
                assert!(written.is_none(), "round {round}: all of it is taken");
                far.read_exact(&mut [0; 1000]).await.unwrap();
                assert!(side.out.len() <= 3 * READ, "round {round}: {} bytes", side.out.len());
            }
        };
        // A task that does this much is made to rest, and nothing here would wake it.
        tokio::task::unconstrained(slow).await;
    }
}
