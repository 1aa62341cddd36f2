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
    /// `enforce`, or `observe` if the rule that the policy has for this is only observed.
    pub mode: String,
    /// What it said: `route`, `pass` or `deny`; none if nothing was to be decided.
    pub verdict: Option<String>,
    /// The digest that a lock has for the tag, if one has it.
    #[serde(default)]
    pub locked: Option<String>,
    /// What would have been done if what is only observed was in force.
    #[serde(default)]
    pub would: Option<Would>,
    /// Each candidate that was tried, in order.
    pub candidates: Vec<Candidate>,
    /// What was served.
    pub served: Option<Served>,
    /// By whom it is signed, for each signature that the policy demands of it.
    #[serde(default)]
    pub verified: Vec<Verified>,
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

/// What an observed rule says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Would {
    /// The rule.
    pub rule: Rule,
    /// What it says: `route`, `pass` or `deny`.
    pub verdict: String,
    /// The references that would have been asked for, in order. No registry was asked.
    pub candidates: Vec<String>,
    /// Why it would have been refused.
    pub reason: Option<String>,
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

/// That an image is signed as it has to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// The name of the signature in the configuration.
    pub signature: String,
    /// The keys and identities that have signed it.
    pub by: Vec<String>,
    /// The repository where that was found.
    pub registry: String,
    /// Whether it was known before, so that nobody was asked.
    pub known: bool,
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
