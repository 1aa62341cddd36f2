//! The targets: where rules that route look for images.
//!
//! Holds: texts are folded as keys are, so a target can be looked up by the key of any name.
//! Not here: the candidates of one name (`candidate`).

use std::collections::HashSet;

use super::key::{HUB, fold_host};
use super::location::{Location, PLACEHOLDER};
use super::namespaces::Namespaces;
use super::prefix::{Prefix, PrefixKind};
use super::rule::{Action, Mirror, Ns, Order, Origin, Route, Rule, Source};

/// The rule behind a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By {
    Rule(usize),
    DefaultRegistry,
}

/// One rule that routes, with the default registry as a rule for Docker Hub.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routing<'p> {
    pub(super) by: By,
    pub(super) route: &'p Route,
    pub(super) source: &'p Source,
    /// The namespaces that it is for; `None` for all.
    pub(super) namespaces: Option<&'p Namespaces>,
    /// The one registry that its images come from; `None` for wildcards.
    pub(super) host: Option<&'p str>,
    /// The domain of a `*.domain`.
    domain: Option<&'p str>,
    /// The part of the prefix behind its host.
    below: &'p str,
    /// The prefix, for people.
    pub(super) prefix: &'p str,
}

/// A place where a mirror has images.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    /// The mirror's location, `{host}` filled in.
    pub(super) location: String,
    /// The location and what the rule's own prefix adds to it.
    pub(super) text: String,
    /// The way by which it is reached, where that leads to other images than any other way.
    pub(super) way: Option<u32>,
}

/// The targets of a wildcard rule with `{host}`: one for each host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The components before the one that holds the host.
    pub(super) head: String,
    before: String,
    after: String,
    /// The components behind it.
    tail: String,
    domain: Option<String>,
}

/// The default registry as a route.
pub(super) fn default_route(location: &Location) -> Route {
    Route {
        mirrors: vec![Mirror::at(location.clone())],
        order: Order::Fixed,
        rewrites: Vec::new(),
        origin: Origin::Never,
        collapse: false,
        node_credentials: None,
        outage: Default::default(),
    }
}

/// Whether a rule takes every name that the default registry would get.
pub(super) fn shadows_default_registry(prefix: &Prefix) -> bool {
    match prefix.kind() {
        PrefixKind::Any => true,
        PrefixKind::Host => prefix.host() == Some(HUB),
        // Every spelling of Docker Hub has the key `docker.io`, which is below `io`.
        PrefixKind::Domain => prefix.domain() == Some("io"),
        PrefixKind::Exact | PrefixKind::Path => false,
    }
}

/// Everything that routes and is in force.
pub(super) fn routings<'p>(
    rules: &'p [Rule],
    in_force: &[bool],
    default_registry: Option<(&'p Route, &'p Source)>,
) -> Vec<Routing<'p>> {
    let counting = rules.iter().zip(in_force).enumerate().filter(|(_, (_, counts))| **counts);
    let written = counting.filter_map(|(i, (rule, _))| match &rule.action {
        Action::Route(route) => Some(Routing {
            by: By::Rule(i),
            route,
            source: &rule.source,
            namespaces: rule.namespaces.as_ref(),
            host: rule.prefix.host(),
            domain: rule.prefix.domain(),
            below: rule.prefix.below_host(),
            prefix: rule.prefix.as_str(),
        }),
        Action::Deny { .. } | Action::Pass => None,
    });
    let default = default_registry.map(|(route, source)| Routing {
        by: By::DefaultRegistry,
        route,
        source,
        namespaces: None,
        host: Some(HUB),
        domain: None,
        below: "",
        prefix: "default-registry",
    });
    written.chain(default).collect()
}

impl Routing<'_> {
    /// The targets with a fixed text: all but those with `{host}` in a wildcard rule.
    pub(super) fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::with_capacity(self.route.mirrors.len());
        // Comparing a few is faster than hashing them.
        let mut seen = (self.route.mirrors.len() > 8).then(HashSet::new);
        // Where a mirror is told of the registry, two registries' images do not meet.
        for mirror in self.route.mirrors.iter().filter(|mirror| mirror.ns != Ns::Needed) {
            let folded = mirror.location.folded();
            let location = match (self.host, mirror.location.has_placeholder()) {
                (_, false) => folded,
                // A path can't hold a port or an address, so there is never such a candidate.
                (Some(host), true) if !host.contains([':', '[']) => folded.replacen(PLACEHOLDER, host, 1),
                (_, true) => continue,
            };
            let alone = self.below.is_empty() || !self.route.rewrites.is_empty() || mirror.strip_prefix;
            let text = if alone { location.clone() } else { format!("{location}/{}", self.below) };
            let way = mirror.endpoint.filter(|_| mirror.apart);
            let target = Target { location, text, way };
            let new = match &mut seen {
                Some(seen) => seen.insert(target.clone()),
                None => !targets.contains(&target),
            };
            if new {
                targets.push(target);
            }
        }
        targets
    }

    /// The targets with `{host}` of a wildcard rule.
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        if self.host.is_some() {
            return Vec::new();
        }
        let mirrors = self.route.mirrors.iter();
        mirrors.filter_map(|mirror| Pattern::new(&mirror.location, self.domain)).collect()
    }
}

impl Pattern {
    fn new(location: &Location, domain: Option<&str>) -> Option<Self> {
        let folded = location.folded();
        let (front, back) = folded.split_once(PLACEHOLDER)?;
        let (head, before) = front.rsplit_once('/')?;
        let (after, tail) = back.split_once('/').unwrap_or((back, ""));
        Some(Self {
            head: head.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            tail: tail.to_owned(),
            domain: domain.map(str::to_owned),
        })
    }

    /// Where the target ends in `repository`, which begins with the head, and the host that it is for.
    pub(super) fn find<'r>(&self, repository: &'r str) -> Option<(usize, &'r str)> {
        let rest = repository.get(self.head.len() + 1..)?;
        let component = rest.split('/').next()?;
        let host = component.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        // If the rule could not have filled in this host, it is an ordinary repository.
        let is_host = (host == "localhost" || host.contains('.')) && fold_host(host) == host;
        let in_domain = self.domain.as_deref().is_none_or(|domain| {
            host.strip_suffix(domain).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
        });
        if !is_host || !in_domain {
            return None;
        }
        let end = self.head.len() + 1 + component.len();
        if self.tail.is_empty() {
            return Some((end, host));
        }
        let behind = rest.get(component.len() + 1..)?.strip_prefix(self.tail.as_str())?;
        (behind.is_empty() || behind.starts_with('/')).then_some((end + 1 + self.tail.len(), host))
    }
}
