//! Looks at what other rollouts have noted of nodes that failed.

use super::failures::Failures;
use super::{Goal, Rollout};
use crate::cluster::api::ApiError;
use crate::cluster::node::{FAILED, Node, STATE};

impl Rollout<'_> {
    /// As it is at the start.
    pub(super) async fn failures_before(&self) -> Result<Failures, ApiError> {
        Ok(Failures::since(&self.failed_now().await?))
    }

    /// What others have noted since the last look.
    pub(super) async fn look_at_others(&self, failures: &Failures) {
        // Without an answer the next request says what is wrong.
        let Ok(now) = self.failed_now().await else { return };
        failures.note_all(now.iter().filter(|node| node.by.as_ref() != Some(&self.id)));
    }

    /// The nodes that a Job of this revision has failed on. A removal notes none.
    async fn failed_now(&self) -> Result<Vec<Node>, ApiError> {
        if matches!(self.goal, Goal::Remove) {
            return Ok(Vec::new());
        }
        let mut nodes = self.nodes(&format!("{STATE}={FAILED}")).await?;
        nodes.retain(|node| node.is(FAILED, self.job.revision()));
        Ok(nodes)
    }
}
