//! Layers of rules: the native rules, and those of each source.
//!
//! Holds: of rules with one prefix and for all namespaces the one in the lowest layer is in force. A rule for some
//! namespaces is native and in force, and leaves the others to the next layer. If the native rules alone
//! would deny an image, no rule of a source allows it: not by its prefix, its target or a candidate.
//! Not here: duplicates within one layer (`conflict`).

use std::collections::HashMap;

use super::index::{Index, Match};
use super::key::Key;
use super::lock::Held;
use super::rule::{Action, Layer, Rule};
use super::target::{By, Routing};

#[cfg(test)]
mod tests;

/// Whether each rule is in force: no lower layer has a rule of its prefix that is for all.
pub(super) fn in_force(rules: &[Rule]) -> Vec<bool> {
    if rules.iter().all(|rule| rule.layer == Layer::Native) {
        return vec![true; rules.len()];
    }
    let mut lowest: HashMap<&str, Layer> = HashMap::with_capacity(rules.len());
    for rule in rules.iter().filter(|rule| rule.namespaces.is_none()) {
        let layer = lowest.entry(rule.prefix.as_str()).or_insert(rule.layer);
        *layer = rule.layer.min(*layer);
    }
    let is_lowest = |rule: &Rule| lowest.get(rule.prefix.as_str()) == Some(&rule.layer);
    rules.iter().map(|rule| rule.namespaces.is_some() || is_lowest(rule)).collect()
}

/// The native rules by themselves, kept where a rule of a source could allow what they deny, or what they want signed or
/// locked.
#[derive(Debug)]
pub(super) struct Guard(Index);

impl Guard {
    /// `None` where no native rule denies anything or says what is verified or locked, or no rule is from a source.
    pub(super) fn new(rules: &[Rule], routings: &[Routing<'_>]) -> Option<Self> {
        let native = |rule: &Rule| rule.layer == Layer::Native;
        let denies = |rule: &Rule| matches!(rule.action, Action::Deny { .. });
        let asks = |rule: &Rule| rule.verify.is_some() || rule.lock != Held::default();
        if !rules.iter().any(|rule| native(rule) && (denies(rule) || asks(rule))) || rules.iter().all(native)
        {
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
    pub(super) fn denying(&self, rules: &[Rule], key: &Key, namespace: Option<&str>) -> Option<usize> {
        match self.0.find(key, namespace) {
            Match::Rule(i) if matches!(rules[i].action, Action::Deny { .. }) => Some(i),
            _ => None,
        }
    }

    /// The native rule that would hold for this key if there were no sources.
    pub(super) fn find(&self, key: &Key, namespace: Option<&str>) -> Option<usize> {
        match self.0.find(key, namespace) {
            Match::Rule(i) | Match::Target(By::Rule(i)) => Some(i),
            Match::Target(By::DefaultRegistry) | Match::Nothing => None,
        }
    }
}
