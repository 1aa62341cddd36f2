//! The streams of a connection that are open.

use std::collections::HashMap;
use std::time::Instant;

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::containerd::Taken;

/// All of them, by their numbers.
pub(super) type Streams = HashMap<u32, Stream, foldhash::fast::RandomState>;

/// Who answers a stream.
#[derive(Debug)]
pub(super) enum Way {
    /// containerd.
    Passed,
    /// The shunt, who gets the message from here.
    Taken(Box<Upload>),
}

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) way: Way,
    /// The client sends no more.
    pub(super) is_sent: bool,
    /// The answer has begun.
    pub(super) is_answered: bool,
    /// The client gets no more.
    pub(super) is_done: bool,
    /// For as long as the answer takes.
    pub(super) call: Option<TaskTrackerToken>,
    /// When the call began, if it is timed for the metrics.
    pub(super) begin: Option<Instant>,
    /// One of the calls that its client may have.
    _allowed: Taken,
}

impl Stream {
    pub(super) fn new(way: Way, is_sent: bool, allowed: Taken) -> Stream {
        Stream {
            way,
            is_sent,
            is_answered: false,
            is_done: false,
            call: None,
            begin: None,
            _allowed: allowed,
        }
    }

    pub(super) fn is_passed(&self) -> bool {
        matches!(self.way, Way::Passed)
    }

    /// Notes the end of the answer.
    pub(super) fn done(&mut self) {
        self.is_done = true;
        self.call = None;
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_sent && self.is_done
    }
}

/// What a client has sent on a stream that is taken out, and what is not with the shunt's own server yet.
#[derive(Debug)]
pub(super) struct Upload {
    /// What the server takes.
    pub(super) window: i64,
    pub(super) waiting: Vec<u8>,
    /// The block of trailers that follows.
    pub(super) trailers: Option<Vec<u8>>,
    /// The client has sent all.
    pub(super) is_whole: bool,
}
