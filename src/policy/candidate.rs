//! What a route makes of one name: the candidates.
//!
//! Holds: containerd reads a candidate exactly as it is written, and a candidate has the tag or digest of the
//! name; anything else is not a candidate. The origin is a candidate only where the rule says so.
//! Not here: trying them (`pull`).

use std::borrow::Cow;

use super::decision::{Candidate, Decision, DenyReason, Role, RuleRef, Unusable, UnusableCause};
use super::index::Index;
use super::key::{Key, fold_host};
use super::location::Location;
use super::lock::Pin;
use super::name::Name;
use super::rule::{Ns, Only, Origin, Rewrite, Route, Rule};
use super::target::By;

/// The decision of a rule that routes. `denied` finds the native rule that denies a candidate.
pub(super) fn decide<'p>(
    index: &Index,
    denied: impl Fn(&Name) -> Option<&'p Rule>,
    rule: RuleRef<'p>,
    (by, route): (By, &Route),
    (name, key): (&Name, &Key),
    locked: Option<Pin<'p>>,
) -> Decision<'p> {
    let path = rewritten(&route.rewrites, key.path());
    let mut candidates: Vec<Candidate> = Vec::with_capacity(route.mirrors.len() + 1);
    let mut unusable = Vec::new();
    let rewritten = matches!(path, Cow::Owned(_));
    let digest = key.digest().is_some();
    // What is locked is the same at each of them.
    let serving = route.mirrors.iter().filter(|mirror| locked.is_some() || serves(mirror.only, digest));
    for mirror in serving {
        let path = if mirror.strip_prefix { own_part(&path, route, rule) } else { &path };
        let target = target(&mirror.location, path, rewritten, key).and_then(|found| {
            let taken = index
                .taken(by, &found, key)
                .filter(|_| !route.collapse && mirror.ns != Ns::Needed && !mirror.apart);
            let taken = taken.map(|registry| UnusableCause::Taken { registry });
            let denied =
                || denied(&found).map(|rule| UnusableCause::Denied { rule: rule.prefix.to_string() });
            match taken.or_else(denied) {
                Some(cause) => Err(Unusable { reference: found.to_string(), cause }),
                None => Ok(found),
            }
        });
        match target {
            Ok(found) if holds(&candidates, &found, mirror.endpoint, mirror.ns) => {}
            Ok(found) => candidates.push(Candidate {
                same_host: fold_host(found.host()) == key.host(),
                name: found,
                role: Role::Mirror,
                ns: mirror.ns,
                endpoint: mirror.endpoint,
                warm_by_tag: mirror.warm_by_tag,
                needs_private_host: mirror.location.needs_private_host(),
            }),
            Err(reason) => unusable.push(reason),
        }
    }
    if route.origin == Origin::Last && !holds(&candidates, name, None, Ns::Off) {
        candidates.push(Candidate::origin(name));
    }
    if !candidates.is_empty() {
        return Decision::Route { rule, candidates, unusable, locked };
    }
    let not_served = unusable.is_empty() && !route.mirrors.is_empty();
    let reason = if not_served { DenyReason::NotServed { digest } } else { DenyReason::Unusable(unusable) };
    Decision::Deny { rule, reason }
}

/// Whether this name is among the candidates, asked for in this way.
fn holds(candidates: &[Candidate], name: &Name, endpoint: Option<u32>, ns: Ns) -> bool {
    let is_needed = |ns| ns == Ns::Needed;
    let same = |other: &Candidate| other.endpoint == endpoint && is_needed(other.ns) == is_needed(ns);
    candidates.iter().any(|other| other.name == *name && same(other))
}

fn serves(only: Only, digest: bool) -> bool {
    match only {
        Only::Any => true,
        Only::Digests => digest,
        Only::Tags => !digest,
    }
}

/// The path after the first rewrite that changes it; later rewrites are not applied.
///
/// Slashes that are too many go: k3s joins the mirror's path and the result as paths.
fn rewritten<'k>(rewrites: &[Rewrite], path: &'k str) -> Cow<'k, str> {
    let mut results = rewrites.iter().map(|rewrite| rewrite.pattern.replace_all(path, &*rewrite.replacement));
    let result = results.find(|result| result != path).unwrap_or(Cow::Borrowed(path));
    if result.contains("//") || result.starts_with('/') || result.ends_with('/') {
        let parts: Vec<&str> = result.split('/').filter(|part| !part.is_empty()).collect();
        return Cow::Owned(parts.join("/"));
    }
    result
}

/// The path without the path of the rule's prefix in front; empty where they are equal.
fn own_part<'k>(path: &'k str, route: &Route, rule: RuleRef<'_>) -> &'k str {
    let below = rule.rule().map_or("", |rule| rule.prefix.path());
    let rest = path.strip_prefix(below).filter(|_| route.rewrites.is_empty());
    rest.map_or(path, |rest| rest.trim_start_matches('/'))
}

/// Builds the reference, or says why it cannot be pulled.
fn target(location: &Location, path: &str, rewritten: bool, key: &Key) -> Result<Name, Unusable> {
    let front = location.host().len() + location.path().len() + key.host().len() + 2;
    let mut reference = String::with_capacity(front + path.len() + key.suffix().len());
    location.write_before(key.host(), &mut reference);
    if path.is_empty() && !rewritten {
        // The location by itself is the whole repository.
        reference.pop();
    }
    reference.push_str(path);
    let path_end = reference.len();
    reference.push_str(key.suffix());
    if location.has_placeholder() && key.host().contains(':') {
        return Err(Unusable { reference, cause: UnusableCause::HostInPath { host: key.host().to_owned() } });
    }
    if location.needs_private_host() {
        let name = Name::at_unsayable_host(&reference, location.host().len(), path_end);
        return name.map_err(|error| Unusable { reference, cause: UnusableCause::Invalid(error) });
    }
    // Only after a rewrite can the result be something else than a reference.
    let whole = path.is_empty() && location.path().is_empty();
    let doubtful = rewritten || whole;
    if !doubtful {
        match Name::from_parts(reference, location.host().len(), path_end) {
            Ok(name) => return Ok(name),
            Err(text) => reference = text,
        }
    }
    match reference.parse::<Name>() {
        // A rewrite may have put a tag into the path, or `docker.io/x` would become `docker.io/library/x`.
        Ok(name) if name.as_str() != reference => {
            Err(Unusable { reference, cause: UnusableCause::ReadAs(name) })
        }
        Ok(name) => Ok(name),
        Err(error) => Err(Unusable { reference, cause: UnusableCause::Invalid(error) }),
    }
}
