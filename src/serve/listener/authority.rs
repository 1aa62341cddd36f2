//! Repairs the `:authority` that old gRPC clients send, on the accepted byte stream.
//!
//! Holds: bytes come out in order, unchanged but for the values of `:authority` that no HTTP stack
//! accepts, which become letters; the stream keeps its length to the byte, and each value its decoded
//! length, so that both ends' HPACK tables stay equal in size. At most `frames::MAX_HELD` bytes wait, and
//! only until such a value is complete. What is not HTTP/2 passes untouched, and `h2` answers it.
//! Not here: a table of HPACK entries. A value that is sent once and named by index later is repaired where it
//! was sent.
//!
//! kubelet and crictl up to 1.30, k3s and every gRPC C-core client dial a unix socket with the path
//! as `:authority` (`/run/x.sock`, `%2Frun%2Fx.sock`); `http::uri::Authority` refuses both, and `h2`
//! resets the stream with PROTOCOL_ERROR (hyperium/h2#487, grpc/grpc-rust#576).

mod frames;
mod hpack;
mod huffman;
mod value;

#[cfg(test)]
mod tests;

use frames::Walk;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An accepted stream whose reads are repaired; writes pass.
#[derive(Debug)]
pub struct Filter<S> {
    inner: S,
    walk: Walk,
    /// Bytes from the start of a value that has not come whole.
    held: Vec<u8>,
    /// Bytes that were held, on their way out, and how many of them are out.
    ready: Vec<u8>,
    taken: usize,
}

impl<S> Filter<S> {
    /// A filter in front of a stream from which nothing was read yet.
    pub fn new(inner: S) -> Filter<S> {
        Filter { inner, walk: Walk::new(), held: Vec::new(), ready: Vec::new(), taken: 0 }
    }

    /// Gives out what was held, as far as the caller has room.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = &self.ready[self.taken..];
        let n = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..n]);
        self.taken += n;
        if self.taken == self.ready.len() {
            (self.ready, self.taken) = (Vec::new(), 0);
        }
    }
}

impl<S: AsyncRead + Unpin> Filter<S> {
    /// Reads straight into the caller's buffer and walks it there. What follows the start of an
    /// unfinished value is taken back out of it.
    fn read_through(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<Progress>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let new = &mut buf.filled_mut()[before..];
        if new.is_empty() {
            return Poll::Ready(Ok(Progress::Done));
        }
        let n = self.walk.pass(new);
        if n < new.len() {
            self.held = new[n..].to_vec();
            buf.set_filled(before + n);
        }
        Poll::Ready(Ok(if n == 0 { Progress::Again } else { Progress::Done }))
    }

    /// Reads on behind held bytes until the value is whole, too long, or the stream ends.
    fn read_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut chunk = [0; 512];
        let mut chunk = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut chunk))?;
        let n = if chunk.filled().is_empty() {
            self.held.len()
        } else {
            self.held.extend_from_slice(chunk.filled());
            self.walk.pass(&mut self.held)
        };
        let waiting = self.held.split_off(n);
        self.ready = std::mem::replace(&mut self.held, waiting);
        Poll::Ready(Ok(()))
    }
}

enum Progress {
    Done,
    Again,
}

impl<S: AsyncRead + Unpin> AsyncRead for Filter<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A read into no room says nothing about the end of the stream, and must not be walked.
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if !this.ready.is_empty() {
                this.give(buf);
                return Poll::Ready(Ok(()));
            }
            if !this.held.is_empty() {
                ready!(this.read_held(cx))?;
            } else if let Progress::Done = ready!(this.read_through(cx, buf))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Filter<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
