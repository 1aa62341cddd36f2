//! Finds the rule for a name and what it makes of it.
//!
//! Before: `Policy::new` has indexed the rules.  After: the caller acts on the `Decision`.
//! Holds: the cost does not grow with the number of rules; one hash lookup per component.
//! Not here: what a decision looks like (`decision`).

use super::conflict::Conflict;
use super::decision::{Decision, Origin, RuleRef};
use super::name::Name;
use super::rule::{Action, DefaultAction, Rule, Settings};

/// All rules, indexed.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    settings: Settings,
}

impl Policy {
    /// Builds a policy, or says everything that contradicts itself in it.
    pub fn new(rules: Vec<Rule>, settings: Settings) -> Result<Self, Vec<Conflict>> {
        Ok(Self { rules, settings })
    }

    /// Says where the image may come from.
    pub fn decide(&self, _name: &Name) -> Decision<'_> {
        Decision::Pass { rule: RuleRef(Origin::Default(self.settings.default_source.as_ref())) }
    }

    /// Whether anything can be denied by a rule or by the default.
    pub fn has_deny(&self) -> bool {
        self.settings.default == DefaultAction::Deny
            || self.rules.iter().any(|rule| matches!(rule.action, Action::Deny { .. }))
    }

    /// The rules, in the order in which they were given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What holds for the policy as a whole.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
