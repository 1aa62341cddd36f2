//! Counts the bytes that pulls have brought to the node.
//!
//! Holds: no client waits for it, and no registry is asked for it. An image that was on the node before brings nothing.

use std::sync::Arc;
use std::time::SystemTime;

use super::contents;
use crate::containerd::StoreError;
use crate::policy::Name;
use crate::state::{Request, State};

/// What is to be counted, once the image has its name.
pub(super) struct Brought {
    state: Arc<State>,
    name: Name,
    registry: String,
    since: SystemTime,
}

impl Brought {
    /// For the pull of `name` with this request, which `registry` serves.
    pub(super) fn by(registry: &str, state: &Arc<State>, request: &Request, name: &Name) -> Self {
        let now = SystemTime::now();
        let since = now.checked_sub(request.started.elapsed()).unwrap_or(now);
        Self { state: state.clone(), name: name.clone(), registry: registry.to_owned(), since }
    }

    /// Counts the layers of the image `digest`, unless it is older than the pull.
    pub(super) async fn count(self, digest: &str) {
        match self.bytes(digest).await {
            Ok(bytes) => {
                let labels = [("registry", self.registry)];
                self.state.tell.metrics.pulled_bytes.get_or_create(&labels).inc_by(bytes);
            }
            Err(error) => tracing::debug!(image = %self.name, %error, "cannot count its bytes"),
        }
    }

    async fn bytes(&self, digest: &str) -> Result<u64, StoreError> {
        let records = self.state.containerd.store.with_target(digest).await?;
        let mut made = records.into_iter().map(|record| SystemTime::try_from(record.created_at?).ok());
        match made.all(|made| made.is_some_and(|made| made >= self.since)) {
            true => Ok(contents::on_the_node(&self.state, digest).await?.size),
            false => Ok(0),
        }
    }
}
