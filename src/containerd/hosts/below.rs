//! The rules for a part of a registry, by registry.

use std::collections::BTreeMap;

use crate::policy::{Action, Origin, Policy, PrefixKind, Rule};

/// The rules for a part of a registry, by registry.
pub(super) struct Below<'p>(BTreeMap<&'p str, Vec<&'p Rule>>);

impl<'p> Below<'p> {
    pub(super) fn of(policy: &'p Policy) -> Self {
        let mut below: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
        for rule in policy.rules() {
            if let (PrefixKind::Path | PrefixKind::Exact, Some(host)) =
                (rule.prefix.kind(), rule.prefix.host())
            {
                below.entry(host).or_default().push(rule);
            }
        }
        Self(below)
    }

    /// A rule by which the shunt itself pulls under the registry's own name, and would meet a file for it.
    pub(super) fn opening(&self, host: &str) -> Option<&'p Rule> {
        self.0.get(host)?.iter().find(|rule| opens(rule)).copied()
    }

    /// A rule other than `own` by which the shunt itself pulls under any registry's own name.
    pub(super) fn any_opening(&self, policy: &'p Policy, own: &Rule) -> Option<&'p Rule> {
        policy.rules_in_force().find(|rule| rule.prefix != own.prefix && opens(rule))
    }
}

fn opens(rule: &Rule) -> bool {
    match &rule.action {
        Action::Pass => true,
        Action::Route(route) => route.origin == Origin::Last,
        Action::Deny { .. } => false,
    }
}
