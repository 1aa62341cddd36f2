//! What is worth saying of rules from sources: beside native ones, beside each other, and to containerd.
//!
//! Before: `assemble` has made a policy of all layers.  After: `check` shows what is found here.
//! Holds: each warning is about rules of sources; nothing is refused here.
//! Not here: native rules beside each other (`lint`); what one format's own program does (its reader).

use std::collections::{BTreeMap, HashMap};

use super::super::diagnostic::{Problem, Severity, Span};
use super::super::rules::{Draft, DraftRule};
use crate::policy::{Action, DefaultAction, Kind, Layer, Prefix};

/// Looks at every rule of a source.
pub(in crate::config) fn policy(draft: &Draft, out: &mut Vec<Problem>) {
    overridden(draft, out);
    denied(draft, out);
    open_default(draft, out);
    meeting(draft, out);
}

fn native(drafted: &DraftRule) -> bool {
    drafted.rule.layer == Layer::Native
}

/// A rule that another layer's rule of the same prefix takes the place of.
fn overridden(draft: &Draft, out: &mut Vec<Problem>) {
    let mut holding: HashMap<&str, &DraftRule> = HashMap::with_capacity(draft.rules.len());
    for drafted in &draft.rules {
        let holds = holding.entry(drafted.rule.prefix.as_str()).or_insert(drafted);
        if drafted.rule.layer < holds.rule.layer {
            *holds = drafted;
        }
    }
    for drafted in &draft.rules {
        let Some(holds) = holding.get(drafted.rule.prefix.as_str()) else { continue };
        if drafted.rule.layer == holds.rule.layer {
            continue;
        }
        let prefix = &drafted.rule.prefix;
        let problem = if native(holds) {
            Problem::new(
                Severity::Note,
                format!("the native rule for `{prefix}` takes the place of this one"),
            )
        } else {
            let message =
                format!("an earlier source has a rule for `{prefix}`, which takes the place of this one");
            Problem::warning(message).hint("take one of the two away, or write a [[policy.rule]] of your own")
        };
        out.push(problem.at(&drafted.at).also(&holds.at, "this one holds"));
    }
}

/// A rule that would open what a native rule denies.
fn denied(draft: &Draft, out: &mut Vec<Problem>) {
    let natives = draft.rules.iter().filter(|drafted| native(drafted));
    let denies: Vec<&DraftRule> =
        natives.filter(|drafted| matches!(drafted.rule.action, Action::Deny { .. })).collect();
    if denies.is_empty() {
        return;
    }
    let foreign = draft.rules.iter().filter(|drafted| !native(drafted));
    for drafted in foreign.filter(|drafted| !matches!(drafted.rule.action, Action::Deny { .. })) {
        let covers = |deny: &&&DraftRule| {
            deny.rule.prefix != drafted.rule.prefix && deny.rule.prefix.covers(&drafted.rule.prefix)
        };
        let Some(deny) = denies.iter().find(covers) else { continue };
        let message = format!("the native rule denies what this rule is for: `{}`", drafted.rule.prefix);
        let hint = "a rule of a source opens nothing that a native rule denies; write a [[policy.rule]] with `pass` or `mirrors`";
        out.push(Problem::warning(message).at(&drafted.at).also(&deny.at, "this one holds").hint(hint));
    }
}

/// A rule for everything leaves nothing to the default.
fn open_default(draft: &Draft, out: &mut Vec<Problem>) {
    let Some(set) = draft.default.as_ref().filter(|set| set.value == DefaultAction::Deny) else { return };
    let everything = |drafted: &&DraftRule| {
        let opens = !matches!(drafted.rule.action, Action::Deny { .. });
        drafted.rule.prefix.kind() == Kind::Any && !native(drafted) && opens
    };
    if let Some(drafted) = draft.rules.iter().find(everything) {
        let message = "this rule allows every registry, so nothing is left for default = \"deny\"";
        let hint = "write a [[policy.rule]] for \"*\" with `deny`, and rules for what may be pulled";
        out.push(Problem::warning(message).at(&drafted.at).also(&set.at, "the default").hint(hint));
    }
}

/// Places where the images of several registries are looked for, because a source's format means it.
fn meeting(draft: &Draft, out: &mut Vec<Problem>) {
    let mut places: BTreeMap<String, Vec<(&Prefix, &Span)>> = BTreeMap::new();
    for drafted in draft.rules.iter().filter(|drafted| !native(drafted)) {
        let Action::Route(route) = &drafted.rule.action else { continue };
        for (mirror, at) in route.mirrors.iter().zip(&drafted.mirrors_at) {
            if mirror.strip_prefix || mirror.location.has_placeholder() {
                continue;
            }
            places.entry(mirror.location.to_string()).or_default().push((&drafted.rule.prefix, at));
        }
    }
    for (place, rules) in &places {
        let Some(((first, first_at), others)) = rules.split_first() else { continue };
        let other = others.iter().find(|(prefix, _)| registry(prefix) != registry(first));
        let wildcard = rules.iter().find(|(prefix, _)| matches!(prefix.kind(), Kind::Any | Kind::Domain));
        let problem = match (wildcard, other) {
            (Some((prefix, at)), _) => {
                let message =
                    format!("images of every registry under `{prefix}` are looked for in one place, {place}");
                Problem::warning(message).at(at)
            }
            (None, Some((prefix, at))) => {
                let message =
                    format!("images of `{first}` and of `{prefix}` are looked for in one place, {place}");
                Problem::warning(message).at(at).also(first_at, "the other one")
            }
            (None, None) => continue,
        };
        out.push(problem.hint("this format means it, and the mirror is no longer told which registry was asked for; a [[policy.rule]] with {host} in its mirror keeps them apart"));
    }
}

fn registry(prefix: &Prefix) -> &str {
    prefix.as_str().split('/').next().unwrap_or_default()
}
