//! The Jobs of a slot: made, waited for, and removed.
//!
//! Holds: a Job that has ended stays until nothing more is to be done on its node, so nobody begins another node in its slot
//! meanwhile. The one that puts a node back does not begin beside a pod of the first. No wait for a Job that has a time limit lasts
//! for ever.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Rollout;
use crate::cluster::template::{Progress, Template, last_words, limit, lives};
use crate::registry::escaped;

/// The time limit of a Job that names none: the chart allows no longer one.
const LONGEST: Duration = Duration::from_secs(86_400);
/// Every so many looks at a Job its pods are looked at too, for what keeps them from starting.
const PODS_EVERY: usize = 10;
/// Whose a Job is, and what for.
const OWNER: &str = "cri-shunt/rollout";

// === impl Rollout ===

impl Rollout<'_> {
    /// Runs a Job on a node to its end; false if somebody else has the slot, so none was begun. It stays after that: see
    /// [`Rollout::free`].
    pub(super) async fn job(
        &self,
        slot: &str,
        name: &str,
        template: &Template,
        node: &str,
    ) -> Result<bool, String> {
        let own = self.path_of_job(name);
        let all = self.path_of_jobs();
        let mut job = template.for_node(name, node);
        let owner = format!("{} {} {node}", self.id, template.revision());
        job["metadata"]["annotations"] = json!({OWNER: owner});
        let is_back = name != slot;
        // It keeps the slot from now on, and begins when nothing else works on the node. Only then a kill of this leaves a Job that
        // does not begin.
        let waits = is_back && self.has_pod(slot, node).await;
        if waits {
            job["spec"]["suspend"] = json!(true);
        }
        while let Err(error) = self.insist(async || self.api.create(&all, &job).await).await {
            if !error.is(StatusCode::CONFLICT) {
                return Err(error.to_string());
            }
            // Where the API has lost its answer, it is this one's after all.
            if self.is_there(slot, &owner).await? {
                break;
            }
            if !is_back {
                return Ok(false);
            }
            self.until_free(slot).await?;
        }
        if waits {
            self.begin_alone(slot, &own, node).await?;
        }
        let end = limit(&job).map(|limit| Instant::now() + limit + self.slack());
        let (mut looks, mut words) = (0, Vec::new());
        let failed = loop {
            tokio::time::sleep(self.every).await;
            let found = self.insist(async || self.api.get(&own).await).await;
            match Progress::of(&found.map_err(|error| format!("its Job is lost: {error}"))?) {
                Progress::Done => return Ok(true),
                Progress::Failed(why) => break why,
                // Its pod cannot end where the node is away.
                Progress::Runs if end.is_some_and(|end| Instant::now() > end) => {
                    break "its Job has not ended within its time limit".to_owned();
                }
                Progress::Runs => {}
            }
            looks += 1;
            if looks % PODS_EVERY == 0 {
                words = self.words(name, words).await;
            }
        };
        words = self.words(name, words).await;
        Err([words, vec![failed]].concat().join("\n"))
    }

    /// Lets the Job begin that puts a node back: when no pod of the one before is left there. A lost Job may leave one. It is waited
    /// for only so long, because where the node is away no pod ends.
    async fn begin_alone(&self, slot: &str, own: &str, node: &str) -> Result<(), String> {
        let end = Instant::now() + self.slack();
        while self.has_pod(slot, node).await && Instant::now() < end {
            tokio::time::sleep(self.every).await;
        }
        let change = json!({"spec": {"suspend": false}});
        let begun = self.insist(async || self.api.patch(own, &change).await).await;
        begun.map(drop).map_err(|error| format!("its Job is lost: {error}"))
    }

    /// Whether a pod of a Job is on a node and has not ended.
    async fn has_pod(&self, job: &str, node: &str) -> bool {
        let path = self.path_of_pods(job);
        self.insist(async || self.api.get(&path).await).await.is_ok_and(|pods| lives(&pods, node))
    }

    /// Whether a slot has this Job of this rollout.
    async fn is_there(&self, slot: &str, owner: &str) -> Result<bool, String> {
        let found = self.taken(slot).await?;
        Ok(found.is_some_and(|job| job["metadata"]["annotations"][OWNER] == owner && !is_deleted(&job)))
    }

    /// Waits until nobody has this slot; true if somebody had it.
    pub(super) async fn until_free(&self, slot: &str) -> Result<bool, String> {
        // Which Job has it, whether that runs, and since when.
        let (mut seen, mut since) = (Value::Null, Instant::now());
        let mut was_taken = false;
        while let Some(job) = self.taken(slot).await? {
            was_taken = true;
            let by = &job["metadata"]["annotations"][OWNER];
            let runs = Progress::of(&job) == Progress::Runs;
            let now = json!([by, runs, job["spec"]["suspend"]]);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            // Somebody may still wait for the node of one that has ended.
            let rest = if runs { limit(&job).unwrap_or(LONGEST) } else { Duration::ZERO };
            let is_left = since.elapsed() > rest + self.slack();
            if (is_left || self.is_own(&job)) && !is_deleted(&job) {
                self.empty(slot).await?;
            }
            tokio::time::sleep(self.every).await;
        }
        Ok(was_taken)
    }

    /// Gives a slot to whoever wants it.
    pub(super) async fn free(&self, slot: &str) -> Result<(), String> {
        match self.taken(slot).await? {
            Some(job) if self.is_own(&job) => self.empty(slot).await,
            _ => Ok(()),
        }
    }

    /// The Job that has a slot: the one that puts its node back, if there is one.
    async fn taken(&self, slot: &str) -> Result<Option<Value>, String> {
        for name in [&Rollout::undo_of(slot), slot] {
            let path = self.path_of_job(name);
            match self.insist(async || self.api.get(&path).await).await {
                Ok(job) => return Ok(Some(job)),
                Err(error) if error.is(StatusCode::NOT_FOUND) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(None)
    }

    /// Removes the Jobs of a slot. Whoever wants it sees it taken to the last.
    async fn empty(&self, slot: &str) -> Result<(), String> {
        for name in [&Rollout::undo_of(slot), slot] {
            let path = self.path_of_job(name);
            match self.insist(async || self.api.delete(&path).await).await {
                Err(error) if !error.is(StatusCode::NOT_FOUND) => return Err(error.to_string()),
                _ => {}
            }
        }
        Ok(())
    }

    /// How long a Job may be longer than its time limit, and one that has ended may stay, before nobody seems to care for it.
    fn slack(&self) -> Duration {
        self.ready_within * 2 + self.every * 10
    }

    fn path_of_jobs(&self) -> String {
        format!("/apis/batch/v1/namespaces/{}/jobs", self.api.namespace())
    }

    pub(super) fn path_of_job(&self, name: &str) -> String {
        format!("{}/{name}", self.path_of_jobs())
    }

    fn path_of_pods(&self, job: &str) -> String {
        let selector = escaped(&format!("job-name={job}"));
        format!("/api/v1/namespaces/{}/pods?labelSelector={selector}", self.api.namespace())
    }

    fn is_own(&self, job: &Value) -> bool {
        let owner = job["metadata"]["annotations"][OWNER].as_str().unwrap_or_default();
        owner.split(' ').next() == Some(self.id.as_str())
    }

    /// What the pods of a Job say; if they say nothing, what they have said before.
    async fn words(&self, job: &str, before: Vec<String>) -> Vec<String> {
        let found =
            self.api.get(&self.path_of_pods(job)).await.map(|pods| last_words(&pods)).unwrap_or_default();
        if found.is_empty() { before } else { found }
    }
}

fn is_deleted(job: &Value) -> bool {
    job["metadata"].get("deletionTimestamp").is_some()
}
