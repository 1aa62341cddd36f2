//! Which files containerd should find: those of what hosts need, and those of the fence.
//!
//! Before: a policy, and what is wanted.  After: `reconcile` brings the disk to this.
//! Holds: one file for each spelling of a host that containerd may look for; a fenced host has the fence's.
//! Not here: the text (`file`), the disk (`reconcile`).

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::{Action, Policy};

use super::existing::coded;
use super::fence::{self, Fence};
use super::file::{Serves, Way, ways};
use super::host_settings::TransportNeed;
use super::wanted::{Wanted, fold};

/// What is to be on the disk.
#[derive(Debug, Default)]
pub struct Plan {
    /// What the fence covers, and what it can't.
    pub fence: Fence,
    pub(super) files: Vec<Planned>,
    /// The hosts that images are pulled from by rules, as references spell them.
    pub(super) mirrors: BTreeSet<String>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) host: String,
    pub(super) why: Why,
    pub(super) ways: Vec<Way>,
    /// What it is for, in words.
    pub(super) purpose: Vec<String>,
    /// What its hosts need.
    pub(super) needs: Vec<TransportNeed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Transport,
    Fence,
}

/// Plans the files for a policy.
#[must_use]
pub fn plan(policy: &Policy, wanted: &Wanted) -> Plan {
    let mirrors = mirrors(policy);
    let mut hosts: BTreeSet<&str> = mirrors.iter().map(String::as_str).collect();
    // A registry that is asked under its own name has needs as well.
    hosts.extend(wanted.needs().iter().map(|need| need.host.as_str()).filter(|host| *host != "*"));
    let mut files: BTreeMap<String, Planned> = BTreeMap::new();
    for host in hosts {
        let needs = wanted.needs_of(host);
        if !needs.is_empty() {
            files.insert(host.to_owned(), transport(host, &needs));
        }
    }
    let mut fence = Fence::default();
    if wanted.fence() {
        let folded = mirrors.iter().map(|host| fold(host)).collect();
        let (found, fenced) = fence::plan(policy, wanted, &folded);
        fence = found;
        files.extend(fenced.into_iter().map(|planned| (planned.host.clone(), planned)));
    }
    Plan { fence, files: files.into_values().collect(), mirrors }
}

fn transport(host: &str, needs: &[&TransportNeed]) -> Planned {
    let mut purpose = vec![format!("How {host} is reached:")];
    purpose.extend(needs.iter().map(|need| format!("{} ({})", need.what, need.source)));
    Planned {
        host: host.to_owned(),
        why: Why::Transport,
        ways: ways(host, "", Serves::Everything, needs),
        purpose,
        needs: needs.iter().map(|need| (*need).clone()).collect(),
    }
}

fn mirrors(policy: &Policy) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for rule in policy.rules() {
        if let Action::Route(route) = &rule.action {
            hosts.extend(route.mirrors.iter().map(|mirror| mirror.location.host().to_owned()));
        }
    }
    let default = policy.settings().default_registry.as_ref();
    hosts.extend(default.map(|(location, _)| location.host().to_owned()));
    hosts
}

// === impl Plan ===

impl Plan {
    /// The directories, each with its purpose.
    #[must_use]
    pub fn summaries(&self) -> Vec<String> {
        self.files.iter().map(|file| format!("{} ({})", coded(&file.host), file.summary())).collect()
    }

    /// Whether there is nothing to be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

// === impl Planned ===

impl Planned {
    /// What it is for, in a few words.
    pub(super) fn summary(&self) -> String {
        match self.why {
            Why::Fence => "fence".to_owned(),
            Why::Transport => {
                let mut what: Vec<String> = self.needs.iter().map(|need| need.what.to_string()).collect();
                what.dedup();
                what.join(", ")
            }
        }
    }
}

#[cfg(test)]
mod tests;
