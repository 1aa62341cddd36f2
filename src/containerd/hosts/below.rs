//! The rules for a part of a registry, or for some of the pods that ask for it, by registry.

use std::collections::BTreeMap;

use crate::policy::{Action, Origin, Policy, PrefixKind, Rule};

/// The rules for a part of a registry: of its repositories, or of the pods that ask for them.
pub(super) struct Below<'p>(BTreeMap<&'p str, Vec<&'p Rule>>);

impl<'p> Below<'p> {
    pub(super) fn of(policy: &'p Policy) -> Self {
        let mut below: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
        for rule in policy.rules() {
            let is_part = match rule.prefix.kind() {
                PrefixKind::Path | PrefixKind::Exact => true,
                PrefixKind::Host => rule.namespaces.is_some(),
                PrefixKind::Domain | PrefixKind::Any => false,
            };
            if let Some(host) = rule.prefix.host().filter(|_| is_part) {
                below.entry(host).or_default().push(rule);
            }
        }
        Self(below)
    }

    /// A rule by which the shunt itself pulls under the registry's own name, and would meet a file for it.
    pub(super) fn opening(&self, host: &str) -> Option<&'p Rule> {
        self.0.get(host)?.iter().find(|rule| opens(rule)).copied()
    }

    /// A rule for other names or other pods than `own` by which the shunt itself pulls under any registry's own name.
    pub(super) fn any_opening(&self, policy: &'p Policy, own: &Rule) -> Option<&'p Rule> {
        policy.rules_in_force().find(|rule| !std::ptr::eq(*rule, own) && opens(rule))
    }
}

/// Whether the shunt itself may pull by it under the registry's own name.
pub(super) fn opens(rule: &Rule) -> bool {
    match &rule.action {
        Action::Pass => true,
        Action::Route(route) => route.origin == Origin::Last,
        Action::Deny { .. } => false,
    }
}
