//! What containerd has fetched, before it has its name.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::brought::Brought;
use super::leftovers::Temporary;
use super::provenance::Provenance;
use crate::containerd::Answer;
use crate::policy::Name;
use crate::state::State;

/// One image as a mirror served it.
pub(super) struct Fetched {
    pub(super) state: Arc<State>,
    /// What the client asked for.
    pub(super) name: Name,
    /// The digest that was fetched.
    pub(super) digest: String,
    /// The name that it was fetched under.
    pub(super) temporary: Temporary,
    pub(super) provenance: Provenance,
    pub(super) brought: Brought,
    /// The mirror's own name, where it is to stay too.
    pub(super) keep_also: Option<Name>,
    pub(super) adopt_timeout: Duration,
    /// containerd's answer, which goes to the client untouched.
    pub(super) answer: Answer,
}

/// The image was removed before it had its name. It is worth pulling it once more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the image was removed before it had its name")
    }
}
