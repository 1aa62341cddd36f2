//! Sees to it that a request is reported once, however it ends.

use super::record::{End, Record};
use crate::state::Request;

/// Holds the record of a request that is under way. If it is dropped before the end, the client has left.
pub(super) struct Recorder(Option<Record>);

impl Recorder {
    /// For a request that begins.
    pub(super) fn new(record: Record) -> Self {
        let Request { client, method, version, pod, .. } = &*record.request;
        let (uid, gid, pod) = (client.uid, client.gid, pod.as_ref().map(ToString::to_string));
        tracing::debug!(image = record.asked, method, ?version, %client, uid, gid, pod, "asked");
        Self(Some(record))
    }

    /// The record, to be filled in.
    pub(super) fn record(&mut self) -> &mut Record {
        // It is taken by `end`, which takes `self`, and by `drop`.
        self.0.as_mut().unwrap_or_else(|| unreachable!("a recorder holds a record until it ends"))
    }

    /// The request is over: tells of it, and gives the record back.
    pub(super) fn end(mut self, end: End) -> Record {
        let mut record = self.0.take().unwrap_or_else(|| unreachable!("a recorder ends once"));
        record.finish(end);
        report(&record);
        record
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(mut record) = self.0.take() {
            record.finish(End::ClientLeft);
            report(&record);
        }
    }
}

/// Hands a complete record to everything that tells of requests.
pub(super) fn report(record: &Record) {
    record.log();
}
