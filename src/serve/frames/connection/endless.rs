//! Streams that nobody ends but their client, or the daemon at its end.
//!
//! Holds: their client is told to ask again, and its table of headers stays whole.

use std::task::Context;
use std::time::Duration;

use h2::Reason;
use tonic::Status;

use super::super::head;
use super::Connection;

/// How long containerd may take to see that a stream ends.
const SEEN_WITHIN: Duration = Duration::from_millis(100);

impl Connection {
    /// Ends the endless streams that the daemon wants to end. Whether something has come of that.
    ///
    /// containerd is told first. What it had on its way then is passed, and the client is told when containerd has seen
    /// that: a header block that is left out would spoil the client's table. One that is stuck is not waited for.
    pub(super) fn poll_endless(&mut self, cx: &mut Context<'_>) -> bool {
        let (mut has_moved, mut ended) = (false, Vec::new());
        let (streams, containerd) = (&self.streams, &mut self.containerd);
        self.endless.retain_mut(|endless| {
            let number = endless.stream;
            if !streams.contains_key(&number) {
                return false;
            }
            if endless.next.as_mut().poll(cx).is_pending() {
                return true;
            }
            has_moved = true;
            let Some(containerd) = containerd.as_mut().filter(|_| !endless.is_told) else {
                ended.push(number);
                return false;
            };
            head::put_reset(&mut containerd.side.out, number, Reason::CANCEL);
            head::put(&mut containerd.side.out, head::PING, 0, 0, &u64::from(number).to_be_bytes());
            endless.is_told = true;
            endless.next = Box::pin(tokio::time::sleep(SEEN_WITHIN));
            true
        });
        ended.into_iter().for_each(|number| self.end_endless(number));
        has_moved
    }

    pub(super) fn end_endless(&mut self, number: u32) {
        self.end_passed(number, &Status::unavailable("cri-shunt is stopping: ask again"));
    }
}
