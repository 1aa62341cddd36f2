//! The policy: all rules, and the decision for one name.
//!
//! Holds: rules see only the key of a name, so every spelling of a registry gets the same decision; the cost
//! does not grow with the number of rules.
//! Not here: the lookup (`index`), the candidates of a route (`candidate`), contradictions (`conflict`).

use std::sync::OnceLock;

use super::asked::Asked;
use super::candidate;
use super::conflict::{self, Conflict};
use super::decision::{Decision, DenyReason, RuleRef, Written};
use super::hash;
use super::index::{Index, Match};
use super::key::{HUB, Key, fold_host};
use super::layer::{self, Guard};
use super::name::Name;
use super::prefix::{Prefix, PrefixKind};
use super::rule::{Action, DefaultAction, Layer, NodeCredentials, Outage, Route, Rule, Settings, Source};
use super::target::{By, default_route, routings};

#[cfg(test)]
mod tests;

/// All rules, indexed.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    settings: Settings,
    /// The default registry as a route; `None` where none is set, or a rule leaves it without effect.
    default_registry: Option<(Route, Source)>,
    index: Index,
    /// Whether each rule is in force.
    in_force: Vec<bool>,
    guard: Option<Guard>,
    hash: OnceLock<String>,
}

impl Policy {
    /// Builds a policy, or says everything that contradicts itself in it.
    pub fn new(rules: Vec<Rule>, settings: Settings) -> Result<Self, Vec<Conflict>> {
        let setting = settings.default_registry.as_ref().filter(|_| shadowing(&rules).is_none());
        let default_registry = setting.map(|(location, source)| (default_route(location), source.clone()));
        let in_force = layer::in_force(&rules);
        let routings =
            routings(&rules, &in_force, default_registry.as_ref().map(|(route, source)| (route, source)));
        let conflicts = conflict::find(&rules, &routings);
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        let index = Index::new(&rules, &in_force, &routings);
        let guard = Guard::new(&rules, &routings);
        let hash = OnceLock::new();
        Ok(Self { rules, settings, default_registry, index, in_force, guard, hash })
    }

    /// Says where the image may come from.
    pub fn decide(&self, asked: &Asked<'_>) -> Decision<'_> {
        let name = asked.name;
        let key = name.key();
        let found = self.index.find(&key);
        if let Some(denial) = self.denial(found, &key) {
            return denial;
        }
        let (rule, route) = match found {
            Match::Rule(i) => {
                let rule = &self.rules[i];
                let found = RuleRef(Written::Rule(rule));
                match &rule.action {
                    Action::Route(route) if passes_own_mirrors(&rule.prefix, route, &key) => {
                        return Decision::Pass { rule: found };
                    }
                    Action::Route(route) => (found, (By::Rule(i), route)),
                    Action::Pass => return Decision::Pass { rule: found },
                    Action::Deny { reason } => {
                        return Decision::Deny { rule: found, reason: DenyReason::Stated(reason) };
                    }
                }
            }
            Match::Target(by) => return Decision::Pass { rule: self.rule_behind(by) },
            Match::Nothing => match &self.default_registry {
                Some((route, source)) if key.host() == HUB => {
                    (RuleRef(Written::DefaultRegistry(source)), (By::DefaultRegistry, route))
                }
                _ => return self.default_decision(),
            },
        };
        let denied = |candidate: &Name| self.native_denial(found, &candidate.key());
        candidate::decide(&self.index, denied, rule, route, name, &key)
    }

    /// The refusal by a native rule of what a rule of a source would allow.
    fn denial(&self, found: Match, key: &Key) -> Option<Decision<'_>> {
        let rule = self.native_denial(found, key)?;
        let Action::Deny { reason } = &rule.action else { return None };
        Some(Decision::Deny { rule: RuleRef(Written::Rule(rule)), reason: DenyReason::Stated(reason) })
    }

    /// The native rule that denies a key that a rule of a source would allow.
    fn native_denial(&self, found: Match, key: &Key) -> Option<&Rule> {
        let guard = self.guard.as_ref()?;
        let (Match::Rule(i) | Match::Target(By::Rule(i))) = found else { return None };
        if self.rules[i].layer == Layer::Native {
            return None;
        }
        Some(&self.rules[guard.denying(&self.rules, key)?])
    }

    fn rule_behind(&self, by: By) -> RuleRef<'_> {
        RuleRef(match (by, &self.default_registry) {
            (By::Rule(i), _) => Written::Rule(&self.rules[i]),
            (By::DefaultRegistry, Some((_, source))) => Written::DefaultRegistry(source),
            (By::DefaultRegistry, None) => Written::Default(None),
        })
    }

    fn default_decision(&self) -> Decision<'_> {
        let rule = RuleRef(Written::Default(self.settings.default_source.as_ref()));
        match self.settings.default {
            DefaultAction::Pass => Decision::Pass { rule },
            DefaultAction::Deny => Decision::Deny { rule, reason: DenyReason::Default },
        }
    }

    /// Whether anything can be denied by a rule or by the default.
    pub fn has_deny(&self) -> bool {
        self.settings.default == DefaultAction::Deny
            || self.rules.iter().any(|rule| matches!(rule.action, Action::Deny { .. }))
    }

    /// Whether every name passes.
    pub fn passes_all(&self) -> bool {
        self.settings.default == DefaultAction::Pass
            && self.settings.default_registry.is_none()
            && self.rules.iter().all(|rule| matches!(rule.action, Action::Pass))
    }

    /// Whether each of [`Policy::rules`] is in force: a rule of a source is not where a lower layer has a rule
    /// with the same prefix.
    pub fn in_force(&self) -> &[bool] {
        &self.in_force
    }

    /// The rules that are in force, in their given order.
    pub fn rules_in_force(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().zip(&self.in_force).filter(|(_, counts)| **counts).map(|(rule, _)| rule)
    }

    /// All rules, in their given order; those of a source may not be in force.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What holds for the policy as a whole.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The hash of what it decides. With many rules the first call takes some milliseconds.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| hash::of(&self.settings, self.rules_in_force()))
    }

    /// Whether the mirrors of a rule are given the node's credentials.
    pub fn node_credentials(&self, rule: &RuleRef<'_>) -> NodeCredentials {
        let own = rule.rule().and_then(|rule| match &rule.action {
            Action::Route(route) => route.node_credentials,
            Action::Deny { .. } | Action::Pass => None,
        });
        own.unwrap_or(self.settings.node_credentials)
    }

    /// What is done with a pull by this rule that no candidate can serve.
    pub fn outage(&self, rule: &RuleRef<'_>) -> Outage {
        let own = rule.rule().and_then(|rule| match &rule.action {
            Action::Route(route) => Some(route.outage),
            Action::Deny { .. } | Action::Pass => None,
        });
        own.unwrap_or_default().or(self.settings.outage)
    }

    /// Which of [`Policy::rules`] leaves the default registry without effect.
    pub fn default_registry_shadowed_by(&self) -> Option<usize> {
        self.settings.default_registry.as_ref()?;
        shadowing(&self.rules)
    }
}

/// Whether a rule is for many registries and this name is on one of the rule's own mirrors. People who write
/// `*` mean the other registries, not the mirror's own repositories. The rule cannot be evaded this way,
/// because the rule would send the name to that registry too.
fn passes_own_mirrors(prefix: &Prefix, route: &Route, key: &Key) -> bool {
    prefix.host().is_none()
        && route.mirrors.iter().any(|mirror| fold_host(mirror.location.host()) == key.host())
}

/// The first rule that leaves a default registry without effect.
fn shadowing(rules: &[Rule]) -> Option<usize> {
    rules.iter().position(|rule| shadows_default_registry(&rule.prefix))
}

/// Whether a rule takes every name that the default registry would get.
fn shadows_default_registry(prefix: &Prefix) -> bool {
    match prefix.kind() {
        PrefixKind::Any => true,
        PrefixKind::Host => prefix.host() == Some(HUB),
        // Every spelling of Docker Hub has the key `docker.io`, which is below `io`.
        PrefixKind::Domain => prefix.domain() == Some("io"),
        PrefixKind::Exact | PrefixKind::Path => false,
    }
}
