//! Any bytes behind a preface: the filter keeps the stream's length, does not care how the bytes come
//! in, and leaves alone what it has repaired.
//!
//! Input: how much comes at a time, how much room there is, and the stream.

use cri_shunt::inside::serve::authority::Filter;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Peer<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.bytes.split_at(self.size.min(self.bytes.len()).min(buf.remaining()));
        buf.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

fn filtered(bytes: &[u8], size: usize, room: usize) -> Vec<u8> {
    let mut filter = Filter::new(Peer { bytes, size });
    let mut context = Context::from_waker(Waker::noop());
    let (mut out, mut space) = (Vec::new(), vec![0; room]);
    loop {
        let mut buf = ReadBuf::new(&mut space);
        let polled = Pin::new(&mut filter).poll_read(&mut context, &mut buf);
        assert!(matches!(polled, Poll::Ready(Ok(()))));
        if buf.filled().is_empty() {
            return out;
        }
        out.extend_from_slice(buf.filled());
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let [size, room, tail @ ..] = bytes else { return };
    let sent = [PREFACE, tail].concat();
    let whole = filtered(&sent, usize::MAX, 1 << 16);
    assert_eq!(whole.len(), sent.len());
    assert_eq!(filtered(&sent, usize::from(*size) + 1, usize::from(*room) + 1), whole);
    assert_eq!(filtered(&whole, usize::MAX, 1 << 16), whole);
}
