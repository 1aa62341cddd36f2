//! Who keeps a rollout from beginning a node.

use http::StatusCode;
use serde_json::json;

use super::{Goal, Rollout};
use crate::cluster::api::ApiError;
use crate::cluster::template::Progress;

// === impl Rollout ===

impl Rollout<'_> {
    fn path_of_cron_job(&self) -> Option<String> {
        let name = self.cron_job.as_ref()?;
        Some(format!("/apis/batch/v1/namespaces/{}/cronjobs/{name}", self.api.namespace()))
    }

    pub(super) async fn suspend(&self) -> Result<(), ApiError> {
        let Some(path) = self.path_of_cron_job() else { return Ok(()) };
        match self.insist(async || self.api.patch(&path, &json!({"spec": {"suspend": true}})).await).await {
            Err(error) if !error.is(StatusCode::NOT_FOUND) => Err(error),
            _ => Ok(()),
        }
    }

    async fn is_suspended(&self) -> bool {
        let Some(path) = self.path_of_cron_job().filter(|_| !matches!(self.goal, Goal::Remove)) else {
            return false;
        };
        self.insist(async || self.api.get(&path).await)
            .await
            .is_ok_and(|found| found["spec"]["suspend"] == true)
    }

    /// Whether somebody takes the program out, has stopped this, or comes first.
    pub(super) async fn is_stopped(&self) -> bool {
        self.is_suspended().await || self.yields().await
    }

    /// Whether somebody else's Job runs, before whom this one steps back.
    pub(super) async fn yields(&self) -> bool {
        let Some(job) = &self.yield_to else { return false };
        let path = self.path_of_job(job);
        let found = self.insist(async || self.api.get(&path).await).await;
        found.is_ok_and(|job| Progress::of(&job) == Progress::Runs)
    }
}
