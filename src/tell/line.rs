//! A line of the audit, as `docs/audit.md` describes it: one JSON object for each decision.
//!
//! Holds: no line has a secret or the name of a login. [`VERSION`] changes if a field goes or means something else; a
//! new field does not change it.

use serde::{Deserialize, Serialize};

/// The version of the form.
pub const VERSION: u32 = 1;

/// One decision, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// [`VERSION`].
    pub version: u32,
    /// When the request was over, in UTC.
    pub time: String,
    /// The request's id, as in the log.
    pub id: String,
    /// The CRI method: `PullImage`, `ImageStatus`, `CreateContainer` or `RestorePod`.
    pub method: String,
    /// Who asked.
    pub client: Client,
    /// For which pod, if the client told.
    pub pod: Option<Pod>,
    /// The image as the client asked for it.
    pub asked: String,
    /// Its whole name; none if it is not a name.
    pub name: Option<String>,
    /// The rule that decided; none if nothing was to be decided.
    pub rule: Option<Rule>,
    /// What the policy does with its decisions: `enforce`.
    pub mode: String,
    /// What it said: `route`, `pass` or `deny`; none if nothing was to be decided.
    pub verdict: Option<String>,
    /// Each candidate that was tried, in order.
    pub candidates: Vec<Candidate>,
    /// What was served.
    pub served: Option<Served>,
    /// How it ended, in one word.
    pub outcome: String,
    /// The code of the client's answer, as gRPC spells it.
    pub code: String,
    /// Why it was refused or failed, if it was not for the candidates.
    pub reason: Option<String>,
    /// How long all of it took.
    pub seconds: f64,
    /// How much of that was spent waiting for containerd.
    pub containerd_seconds: f64,
    /// The hash of the policy that decided.
    pub policy: String,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Its process, if that can be seen.
    pub pid: Option<i32>,
    /// Its user.
    pub uid: u32,
    /// Its program's name.
    pub program: Option<String>,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its prefix, `default-registry` or `default`.
    pub prefix: String,
    /// `file:line`; none for the built-in default.
    pub place: Option<String>,
}

/// A candidate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The reference that it is.
    pub name: String,
    /// Its host.
    pub registry: String,
    /// `mirror` or `origin`.
    pub role: String,
    /// Where the login came from that it was asked with; none if it was not asked.
    pub login: Option<String>,
    /// `served`, or the class of its failure.
    pub outcome: String,
    /// The HTTP status by which its registry refused, if it was one.
    pub status: Option<u16>,
    /// Why it did not serve.
    pub error: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// What was served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// The reference that was asked for at the registry; none if the image on the node is the answer.
    pub name: Option<String>,
    /// The registry; none if the image on the node is the answer.
    pub registry: Option<String>,
    /// The digest of the manifest or index, if it is known.
    pub digest: Option<String>,
    /// The length of that in bytes, if the registry said it.
    pub size: Option<u64>,
}

/// Stands where lines are missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// [`VERSION`].
    pub version: u32,
    /// When it was written, in UTC.
    pub time: String,
    /// How many lines are missing before this one.
    pub dropped: u64,
}

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// A decision.
    Decision(Box<Line>),
    /// Missing lines.
    Gap(Gap),
}
