//! Rules whose mirrors get no usable name: tries each rewrite on names that are made for it.
//!
//! Holds: names are decided by the policy itself. There is one warning for each rule.
//! Not here: what a rewrite does to images of several registries (`lint`).

mod samples;

use std::fmt::Write as _;

use super::super::diagnostic::Problem;
use super::super::draft::{DraftRule, PolicyDraft};
use crate::policy::{
    Action, Asked, Decision, DenyReason, Name, Policy, PrefixKind, Rewrite, Route, Unusable, UnusableCause,
};

/// Checks every rule in force.
pub(super) fn lint(draft: &PolicyDraft, policy: &Policy, out: &mut Vec<Problem>) {
    for drafted in draft.in_force(policy) {
        let Action::Route(route) = &drafted.rule.action else { continue };
        let strange = route.rewrites.iter().find_map(|rewrite| strange_group(drafted, rewrite));
        match strange {
            Some(problem) => out.push(problem),
            None if route.rewrites.is_empty() && !names_a_port(drafted, route) => {}
            None => out.extend(unusable_name(drafted, route, policy)),
        }
    }
}

/// Whether `{host}` stands for a host with a port in every name.
fn names_a_port(drafted: &DraftRule, route: &Route) -> bool {
    let has_port = drafted.rule.prefix.host().is_some_and(|host| host.contains([':', '[']));
    has_port && route.mirrors.iter().any(|mirror| mirror.location.has_placeholder())
}

/// A replacement that speaks of groups as other programs do, or of a group that is not there.
fn strange_group(drafted: &DraftRule, rewrite: &Rewrite) -> Option<Problem> {
    let replacement = &rewrite.replacement;
    let by_backslash =
        |(at, _): (usize, &str)| replacement[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    if replacement.match_indices('\\').any(by_backslash) {
        let written = replacement.replace('\\', "$");
        let message =
            format!("the rewrite to `{replacement}` puts a backslash into the name, which no name can have");
        return Some(
            Problem::warning(message).at(&drafted.at).hint(format!("a group is `$1`: write `{written}`")),
        );
    }
    let group = groups(replacement).find(|group| !has_group(&rewrite.pattern, group))?;
    let message =
        format!("the rewrite to `{replacement}` names the group `{group}`, which its pattern does not have");
    let digits = group.chars().take_while(char::is_ascii_digit).count();
    let (number, rest) = group.split_at(digits);
    let hint = if number.is_empty() || rest.is_empty() {
        "nothing is put in its place".to_owned()
    } else {
        let written = replacement.replace(&format!("${group}"), &format!("${{{number}}}{rest}"));
        format!(
            "nothing is put in its place: write `{written}`, so that the name of the group ends after its number"
        )
    };
    Some(Problem::warning(message).at(&drafted.at).hint(hint))
}

/// The groups that a replacement names, as the regex crate and Go read it: `$name` with the longest name, or `${name}`.
fn groups(replacement: &str) -> impl Iterator<Item = &str> {
    let mut rest = replacement;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('$')? + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                rest = after;
                continue;
            }
            if let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                rest = after;
                return Some(name);
            }
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
            rest = after;
            if !name.is_empty() {
                return Some(name);
            }
        }
    })
}

fn has_group(pattern: &regex::Regex, group: &str) -> bool {
    match group.parse::<usize>() {
        Ok(number) => number < pattern.captures_len(),
        Err(_) => pattern.capture_names().flatten().any(|name| name == group),
    }
}

/// The first name for which a mirror of the rule gives none.
fn unusable_name(drafted: &DraftRule, route: &Route, policy: &Policy) -> Option<Problem> {
    let prefix = &drafted.rule.prefix;
    let host = match prefix.kind() {
        PrefixKind::Any => "registry.example".to_owned(),
        PrefixKind::Domain => format!("registry.{}", prefix.domain()?),
        _ => prefix.host()?.to_owned(),
    };
    let (name, unusable) = samples::of(prefix, &host, &route.rewrites).into_iter().find_map(|name| {
        let name: Name = name.parse().ok()?;
        let of_this = |rule: crate::policy::RuleRef<'_>| rule.prefix() == prefix.as_str();
        let unusable = match policy.decide_unlocked(&Asked::of(&name)) {
            Decision::Route { rule, unusable, .. } if of_this(rule) => unusable,
            Decision::Deny { rule, reason: DenyReason::Unusable(unusable) } if of_this(rule) => unusable,
            _ => return None,
        };
        Some((name, unusable.into_iter().find(is_of_form)?))
    })?;
    let Unusable { reference, cause } = unusable;
    let mut message = format!("`{}` would be `{reference}` at a mirror, which cannot be: ", name.as_str());
    // Writing to a String does not fail.
    let _ = write!(message, "{cause}");
    let hint = match cause {
        UnusableCause::HostInPath { .. } => "write the path of the mirror without {host}",
        _ => "change the rewrite; `cri-shunt explain NAME` shows what it makes of a name",
    };
    Some(Problem::warning(message).at(&drafted.at).hint(hint))
}

/// Whether the form of the name is at fault, and not another rule.
fn is_of_form(unusable: &Unusable) -> bool {
    match unusable.cause {
        UnusableCause::Invalid(_) | UnusableCause::HostInPath { .. } | UnusableCause::ReadAs(_) => true,
        UnusableCause::Taken { .. } | UnusableCause::Denied { .. } => false,
    }
}
