//! Where rules send images, and where images of two registries get the same place.
//!
//! Holds: only rules in force count. The cost does not grow with the square of their number.
//! Not here: the same place for two registries without `collapse`, which is an error (`policy`).

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::super::diagnostic::{Problem, Span};
use super::super::draft::{DraftRule, PolicyDraft};
use crate::policy::{Action, Layer, Location, Mirror, Ns, Policy, Prefix, PrefixKind, Route};

/// A place where images of one registry are looked for.
pub(super) struct Target<'d> {
    /// The rule's prefix; `None` for the default registry.
    prefix: Option<&'d Prefix>,
    /// The registry of the images, or a wildcard.
    registry: &'d str,
    /// The mirror.
    location: String,
    /// Host and path: the location, and what the rule's prefix adds to it.
    pub(super) at: String,
    span: &'d Span,
    collapse: bool,
    native: bool,
}

/// The targets of the rules in force, and of the default registry.
pub(super) fn of<'d>(draft: &'d PolicyDraft, policy: &Policy) -> Vec<Target<'d>> {
    let mut targets = Vec::with_capacity(draft.rules.len());
    for drafted in draft.in_force(policy) {
        let Action::Route(route) = &drafted.rule.action else { continue };
        for (span, mirror) in drafted.mirrors_at.iter().zip(&route.mirrors) {
            targets.extend(target(drafted, route, mirror, span));
        }
    }
    let default = draft.default_registry.as_ref().and_then(|set| {
        let location = folded(&set.value)?;
        let (at, span) = (location.clone(), &set.at);
        Some(Target {
            prefix: None,
            registry: "docker.io",
            location,
            at,
            span,
            collapse: false,
            native: true,
        })
    });
    targets.extend(default);
    targets
}

fn target<'d>(drafted: &'d DraftRule, route: &Route, mirror: &Mirror, span: &'d Span) -> Option<Target<'d>> {
    let prefix = &drafted.rule.prefix;
    let native = drafted.rule.layer == Layer::Native;
    if mirror.apart || (native && mirror.ns == Ns::Needed) {
        // The rule says what keeps registries apart there.
        return None;
    }
    let (registry, path) = split(prefix);
    let location = folded(&mirror.location)?;
    // A rewrite may lead anywhere below the mirror. Without one the path of the prefix stays.
    let alone = path.is_empty() || mirror.strip_prefix || !route.rewrites.is_empty();
    let at = if alone { location.clone() } else { format!("{location}/{path}") };
    Some(Target { prefix: Some(prefix), registry, location, at, span, collapse: route.collapse, native })
}

/// A prefix's registry and its repository path.
pub(super) fn split(prefix: &Prefix) -> (&str, &str) {
    let (host, path) = prefix.as_str().split_once('/').unwrap_or((prefix.as_str(), ""));
    let path = path.split('@').next().unwrap_or(path);
    (host, path.split(':').next().unwrap_or(path))
}

/// `None` where each registry has its own place.
fn folded(location: &Location) -> Option<String> {
    if location.has_placeholder() {
        return None;
    }
    let host = location.folded_host();
    Some(if location.path().is_empty() { host } else { format!("{host}/{}", location.path()) })
}

/// The first target at a place, and the first of another registry.
type Pair<'t, 'd> = (&'t Target<'d>, Option<&'t Target<'d>>);

/// For each place the first target, and the first of another registry.
fn pairs<'t, 'd, K: std::hash::Hash + Eq>(
    targets: impl Iterator<Item = (K, &'t Target<'d>)>,
) -> HashMap<K, Pair<'t, 'd>, RandomState> {
    let mut places: HashMap<K, Pair<'t, 'd>, RandomState> = HashMap::default();
    for (key, target) in targets {
        let (first, other) = places.entry(key).or_insert((target, None));
        if other.is_none() && first.registry != target.registry {
            *other = Some(target);
        }
    }
    places
}

/// The one of the two whose images are of another registry.
fn another<'t, 'd>(pair: &Pair<'t, 'd>, registry: &str) -> Option<&'t Target<'d>> {
    if pair.0.registry != registry { Some(pair.0) } else { pair.1 }
}

/// Equal targets are a conflict. Where one is inside another, the two meet only for a repository with exactly
/// that name, which `policy` refuses when it is asked for.
pub(super) fn nested(targets: &[Target<'_>], out: &mut Vec<Problem>) {
    let strict = || targets.iter().filter(|target| !target.collapse);
    let places = pairs(strict().map(|target| (target.at.as_str(), target)));
    for inner in strict() {
        let around = inner.at.match_indices('/').filter_map(|(end, _)| places.get(&inner.at[..end]));
        let Some(outer) = { around }.find_map(|pair| another(pair, inner.registry)) else { continue };
        let Target { registry, at, .. } = inner;
        let message = format!(
            "images of `{}` that this mirror would have below {at} are refused: the images of `{registry}` are there",
            outer.registry
        );
        let hint = "give each registry a path of its own that does not lie inside the other's";
        let problem = Problem::warning(message).at(inner.span).also(outer.span, "the outer path");
        out.push(problem.hint(hint));
    }
}

/// Reports places where the images of several registries are looked for because the format of a source does so,
/// with or without a native rule. Native rules alone are not reported: they say so with `collapse`.
pub(super) fn meeting(targets: &[Target<'_>], out: &mut Vec<Problem>) {
    let at = pairs(targets.iter().map(|target| (target.at.as_str(), target)));
    // Inside one mirror, an outer place is part of the same tree.
    let within = pairs(targets.iter().map(|target| ((target.at.as_str(), target.location.as_str()), target)));
    let mut problems: BTreeMap<&str, Problem> = BTreeMap::new();
    let mut wildcards: BTreeMap<&str, (&Target<'_>, usize)> = BTreeMap::new();
    for target in targets.iter().filter(|target| !target.native) {
        if let Some(prefix) = target.prefix.filter(|prefix| is_wildcard(prefix)) {
            let found = wildcards.entry(prefix.as_str());
            found.and_modify(|(_, more)| *more += 1).or_insert((target, 0));
        }
    }
    for (prefix, (first, more)) in wildcards {
        problems.insert(&first.at, for_many(prefix, first, more));
    }
    for target in targets {
        let ends =
            target.at.match_indices('/').map(|(end, _)| end).filter(|end| *end >= target.location.len());
        let around = ends.filter_map(|end| within.get(&(&target.at[..end], target.location.as_str())));
        let there = at.get(target.at.as_str()).into_iter().chain(around);
        let others = { there }.filter_map(|pair| another(pair, target.registry));
        for other in others.filter(|other| !(target.native && other.native)) {
            let order = |target: &Target<'_>| (!target.native, target.span.text, target.span.range.start);
            let (first, later) = if order(target) < order(other) { (target, other) } else { (other, target) };
            let place = if other.at.len() > target.at.len() { &other.at } else { &target.at };
            problems.entry(place).or_insert_with(|| of_two(first, later, place));
        }
    }
    out.extend(problems.into_values().map(|problem| {
        problem.hint("this format does so; a [[policy.rule]] with {host} in its mirror keeps them apart, or with `ns = true` if the mirror looks at that")
    }));
}

fn is_wildcard(prefix: &Prefix) -> bool {
    matches!(prefix.kind(), PrefixKind::Any | PrefixKind::Domain)
}

/// One warning for each rule, however many mirrors it has.
fn for_many(prefix: &str, first: &Target<'_>, more: usize) -> Problem {
    let more = if more == 0 { String::new() } else { format!(", and at {more} more") };
    let at = &first.at;
    let message =
        format!("images of every registry under `{prefix}` are looked for in the same place, {at}{more}");
    Problem::warning(message).at(first.span)
}

fn of_two(first: &Target<'_>, later: &Target<'_>, place: &str) -> Problem {
    let name = |target: &Target<'_>| match target.prefix {
        Some(prefix) => format!("`{prefix}`"),
        None => format!("`{}`, by `default-registry`,", target.registry),
    };
    let message =
        format!("images of {} and of {} are looked for in the same place, {place}", name(first), name(later));
    Problem::warning(message).at(later.span).also(first.span, "the other one")
}
