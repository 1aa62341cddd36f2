//! Which files containerd should find: those of what hosts need, and those of the fence.
//!
//! Holds: one file for each spelling of a host that containerd may look for; a fenced host has the fence's.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::policy::{Action, Mirror, Mode, Policy, Prefix};

use super::below::opens;
use super::by_ns;
use super::fence::{self, Fence};
use super::file::{Serves, entries};
use super::host_config::endpoint;
use super::host_settings::TransportNeed;
use super::place::coded;
use super::planned::{Planned, Why};
use super::wanted::{Endpoints, fold};

/// The files that are to be on the disk.
#[derive(Debug, Default)]
pub struct Plan {
    /// What the fence covers, and what it can't.
    pub fence: Fence,
    /// The mirrors with `ns` that containerd cannot be told of, and why, in words.
    pub(super) gaps: Vec<String>,
    pub(super) files: Vec<Planned>,
    /// The hosts that images are pulled from by rules, as references spell them.
    pub(super) mirrors: BTreeSet<String>,
    /// Whether some mirror is only found under a private host: its rule says how it is reached, or no image reference
    /// can say its host.
    private: bool,
}

/// Plans the files for a policy of which all is in force (`Policy::acting`).
#[must_use]
pub fn plan(policy: &Policy, endpoints: &Endpoints<'_>) -> Plan {
    let wanted = endpoints.wanted;
    let mirrors = policy.mirror_hosts();
    let mut hosts: BTreeSet<&str> = mirrors.iter().map(String::as_str).collect();
    // A registry that is asked under its own name may have needs, too.
    let opened = Opened::of(policy);
    let needed = wanted.needs().iter().map(|need| need.host.as_str());
    hosts.extend(needed.filter(|host| *host != "*" && opened.has(host)));
    let mut files: BTreeMap<String, Planned> = BTreeMap::new();
    for host in hosts {
        let needs = wanted.needs_of(host);
        if !needs.is_empty() {
            files.insert(host.to_owned(), transport(host, &needs));
        }
    }
    let folded = mirrors.iter().map(|host| fold(host)).collect();
    let (told, gaps) = by_ns::plan(policy, endpoints, &folded);
    files.extend(told.into_iter().map(|planned| (planned.host.clone(), planned)));
    let mut fence = Fence::default();
    if wanted.fence() {
        let (found, fenced) = fence::plan(policy, endpoints, &folded);
        fence = found;
        files.extend(fenced.into_iter().map(|planned| (planned.host.clone(), planned)));
    }
    Plan { fence, gaps, files: files.into_values().collect(), mirrors, private: needs_private_host(policy) }
}

fn transport(host: &str, needs: &[&TransportNeed]) -> Planned {
    let mut purpose = vec![format!("How {host} is reached:")];
    purpose.extend(needs.iter().map(|need| format!("{} ({})", need.what, need.source)));
    Planned {
        host: host.to_owned(),
        why: Why::Transport,
        entries: entries(&endpoint(host, needs), "", Serves::Everything),
        has_server: true,
        purpose,
        needs: needs.iter().map(|need| (*need).clone()).collect(),
    }
}

/// The registries that the shunt may ask under their own names: all, or where the policy is only observed, those that
/// a rule in force opens.
struct Opened<'p> {
    all: bool,
    hosts: HashSet<&'p str>,
    wide: Vec<&'p Prefix>,
}

impl<'p> Opened<'p> {
    fn of(policy: &'p Policy) -> Self {
        let all = policy.settings().mode == Mode::Enforce;
        let opening = || policy.rules_in_force().filter(|rule| !all && opens(rule)).map(|rule| &rule.prefix);
        let wide = opening().filter(|prefix| prefix.host().is_none()).collect();
        Self { all, hosts: opening().filter_map(Prefix::host).collect(), wide }
    }

    fn has(&self, host: &str) -> bool {
        let Ok(registry) = host.parse::<Prefix>() else { return self.all };
        self.all
            || registry.host().is_some_and(|host| self.hosts.contains(host))
            || self.wide.iter().any(|prefix| prefix.covers(&registry))
    }
}

fn needs_private_host(policy: &Policy) -> bool {
    routed(policy).any(|mirror| mirror.endpoint.is_some() || mirror.location.needs_private_host())
}

/// The mirrors of all rules.
fn routed(policy: &Policy) -> impl Iterator<Item = &Mirror> {
    policy.rules().iter().flat_map(|rule| match &rule.action {
        Action::Route(route) => route.mirrors.as_slice(),
        Action::Deny { .. } | Action::Pass => &[],
    })
}

// === impl Plan ===

impl Plan {
    /// The directories, each with its purpose.
    #[must_use]
    pub fn summaries(&self) -> Vec<String> {
        self.files.iter().map(|file| format!("{} ({})", coded(&file.host), file.summary())).collect()
    }

    /// Whether there is nothing to look after: no file to be kept, and no mirror that a file of others may lead
    /// elsewhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.mirrors.is_empty()
    }

    /// Whether some mirror can only be had by a private host.
    #[must_use]
    pub fn needs_private_hosts(&self) -> bool {
        self.private
    }

    /// Whether images come from mirrors.
    #[must_use]
    pub fn has_mirrors(&self) -> bool {
        self.private || !self.mirrors.is_empty()
    }

    /// Whether pulls need a containerd that reads `hosts.toml`.
    #[must_use]
    pub fn must_be_read(&self) -> bool {
        self.private || !self.files.is_empty()
    }
}

#[cfg(test)]
mod tests;
