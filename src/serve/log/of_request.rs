//! Which request a line of the log is about.
//!
//! It is no span of `tracing`: the registry of spans keeps a table for each one that was ever open at the same time, and
//! after thousands of requests these hold pages all over the memory.

use crate::state::RequestId;

tokio::task_local! {
    pub(super) static REQUEST: RequestId;
}

/// Does `work` for the request `id`: its lines have the id.
pub fn for_request<F: Future>(id: RequestId, work: F) -> impl Future<Output = F::Output> {
    // An async function would have room for the work twice, and a pull's is large.
    REQUEST.scope(id, work)
}

/// The request that a line is about, if it is about one.
pub(super) fn request() -> Option<RequestId> {
    REQUEST.try_with(|id| *id).ok()
}
