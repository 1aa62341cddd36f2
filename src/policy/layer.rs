//! Layers of rules: the native rules, and those of each source.
//!
//! Holds: of rules with one prefix the one in the lowest layer is in force. If the native rules alone
//! would deny an image, no rule of a source allows it: not by its prefix, its target or a candidate.
//! Not here: duplicates within one layer (`conflict`).

use std::collections::HashMap;

use super::index::{Index, Match};
use super::key::Key;
use super::rule::{Action, Layer, Rule};
use super::target::{By, Routing};

#[cfg(test)]
mod tests;

/// Whether each rule is in force: no lower layer has a rule of its prefix.
pub(super) fn in_force(rules: &[Rule]) -> Vec<bool> {
    if rules.iter().all(|rule| rule.layer == Layer::Native) {
        return vec![true; rules.len()];
    }
    let mut lowest: HashMap<&str, Layer> = HashMap::with_capacity(rules.len());
    for rule in rules {
        let layer = lowest.entry(rule.prefix.as_str()).or_insert(rule.layer);
        *layer = rule.layer.min(*layer);
    }
    rules.iter().map(|rule| lowest.get(rule.prefix.as_str()) == Some(&rule.layer)).collect()
}

/// The native rules by themselves, kept where a rule of a source could allow what they deny.
#[derive(Debug)]
pub(super) struct Guard(Index);

impl Guard {
    /// `None` where no native rule denies anything, or no rule is from a source.
    pub(super) fn new(rules: &[Rule], routings: &[Routing<'_>]) -> Option<Self> {
        let native = |rule: &Rule| rule.layer == Layer::Native;
        let denies = |rule: &Rule| native(rule) && matches!(rule.action, Action::Deny { .. });
        if !rules.iter().any(denies) || rules.iter().all(native) {
            return None;
        }
        let own: Vec<bool> = rules.iter().map(native).collect();
        let of_native = |by: By| match by {
            By::Rule(i) => rules[i].layer == Layer::Native,
            By::DefaultRegistry => true,
        };
        let routings: Vec<Routing<'_>> =
            routings.iter().filter(|routing| of_native(routing.by)).copied().collect();
        Some(Self(Index::new(rules, &own, &routings)))
    }

    /// The native rule that denies this key if there were no sources.
    pub(super) fn denying(&self, rules: &[Rule], key: &Key) -> Option<usize> {
        match self.0.find(key) {
            Match::Rule(i) if matches!(rules[i].action, Action::Deny { .. }) => Some(i),
            _ => None,
        }
    }
}
