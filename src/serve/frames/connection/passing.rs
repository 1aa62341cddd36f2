//! The frames of an answerer, containerd or the shunt's own server, on their way to the client.
//!
//! Holds: the client gets them in their order. Frames that follow each other, and that it is to get as they came, are
//! written from where they were read: a long answer is not copied.

use std::task::Context;

use h2::Reason;

use super::super::head::{self, Head};
use super::Connection;

/// Takes one whole frame: its head, its payload, and all its bytes. Says whether the client is to get it as it came.
pub(super) type TakeFrame = fn(&mut Connection, Head, &[u8], &[u8]) -> Result<bool, Reason>;

impl Connection {
    /// Takes all whole frames of `bytes`. How many bytes these were; and why it is the end, if it is.
    ///
    /// Without a context, nothing is written yet.
    pub(super) fn pass_on(
        &mut self,
        bytes: &[u8],
        cx: Option<&mut Context<'_>>,
        take: TakeFrame,
    ) -> (usize, Result<(), Reason>) {
        let mut at = 0;
        // What is to leave as it came.
        let mut passing = 0..0;
        let ended = loop {
            let (head, payload, len) = match head::next(&bytes[at..]) {
                Ok(Some(next)) => next,
                Ok(None) => break Ok(()),
                Err(reason) => break Err(reason),
            };
            let end = at + len;
            if passing.end != at || !is_alone(head.kind) {
                self.client.out.extend_from_slice(&bytes[passing]);
                passing = at..at;
            }
            match take(self, head, payload, &bytes[at..end]) {
                Ok(true) => passing.end = end,
                Ok(false) => {}
                Err(reason) => break Err(reason),
            }
            at = end;
        };
        match cx {
            Some(cx) => self.client.send(cx, &bytes[passing]),
            None => self.client.out.extend_from_slice(&bytes[passing]),
        }
        (at, ended)
    }
}

/// Whether nothing for the client comes of such a frame that has to stay behind those before it, but the frame itself.
fn is_alone(kind: u8) -> bool {
    matches!(kind, head::DATA | head::RST_STREAM | head::WINDOW_UPDATE)
}
