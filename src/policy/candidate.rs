//! What a route makes of one name: the candidates.
//!
//! Before: `decide` has found the rule.  After: the decision carries the candidates.
//! Holds: a candidate is read by containerd exactly as it is written, and has the tag or digest of the name;
//! what has not is no candidate, and the origin never takes its place unasked.
//! Not here: trying them (`pull`).

use std::borrow::Cow;

use super::decision::{Candidate, Decision, DenyReason, Role, RuleRef, Unusable, UnusableCause};
use super::index::Index;
use super::key::{Key, fold_host};
use super::location::Location;
use super::name::Name;
use super::rule::{Only, Origin, Rewrite, Route, Rule};
use super::target::By;

/// The decision of a rule that routes. `denied` finds the native rule that a candidate may not get around.
pub(super) fn decide<'p>(
    index: &Index,
    denied: impl Fn(&Name) -> Option<&'p Rule>,
    rule: RuleRef<'p>,
    (by, route): (By, &Route),
    name: &Name,
    key: &Key,
) -> Decision<'p> {
    let path = rewritten(&route.rewrites, key.path());
    let mut candidates: Vec<Candidate> = Vec::with_capacity(route.mirrors.len() + 1);
    let mut unusable = Vec::new();
    let rewritten = matches!(path, Cow::Owned(_));
    let digest = key.digest().is_some();
    let serving = route.mirrors.iter().filter(|mirror| serves(mirror.only, digest));
    for mirror in serving {
        let path = if mirror.strip_prefix { own_part(&path, route, rule) } else { &path };
        let target = target(&mirror.location, path, rewritten, key).and_then(|found| {
            let taken = index.taken(by, &found, key).filter(|_| !route.collapse);
            let taken = taken.map(|registry| UnusableCause::Taken { registry });
            let denied =
                || denied(&found).map(|rule| UnusableCause::Denied { rule: rule.prefix.to_string() });
            match taken.or_else(denied) {
                Some(cause) => Err(Unusable { reference: found.to_string(), cause }),
                None => Ok(found),
            }
        });
        match target {
            Ok(found) if candidates.iter().any(|candidate| candidate.name == found) => {}
            Ok(found) => {
                let same_host = fold_host(found.host()) == key.host();
                candidates.push(Candidate { name: found, role: Role::Mirror, same_host });
            }
            Err(reason) => unusable.push(reason),
        }
    }
    if route.origin == Origin::Last && !candidates.iter().any(|candidate| candidate.name == *name) {
        candidates.push(Candidate { name: name.clone(), role: Role::Origin, same_host: true });
    }
    if !candidates.is_empty() {
        return Decision::Route { rule, candidates };
    }
    let not_served = unusable.is_empty() && !route.mirrors.is_empty();
    let reason = if not_served { DenyReason::NotServed { digest } } else { DenyReason::Unusable(unusable) };
    Decision::Deny { rule, reason }
}

fn serves(only: Only, digest: bool) -> bool {
    match only {
        Only::Any => true,
        Only::Digests => digest,
        Only::Tags => !digest,
    }
}

/// The first rewrite that changes the path wins, and the later ones see nothing of it.
fn rewritten<'k>(rewrites: &[Rewrite], path: &'k str) -> Cow<'k, str> {
    let mut results = rewrites.iter().map(|rewrite| rewrite.pattern.replace_all(path, &*rewrite.replacement));
    results.find(|result| result != path).unwrap_or(Cow::Borrowed(path))
}

/// What the path has behind the rule's own; empty where it is just that.
fn own_part<'k>(path: &'k str, route: &Route, rule: RuleRef<'_>) -> &'k str {
    let below = rule.rule().map_or("", |rule| rule.prefix.path());
    let rest = path.strip_prefix(below).filter(|_| route.rewrites.is_empty());
    rest.map_or(path, |rest| rest.trim_start_matches('/'))
}

/// Puts the reference together, or says why there is none.
fn target(location: &Location, path: &str, rewritten: bool, key: &Key) -> Result<Name, Unusable> {
    let front = location.host().len() + location.path().len() + key.host().len() + 2;
    let mut reference = String::with_capacity(front + path.len() + key.suffix().len());
    location.write_before(key.host(), &mut reference);
    if path.is_empty() && !rewritten {
        // The location is the whole repository.
        reference.pop();
    }
    reference.push_str(path);
    let path_end = reference.len();
    reference.push_str(key.suffix());
    // Only a rewrite, or a host with a port put into a path, can have made something that is no reference.
    let whole = path.is_empty() && location.path().is_empty();
    let doubtful = rewritten || whole || (location.has_placeholder() && key.host().contains([':', '[']));
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
