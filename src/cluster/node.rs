//! What a rollout knows of a node, and writes down on it.

use serde_json::{Value, json};

/// The label: `changing`, `served` or `failed`. Without it the node was never touched, or is put back.
pub(super) const STATE: &str = "cri-shunt/state";
/// The state of one that could not be served, and is put back.
pub(super) const FAILED: &str = "failed";
/// The annotation: by which Job it was served, or failed.
const REVISION: &str = "cri-shunt/revision";
/// The annotation: which rollout has noted the state.
const ROLLOUT: &str = "cri-shunt/rollout";

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) name: String,
    pub(super) is_ready: bool,
    pub(super) state: Option<String>,
    pub(super) revision: Option<String>,
    pub(super) by: Option<String>,
    is_control_plane: bool,
    taints: Vec<Value>,
    version: Value,
}

/// What is written down on a node. Without a state the notes go.
pub struct Note<'n> {
    /// `changing`, `served` or `failed`.
    pub state: Option<&'n str>,
    /// By which Job.
    pub revision: Option<&'n str>,
    /// By which rollout.
    pub by: &'n str,
}

// === impl Node ===

impl Node {
    /// Reads the object; nothing without a name is one.
    #[must_use]
    pub fn of(object: &Value) -> Option<Node> {
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let conditions = object["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
        Some(Node {
            name: text(&metadata["name"])?,
            is_ready: ready.is_some_and(|condition| condition["status"] == "True"),
            state: text(&metadata["labels"][STATE]),
            revision: text(&metadata["annotations"][REVISION]),
            by: text(&metadata["annotations"][ROLLOUT]),
            is_control_plane: metadata["labels"].get("node-role.kubernetes.io/control-plane").is_some(),
            taints: object["spec"]["taints"].as_array().cloned().unwrap_or_default(),
            version: metadata["resourceVersion"].clone(),
        })
    }

    /// Control planes come last: what is wrong shows on others before.
    pub(super) fn turn(&self) -> (bool, String) {
        (self.is_control_plane, self.name.clone())
    }

    pub(super) fn has_taint(&self, taint: Option<&str>) -> bool {
        taint.is_some_and(|key| self.taints.iter().any(|taint| taint["key"] == key))
    }

    /// Whether this is how it was left by a Job of this revision.
    pub(super) fn is(&self, state: &str, revision: &str) -> bool {
        self.state.as_deref() == Some(state) && self.revision.as_deref() == Some(revision)
    }

    /// The change that notes a state, or removes the notes, and takes away a taint. The API refuses it if the node has changed.
    #[must_use]
    pub fn noted(&self, note: &Note<'_>, without: Option<&str>) -> Value {
        let mut change = json!({"metadata": {
            "labels": {STATE: note.state},
            "annotations": {REVISION: note.revision, ROLLOUT: note.state.map(|_| note.by)},
        }});
        if self.has_taint(without) {
            let left: Vec<&Value> = self
                .taints
                .iter()
                .filter(|taint| Some(&taint["key"]) != without.map(|key| json!(key)).as_ref())
                .collect();
            change["spec"] = json!({"taints": left});
            change["metadata"]["resourceVersion"] = self.version.clone();
        }
        change
    }
}
