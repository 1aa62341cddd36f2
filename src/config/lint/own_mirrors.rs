//! Mirrors whose own names a rule for many registries leaves alone.
//!
//! Holds: names are decided by the policy itself.

use super::super::diagnostic::{Problem, Severity};
use super::super::draft::PolicyDraft;
use crate::policy::{Action, Asked, Decision, Layer, Name, Policy};

/// Notes them for every native rule in force.
pub(super) fn lint(draft: &PolicyDraft, policy: &Policy, out: &mut Vec<Problem>) {
    for drafted in draft.in_force(policy) {
        let prefix = &drafted.rule.prefix;
        let Action::Route(route) = &drafted.rule.action else { continue };
        // With a source's format, the mirror is asked for its own images in the same way.
        if prefix.host().is_some() || drafted.rule.layer != Layer::Native {
            continue;
        }
        let mut hosts: Vec<String> =
            route.mirrors.iter().map(|mirror| mirror.location.folded_host()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.retain(|host| {
            let name = format!("{host}/team/app:1").parse::<Name>();
            name.is_ok_and(|name| match policy.decide_unlocked(&Asked::of(&name)) {
                Decision::Pass { rule } => rule.prefix() == prefix.as_str(),
                Decision::Route { .. } | Decision::Deny { .. } => false,
            })
        });
        let Some(first) = hosts.first() else { continue };
        let message = format!(
            "images that are asked for at {} are left alone, although `{prefix}` is for them too: this rule has mirrors there",
            hosts.join(" and ")
        );
        let hint = format!("if they are to come from somewhere else, write a rule with prefix = \"{first}\"");
        out.push(Problem::new(Severity::Note, message).at(&drafted.at).hint(hint));
    }
}
