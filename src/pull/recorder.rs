//! Sees to it that a request is reported once, however it ends.

use std::sync::Arc;

use super::record::{End, Record};
use crate::state::{Request, State};
use crate::tell::Tell;

/// Holds the record of a request that is under way. If it is dropped before the end, the client has left.
pub(super) struct Recorder {
    record: Option<Record>,
    state: Arc<State>,
}

impl Recorder {
    /// For a request that begins.
    pub(super) fn new(state: &Arc<State>, record: Record) -> Self {
        let Request { client, method, version, pod, .. } = &*record.request;
        let (uid, gid, pod) = (client.uid, client.gid, pod.as_ref().map(ToString::to_string));
        tracing::debug!(image = record.asked, method, ?version, %client, uid, gid, pod, "asked");
        Self { record: Some(record), state: state.clone() }
    }

    /// The record, to be filled in.
    pub(super) fn record(&mut self) -> &mut Record {
        // It is taken by `end`, which takes `self`, and by `drop`.
        self.record.as_mut().unwrap_or_else(|| unreachable!("a recorder holds a record until it ends"))
    }

    /// The request is over: tells of it, and gives the record back.
    pub(super) fn end(mut self, end: End) -> Record {
        let mut record = self.record.take().unwrap_or_else(|| unreachable!("a recorder ends once"));
        record.finish(end);
        report(&self.state.tell, &record);
        record
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.finish(End::ClientLeft);
            report(&self.state.tell, &record);
        }
    }
}

/// Hands a complete record to everything that tells of requests.
pub(super) fn report(tell: &Tell, record: &Record) {
    record.log();
    record.count(&tell.metrics);
    if let Some(error) = record.failed_pull() {
        tell.failures.note(record.shown_name(), &error);
    }
    if let Some(audit) = &tell.audit {
        audit.tell(&record.line());
    }
}
