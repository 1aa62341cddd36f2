//! The Job for one node, and what became of it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::files::regular_file;
use crate::registry::one_line;

/// A ConfigMap has no more.
const MOST: u64 = 1 << 20;
/// How much of a pod's last words is repeated.
const WORDS: usize = 1500;

/// For whom a Job may take longer than this, it may take for ever. A sum of times has to stay one.
const A_YEAR: u64 = 31_536_000;

/// A Job without name and node.
#[derive(Clone, Debug)]
pub struct Template {
    job: Value,
    /// Of its text: another one is another revision.
    revision: String,
}

/// How far a Job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It runs, or will.
    Runs,
    /// It has done its work.
    Done,
    /// It has not, for this reason.
    Failed(String),
}

// === impl Template ===

impl Template {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, or is no Job.
    pub fn read(path: &Path) -> Result<Template, String> {
        let file = path.display();
        let bytes = regular_file::read(path, MOST).map_err(|error| format!("cannot read {file}: {error}"))?;
        let job: Value = serde_json::from_slice(&bytes).map_err(|error| format!("{file}: {error}"))?;
        let is_named = job["metadata"].is_object() || job["metadata"].is_null();
        if job["kind"] != "Job" || !job["spec"]["template"]["spec"].is_object() || !is_named {
            return Err(format!("{file} is not a Job as JSON"));
        }
        let revision = Sha256::digest(&bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Ok(Template { job, revision })
    }

    /// What it is called in the notes on nodes.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// The Job for a node.
    #[must_use]
    pub fn for_node(&self, name: &str, node: &str) -> Value {
        let mut job = self.job.clone();
        job["metadata"]["name"] = json!(name);
        job["spec"]["template"]["spec"]["nodeName"] = json!(node);
        job
    }
}

// === impl Progress ===

impl Progress {
    /// By the conditions of a Job.
    #[must_use]
    pub fn of(job: &Value) -> Progress {
        let condition = |kind: &str| {
            let all = job["status"]["conditions"].as_array()?;
            all.iter().find(|condition| condition["type"] == kind && condition["status"] == "True")
        };
        if condition("Complete").is_some() {
            return Progress::Done;
        }
        match condition("Failed") {
            Some(failed) => {
                let word = |key: &str| failed[key].as_str().unwrap_or_default().to_owned();
                Progress::Failed(one_line(&format!("{}: {}", word("reason"), word("message")), WORDS))
            }
            None => Progress::Runs,
        }
    }
}

/// How long a Job may take.
#[must_use]
pub fn limit(job: &Value) -> Option<Duration> {
    job["spec"]["activeDeadlineSeconds"].as_u64().map(|seconds| Duration::from_secs(seconds.min(A_YEAR)))
}

/// The last words of the containers that have failed, as lines.
#[must_use]
pub fn last_words(pods: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for pod in pods["items"].as_array().into_iter().flatten() {
        for list in ["initContainerStatuses", "containerStatuses"] {
            for container in pod["status"][list].as_array().into_iter().flatten() {
                let name = container["name"].as_str().unwrap_or_default();
                let ended = &container["state"]["terminated"];
                if ended["exitCode"].as_i64().is_some_and(|code| code != 0) {
                    let words = ended["message"].as_str().unwrap_or_default();
                    found.extend(words.lines().map(|line| one_line(&format!("{name}: {line}"), WORDS)));
                    if words.is_empty() {
                        let code = &ended["exitCode"];
                        found
                            .push(one_line(&format!("{name}: it ended with {code} and said nothing"), WORDS));
                    }
                }
                if let Some(reason) = container["state"]["waiting"]["reason"].as_str() {
                    let words = container["state"]["waiting"]["message"].as_str().unwrap_or_default();
                    found.push(one_line(&format!("{name}: {reason}: {words}"), WORDS));
                }
            }
        }
    }
    found
}

/// Whether one of these pods is on a node and has not ended.
#[must_use]
pub fn lives(pods: &Value, node: &str) -> bool {
    let lives = |pod: &Value| {
        let phase = pod["status"]["phase"].as_str();
        pod["spec"]["nodeName"] == node
            && phase.is_some_and(|phase| !["Succeeded", "Failed"].contains(&phase))
    };
    pods["items"].as_array().is_some_and(|pods| pods.iter().any(lives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_job_from_its_end_is_said() {
        let waiting = json!({"name": "policy", "state": {"waiting": {"reason": "ErrImagePull", "message": "no\nroute"}}});
        let ended = |code: i64, message: &str| json!({"name": "install", "state": {"terminated": {"exitCode": code, "message": message}}});
        let pods = json!({"items": [{"status": {
            "initContainerStatuses": [waiting],
            "containerStatuses": [ended(1, "error: one\ntwo"), ended(137, ""), ended(0, "fine")],
        }}]});
        let expected = [
            "policy: ErrImagePull: no route",
            "install: error: one",
            "install: two",
            "install: it ended with 137 and said nothing",
        ];
        assert_eq!(last_words(&pods), expected);
        for strange in [json!(null), json!({"items": 7}), json!({"items": [null, {"status": []}]})] {
            assert_eq!(last_words(&strange), Vec::<String>::new(), "{strange}");
        }
    }

    #[test]
    fn a_job_has_a_place_for_its_name_and_a_time_that_can_be_added() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (metadata, is_job) in [(json!(null), true), (json!({"name": "x"}), true), (json!(7), false)] {
            let spec = json!({"template": {"spec": {}}, "activeDeadlineSeconds": u64::MAX});
            let job = json!({"kind": "Job", "metadata": metadata, "spec": spec});
            std::fs::write(&file, job.to_string()).unwrap();
            let read = Template::read(file.path()).map(|template| template.for_node("a", "n1"));
            assert_eq!(read.is_ok(), is_job, "{job}");
            assert!(std::time::Instant::now().checked_add(limit(&job).unwrap() * 2).is_some());
        }
    }

    #[test]
    fn a_pod_lives_until_it_has_ended() {
        let pods = |node: &str, phase: Value| json!({"items": [null, {"spec": {"nodeName": node}, "status": {"phase": phase}}]});
        for phase in ["Pending", "Running", "Unknown"] {
            assert!(lives(&pods("n1", json!(phase)), "n1"), "{phase}");
        }
        for dead in [
            pods("n1", json!("Succeeded")),
            pods("n1", json!("Failed")),
            pods("n1", json!(null)),
            pods("n2", json!("Running")),
            json!({"items": 7}),
            json!(null),
        ] {
            assert!(!lives(&dead, "n1"), "{dead}");
        }
    }

    #[test]
    fn a_job_is_judged_by_the_conditions_that_hold() {
        let job = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "reason": "R", "message": "m"}]}});
        let rows = [
            (job("Complete", "True"), Progress::Done),
            (job("Complete", "False"), Progress::Runs),
            (job("FailureTarget", "True"), Progress::Runs),
            (job("Failed", "True"), Progress::Failed("R: m".to_owned())),
            (json!({"status": {"conditions": 7}}), Progress::Runs),
            (json!(null), Progress::Runs),
        ];
        for (job, expected) in rows {
            assert_eq!(Progress::of(&job), expected, "{job}");
        }
    }
}
