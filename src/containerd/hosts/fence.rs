//! The fence: pulls that do not go through the shunt follow the rules as far as containerd's own files can make them.
//!
//! Holds: a registry is fenced only if its rule covers all of it and no rule below may reach it, so that no pull of the
//! shunt's own is led elsewhere. The policy itself says who is asked.
//! Not here: pulls through the shunt, which ask for other names and meet no fence.
//!
//! containerd's files can't treat repositories differently, or refuse one; they can only put a path in front of it.

use std::collections::BTreeSet;

use crate::policy::{
    Action, Asked, Candidate, Decision, DefaultAction, DenyReason, Name, Policy, PrefixKind, Role, Rule,
};

use super::below::{Below, opens};
use super::file::{Entry, Serves, entries, is_readable, nowhere};
use super::host_settings::TransportNeed;
use super::planned::{Planned, Why};
use super::wanted::Endpoints;

/// A repository that does not exist: what the policy answers for it, it answers for the whole registry.
const PROBE: &str = "cri-shunt/probe";
/// The word in containerd's error for a denied registry.
const DENIED: &str = "denied-by-cri-shunt";
/// Where the images of a denied registry come from.
const NOWHERE: &str = "nowhere";

/// What the fence covers and what it can't cover.
#[derive(Debug, Default)]
pub struct Fence {
    /// The registries that can't be reached past the rules.
    pub covered: Vec<Covered>,
    /// What stays open, and why, in words.
    pub gaps: Vec<String>,
}

/// One fenced registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The registry.
    pub host: String,
    /// Where its images come from, in words.
    pub to: String,
}

/// Which hosts a registry's images come from, in order.
#[derive(Default)]
struct Sources {
    to: Vec<String>,
    entries: Vec<Entry>,
    needs: Vec<TransportNeed>,
}

/// Plans the files; `mirrors` are the folded hosts that rules lead to.
pub(super) fn plan(
    policy: &Policy,
    endpoints: &Endpoints<'_>,
    mirrors: &BTreeSet<String>,
) -> (Fence, Vec<Planned>) {
    let mut fence = Fence::default();
    let mut files = Vec::new();
    let below = Below::of(policy);
    for host in hosts(policy) {
        match sources(policy, endpoints, &below, mirrors, &host, &mut fence.gaps) {
            Ok(Some(sources)) => {
                let to = sources.to.join(", then ");
                files.extend(spellings(&host).into_iter().map(|spelled| sources.file(&host, spelled, &to)));
                fence.covered.push(Covered { host, to });
            }
            Ok(None) => {}
            Err(why) => fence.gaps.push(format!("{host} is not fenced: {why}")),
        }
    }
    let covered: BTreeSet<&str> = fence.covered.iter().map(|covered| covered.host.as_str()).collect();
    fence.gaps.extend(policy.rules().iter().filter_map(|rule| gap(rule, &covered)));
    if policy.settings().default == DefaultAction::Deny {
        fence.gaps.push("default = \"deny\": a registry without a rule of its own is open".to_owned());
    }
    (fence, files)
}

fn hosts(policy: &Policy) -> BTreeSet<String> {
    let whole = policy.rules().iter().filter(|rule| rule.prefix.kind() == PrefixKind::Host);
    let mut hosts: BTreeSet<String> = whole.filter_map(|rule| Some(rule.prefix.host()?.to_owned())).collect();
    hosts.extend(policy.settings().default_registry.as_ref().map(|_| "docker.io".to_owned()));
    hosts
}

/// The names that containerd has for the registry, but for those that it turns into one of these.
pub(super) fn spellings(host: &str) -> Vec<String> {
    if host == "docker.io" {
        let hub = ["docker.io", "docker.io:443", "registry-1.docker.io", "registry-1.docker.io:443"];
        return hub.iter().chain(&["index.docker.io:443"]).map(|name| (*name).to_owned()).collect();
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let mut names = vec![host.to_owned()];
    names.extend((!has_port).then(|| format!("{host}:443")));
    names
}

/// None where there is nothing to fence; an error that says why it can't be done.
fn sources(
    policy: &Policy,
    endpoints: &Endpoints<'_>,
    below: &Below<'_>,
    mirrors: &BTreeSet<String>,
    host: &str,
    gaps: &mut Vec<String>,
) -> Result<Option<Sources>, String> {
    let probe = |suffix: &str| format!("{host}/{PROBE}{suffix}").parse::<Name>().map_err(|e| e.to_string());
    let digest = probe(&format!("@sha256:{}", "0".repeat(64)))?;
    let (by_tag, by_digest) =
        (policy.decide_unlocked(&Asked::of(&probe(":probe")?)), policy.decide_unlocked(&Asked::of(&digest)));
    let rule = *by_tag.rule();
    let is_own = rule.prefix() == "default-registry" || rule.prefix() == host;
    if !is_own || matches!(by_tag, Decision::Pass { .. }) {
        return Ok(None);
    }
    if mirrors.contains(host) {
        return Err("it is a mirror itself".to_owned());
    }
    let is_default = rule.prefix() == "default-registry";
    let before = || policy.scoped_before_default_registry().find(|rule| is_default && opens(rule));
    if let Some(exception) = below.opening(host).or_else(before) {
        return Err(format!("the rule for {} lets images of it through", exception.prefix));
    }
    if let Decision::Deny { reason: DenyReason::Stated(_), .. } = &by_tag {
        let (to, entries) = (vec![NOWHERE.to_owned()], vec![nowhere(DENIED)]);
        return Ok(Some(Sources { to, entries, ..Sources::default() }));
    }
    if rule.rule().is_some_and(has_rewrites) {
        return Err("containerd knows no rewrites".to_owned());
    }
    let (tags, digests) = (candidates(by_tag), candidates(by_digest));
    let mut sources = Sources::default();
    for candidate in &digests {
        let serves_tags = tags.iter().any(|tag| tag.name.repository() == candidate.name.repository());
        sources.add(candidate, if serves_tags { Serves::Everything } else { Serves::Digests }, endpoints);
    }
    for tag in tags.iter().filter(|tag| digests.iter().all(|d| d.name.repository() != tag.name.repository()))
    {
        gaps.push(format!("{host}: {} is for tags only, which no hosts.toml can say", place(tag).0));
    }
    if sources.entries.is_empty() {
        return Err("no mirror of it is left".to_owned());
    }
    if !is_readable(&sources.entries, true) {
        return Err("containerd 1.x cannot read a file that has a host in brackets before another".to_owned());
    }
    Ok(Some(sources))
}

fn candidates(decision: Decision<'_>) -> Vec<Candidate> {
    match decision {
        Decision::Route { candidates, .. } => candidates,
        Decision::Pass { .. } | Decision::Deny { .. } => Vec::new(),
    }
}

fn has_rewrites(rule: &Rule) -> bool {
    matches!(&rule.action, Action::Route(route) if !route.rewrites.is_empty())
}

/// The host and the path that a candidate has before the repository.
fn place(candidate: &Candidate) -> (&str, &str) {
    let path = candidate.name.path().strip_suffix(PROBE).unwrap_or_default();
    (candidate.name.host(), path.trim_end_matches('/'))
}

/// What stays open by one rule that is not for a whole registry.
fn gap(rule: &Rule, covered: &BTreeSet<&str>) -> Option<String> {
    let prefix = &rule.prefix;
    if prefix.kind() == PrefixKind::Host && rule.namespaces.is_none() {
        return None;
    }
    let does = match &rule.action {
        Action::Pass => return None,
        Action::Deny { .. } => "denied",
        Action::Route(_) => "sent to mirrors of its own",
    };
    let of_namespaces = rule.namespaces.as_ref().map(|these| format!(" for {these}")).unwrap_or_default();
    let round = match prefix.host() {
        _ if rule.namespaces.is_some() => "containerd's files know no namespaces",
        None => "containerd has no file for many registries",
        Some(host) if covered.contains(host) => "round the shunt its registry's mirrors are asked",
        Some(_) => "round the shunt its registry is asked",
    };
    Some(format!("{prefix}{of_namespaces} is {does} by the shunt alone: {round} ({})", rule.source))
}

// === impl Sources ===

impl Sources {
    fn add(&mut self, candidate: &Candidate, serves: Serves, endpoints: &Endpoints<'_>) {
        let (host, path) = place(candidate);
        self.entries.extend(entries(&endpoints.of(host, candidate.endpoint), path, serves));
        self.needs.extend(endpoints.wanted.needs_of(host).into_iter().cloned());
        let slash = if path.is_empty() { "" } else { "/" };
        let word = if candidate.role == Role::Origin { "itself" } else { host };
        self.to.push(format!("{word}{slash}{path}"));
    }

    fn file(&self, host: &str, spelled: String, to: &str) -> Planned {
        let what = match to {
            NOWHERE => "are denied".to_owned(),
            to => format!("come from {to}"),
        };
        Planned {
            host: spelled,
            why: Why::Fence,
            entries: self.entries.clone(),
            has_server: true,
            purpose: vec![format!("The fence: images of {host} {what}.")],
            needs: self.needs.clone(),
        }
    }
}
