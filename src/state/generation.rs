//! One policy with everything that is read with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Extent;
use super::needed_files::NeededFile;
use crate::containerd::hosts::{Endpoints, Wanted};
use crate::credentials::Credentials;
use crate::policy::Policy;
use crate::registry::Endpoint;

/// One policy with its settings, built whole and swapped in whole.
#[derive(Debug)]
pub struct Generation {
    /// The rules.
    pub policy: Policy,
    /// How pulls behave around them.
    pub pull: PullSettings,
    /// The node's logins for registries.
    pub credentials: Credentials,
    /// What containerd is to be told of registry hosts.
    pub transport: Wanted,
    /// How mirrors with settings of their own are reached; candidates have an index into it.
    pub endpoints: Vec<Endpoint>,
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
