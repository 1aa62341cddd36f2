//! What is denied at this machine is denied by all names of the machine.
//!
//! Holds: a rule for the name that is asked for counts more, whatever it says; `*` is not for it.

use super::super::decision::{Decision, DenyReason, RuleRef, Written};
use super::super::index::Match;
use super::super::key::Key;
use super::super::prefix::PrefixKind;
use super::super::rule::Action;
use super::Policy;

impl Policy {
    /// The refusal of what only a rule by another name of this machine is for: to `127.0.0.1:5000` answers the registry of
    /// `localhost:5000`.
    pub(super) fn local_denial(
        &self,
        found: Match,
        key: &Key,
        namespace: Option<&str>,
    ) -> Option<Decision<'_>> {
        let names_it = |i: usize| self.rules[i].prefix.kind() != PrefixKind::Any;
        let is_open = match found {
            Match::Rule(i) => !names_it(i),
            Match::Target(_) => false,
            Match::Nothing => true,
        };
        if !is_open {
            return None;
        }
        key.at_this_machine().find_map(|other| {
            let Match::Rule(i) = self.index.find(&other, namespace) else { return None };
            let rule = &self.rules[i];
            match &rule.action {
                Action::Deny { reason } if names_it(i) => Some(Decision::Deny {
                    rule: RuleRef(Written::Rule(rule)),
                    reason: DenyReason::Stated(reason),
                }),
                Action::Deny { .. } | Action::Route(_) | Action::Pass => None,
            }
        })
    }
}
