//! One policy with everything that is read with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Extent;
use super::needed_files::NeededFile;
use crate::containerd::hosts::{Endpoints, Wanted};
use crate::credentials::Credentials;
use crate::policy::{Asked, Decision, Policy};
use crate::registry::Endpoint;
use crate::signature::{Demands, Must};

/// One policy with its settings, built whole and swapped in whole.
#[derive(Debug)]
pub struct Generation {
    /// The rules that are in force. What is done is done by them alone.
    pub policy: Arc<Policy>,
    /// All rules, where some are only observed: what they say is told, and nothing is done.
    pub observed: Option<Policy>,
    /// How pulls behave around them.
    pub pull: PullSettings,
    /// The node's logins for registries.
    pub credentials: Credentials,
    /// What containerd is to be told of registry hosts.
    pub transport: Wanted,
    /// How mirrors with settings of their own are reached; candidates have an index into it.
    pub endpoints: Vec<Endpoint>,
    /// What is demanded of signatures.
    pub demands: Demands,
    /// The files that pulls need.
    pub needed: Arc<[NeededFile]>,
    /// How much it says.
    pub extent: Extent,
    /// The files it was read from.
    pub sources: Vec<PathBuf>,
    /// How often these are looked at for a change; none: never.
    pub watch: Option<Duration>,
    /// When it was read.
    pub loaded_at: SystemTime,
}

impl Generation {
    /// A policy alone, without anything that is read with it: for tests and fuzz targets.
    #[must_use]
    pub fn of_policy(policy: Policy) -> Self {
        let second = Duration::from_secs(1);
        Generation {
            policy: Arc::new(policy),
            observed: None,
            pull: PullSettings { stall_after: None, adopt_timeout: second, retry_down_after: second },
            credentials: Credentials::default(),
            transport: Wanted::new(Vec::new(), false),
            endpoints: Vec::new(),
            demands: Demands::default(),
            needed: Arc::default(),
            extent: Extent::default(),
            sources: Vec::new(),
            watch: None,
            loaded_at: SystemTime::UNIX_EPOCH,
        }
    }

    /// The policy as it is written, with what is only observed.
    #[must_use]
    pub fn written(&self) -> &Policy {
        self.observed.as_ref().unwrap_or(&self.policy)
    }

    /// What the policy says as a whole, where something else is done because a rule or a default is only observed.
    #[must_use]
    pub fn would<'a>(&'a self, asked: &Asked<'_>) -> Option<Decision<'a>> {
        let whole = self.observed.as_ref()?;
        let decision = whole.decide(asked);
        whole.is_only_told(asked, &decision).then_some(decision)
    }

    /// What an image has to meet that this policy has decided about: [`Generation::policy`], or the written one. All
    /// of it; nothing is demanded where it is empty.
    #[must_use]
    pub fn must(&self, policy: &Policy, asked: &Asked<'_>, decision: &Decision<'_>) -> Vec<Must> {
        self.demands.of_asked(policy, asked, decision)
    }

    /// How everything is reached that the policy names.
    #[must_use]
    pub fn reach(&self) -> Endpoints<'_> {
        Endpoints { wanted: &self.transport, own: &self.endpoints }
    }
}

/// `[pull]`: how long its steps may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullSettings {
    /// How long a candidate may take to say whether it has the image, and to show its manifests, while another
    /// candidate follows; none: as long as the last one.
    pub stall_after: Option<Duration>,
    /// How long containerd may take to show an image by its original name.
    pub adopt_timeout: Duration,
    /// How long a mirror that did not answer is tried after the others, the first time.
    pub retry_down_after: Duration,
}
