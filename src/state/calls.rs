//! The calls of clients that are under way, and the streams that have no end of their own.
//!
//! Holds: a stream keeps no stop waiting. It is ended by the daemon, and its client asks again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// All of them.
#[derive(Default)]
pub struct Calls(Mutex<UnderWay>);

#[derive(Default)]
struct UnderWay {
    calls: TaskTracker,
    /// Ends the streams.
    streams: CancellationToken,
}

impl Calls {
    /// Notes a call, for as long as the token lives.
    pub fn begin(&self) -> TaskTrackerToken {
        self.now().calls.token()
    }

    /// Is cancelled when a stream that begins now is to end.
    pub fn stream(&self) -> CancellationToken {
        self.now().streams.clone()
    }

    /// The calls that are under way now; its `wait` returns when they have ended, whatever begins meanwhile.
    pub fn under_way(&self) -> TaskTracker {
        let calls = std::mem::take(&mut self.now().calls);
        calls.close();
        calls
    }

    /// Ends all streams, and those that begin later at once.
    pub fn end_streams(&self) {
        self.now().streams.cancel();
    }

    /// Lets streams begin again.
    pub fn allow_streams(&self) {
        self.now().streams = CancellationToken::new();
    }

    fn now(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_is_under_way_is_waited_for_and_nothing_that_begins_later() {
        let calls = Calls::default();
        let first = calls.begin();
        let under_way = calls.under_way();
        let second = calls.begin();
        assert_eq!(under_way.wait().now_or_never(), None);
        drop(first);
        assert_eq!(under_way.wait().now_or_never(), Some(()));
        let under_way = calls.under_way();
        assert_eq!(under_way.wait().now_or_never(), None);
        drop(second);
        assert_eq!(under_way.wait().now_or_never(), Some(()));
        let stream = calls.stream();
        calls.end_streams();
        assert!(stream.is_cancelled() && calls.stream().is_cancelled());
        calls.allow_streams();
        assert!(stream.is_cancelled() && !calls.stream().is_cancelled());
    }
}
