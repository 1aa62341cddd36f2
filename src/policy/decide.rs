//! The policy: all rules, and the decision for one name.
//!
//! Holds: what is only observed is not in [`Policy::acting`], which alone is acted upon; rules see only the key of a name,
//! so every spelling of a registry gets the same decision; the cost
//! does not grow with the number of rules.
//! Not here: the lookup (`index`), the candidates of a route (`candidate`), contradictions (`conflict`), which lock is for
//! which image (`decide/locks`).

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use super::asked::Asked;
use super::candidate;
use super::conflict::{self, Conflict};
use super::decision::{Candidate, Decision, DenyReason, RuleRef, Written};
use super::hash;
use super::index::{Index, Match};
use super::key::{HUB, Key, fold_host};
use super::layer::{self, Guard};
use super::lock::{Found, Held};
use super::name::Name;
use super::prefix::Prefix;
use super::rule::{
    Action, DefaultAction, DemandRef, Layer, Mode, NodeCredentials, Outage, Route, Rule, Settings, Source,
    Verify,
};
use super::target::{By, default_route, routings, shadows_default_registry};

mod local;
mod locks;
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
    /// The same without what is only observed; `None` where nothing is.
    acting: Option<Arc<Policy>>,
    hash: OnceLock<String>,
}

impl Policy {
    /// Builds a policy, or says everything that contradicts itself in it.
    pub fn new(rules: Vec<Rule>, settings: Settings) -> Result<Self, Vec<Conflict>> {
        let acting = acting(&rules, &settings);
        let whole = Self::of(rules, settings)?;
        let acting = acting.map(|(rules, settings)| Self::of(rules, settings)).transpose()?;
        Ok(Self { acting: acting.map(Arc::new), ..whole })
    }

    fn of(rules: Vec<Rule>, settings: Settings) -> Result<Self, Vec<Conflict>> {
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
        Ok(Self { rules, settings, default_registry, index, in_force, guard, acting: None, hash })
    }

    /// The hosts of all mirrors, that of the default registry included.
    pub fn mirror_hosts(&self) -> BTreeSet<String> {
        let routes = self.rules_in_force().filter_map(|rule| match &rule.action {
            Action::Route(route) => Some(route),
            Action::Deny { .. } | Action::Pass => None,
        });
        let mirrors = routes.flat_map(|route| &route.mirrors).map(|mirror| mirror.location.host());
        let default = self.settings.default_registry.as_ref().map(|(location, _)| location.host());
        mirrors.chain(default).map(str::to_owned).collect()
    }

    /// Says where the image may come from, by all rules. What is done about it, [`Policy::acting`] says.
    pub fn decide(&self, asked: &Asked<'_>) -> Decision<'_> {
        self.decided(asked, |rule| self.look(rule, asked))
    }

    /// The same as if nothing was locked: for what is about registries and not about images.
    pub fn decide_unlocked(&self, asked: &Asked<'_>) -> Decision<'_> {
        self.decided(asked, |_| Found::Free)
    }

    fn decided<'p>(&'p self, asked: &Asked<'_>, lock: impl Fn(&RuleRef<'p>) -> Found<'p>) -> Decision<'p> {
        let &Asked { name, beside: _, namespace } = asked;
        let key = name.key();
        let found = self.index.find(&key, namespace);
        let denial = self.denial(found, &key, namespace);
        if let Some(denial) = denial.or_else(|| self.local_denial(found, &key, namespace)) {
            return denial;
        }
        let (rule, route) = match found {
            Match::Rule(i) => {
                let rule = &self.rules[i];
                let found = RuleRef(Written::Rule(rule));
                match &rule.action {
                    Action::Route(route) if passes_own_mirrors(&rule.prefix, route, &key) => (found, None),
                    Action::Route(route) => (found, Some((By::Rule(i), route))),
                    Action::Pass => (found, None),
                    Action::Deny { reason } => {
                        return Decision::Deny { rule: found, reason: DenyReason::Stated(reason) };
                    }
                }
            }
            Match::Target(by) => (self.rule_behind(by), None),
            Match::Nothing => match &self.default_registry {
                Some((route, source)) if key.host() == HUB => {
                    (RuleRef(Written::DefaultRegistry(source)), Some((By::DefaultRegistry, route)))
                }
                _ => match self.default_decision() {
                    Decision::Pass { rule } => (rule, None),
                    refused => return refused,
                },
            },
        };
        let locked = match lock(&rule) {
            Found::Free => None,
            Found::Pinned(pin) => Some(pin),
            Found::Refused(refused) => {
                return Decision::Deny { rule, reason: DenyReason::Locked(refused) };
            }
        };
        // A digest takes the place of a tag in each candidate.
        let pinned = locked.map(|pin| name.with_digest(pin.digest()));
        let name = pinned.as_ref().unwrap_or(name);
        let Some(route) = route else {
            // What passes goes to its registry as it came, and would get what the tag is now.
            return match locked {
                None => Decision::Pass { rule },
                Some(_) => {
                    let candidates = vec![Candidate::origin(name)];
                    Decision::Route { rule, candidates, unusable: Vec::new(), locked }
                }
            };
        };
        let denied = |candidate: &Name| self.native_denial(found, &candidate.key(), namespace);
        let pinned = pinned.as_ref().map(|name| name.key());
        candidate::decide(&self.index, denied, rule, route, (name, pinned.as_ref().unwrap_or(&key)), locked)
    }

    /// The refusal by a native rule of what a rule of a source would allow.
    fn denial(&self, found: Match, key: &Key, namespace: Option<&str>) -> Option<Decision<'_>> {
        let rule = self.native_denial(found, key, namespace)?;
        let Action::Deny { reason } = &rule.action else { return None };
        Some(Decision::Deny { rule: RuleRef(Written::Rule(rule)), reason: DenyReason::Stated(reason) })
    }

    /// The native rule that denies a key that a rule of a source would allow.
    fn native_denial(&self, found: Match, key: &Key, namespace: Option<&str>) -> Option<&Rule> {
        let guard = self.guard.as_ref()?;
        let (Match::Rule(i) | Match::Target(By::Rule(i))) = found else { return None };
        if self.rules[i].layer == Layer::Native {
            return None;
        }
        Some(&self.rules[guard.denying(&self.rules, key, namespace)?])
    }

    fn rule_behind(&self, by: By) -> RuleRef<'_> {
        RuleRef(match (by, &self.default_registry) {
            (By::Rule(i), _) => Written::Rule(&self.rules[i]),
            (By::DefaultRegistry, Some((_, source))) => Written::DefaultRegistry(source),
            (By::DefaultRegistry, None) => Written::Default(None, self.settings.mode),
        })
    }

    fn default_decision(&self) -> Decision<'_> {
        let rule = RuleRef(Written::Default(self.settings.default_source.as_ref(), self.settings.mode));
        match self.settings.default {
            DefaultAction::Pass => Decision::Pass { rule },
            DefaultAction::Deny => Decision::Deny { rule, reason: DenyReason::Default },
        }
    }

    /// The policy of what is done: without the rules and defaults that are only observed, as if they were not written.
    pub fn acting(&self) -> &Policy {
        self.acting.as_deref().unwrap_or(self)
    }

    /// The same, and the policy as a whole if something in it is only observed.
    pub fn into_acting(self) -> (Arc<Policy>, Option<Policy>) {
        match self.acting.clone() {
            Some(acting) => (acting, Some(self)),
            None => (Arc::new(self), None),
        }
    }

    /// Whether a decision about this is only told, and something else is done: the rule behind it is only observed, or
    /// another rule that is only observed takes candidates away from it.
    pub fn is_only_told(&self, asked: &Asked<'_>, decision: &Decision<'_>) -> bool {
        let differs = |acting: &Policy| {
            let other = acting.decide(asked);
            let (own, others) = (self.verify(asked, decision.rule()), acting.verify(asked, other.rule()));
            let beside = |policy: &Policy| policy.settings.beside.is_some();
            own != others || beside(self) != beside(acting) || !other.does_the_same(decision)
        };
        self.mode(decision.rule()) == Mode::Observe || self.acting.as_deref().is_some_and(differs)
    }

    /// Whether what a rule says is done.
    pub fn mode(&self, rule: &RuleRef<'_>) -> Mode {
        rule.rule().and_then(|rule| rule.mode).unwrap_or(self.settings.mode)
    }

    /// Whether an image is denied to every client, whatever the namespace of its pod: it is to a client without a pod,
    /// and no rule for namespaces could open it.
    pub fn denies_everybody(&self, name: &Name) -> bool {
        let opens = |by: By| match by {
            By::Rule(i) => !matches!(self.rules[i].action, Action::Deny { .. }),
            By::DefaultRegistry => false,
        };
        matches!(self.decide(&Asked::of(name)), Decision::Deny { .. })
            && !self.index.has_scoped(&name.key(), opens)
    }

    /// Whether rules for some namespaces could decide about an image.
    pub fn is_scoped(&self, name: &Name) -> bool {
        self.index.has_scoped(&name.key(), |_| true)
    }

    /// The rules for some namespaces that go before the default registry.
    pub fn scoped_before_default_registry(&self) -> impl Iterator<Item = &Rule> {
        let before = |rule: &&Rule| rule.namespaces.is_some() && shadows_default_registry(&rule.prefix);
        self.rules_in_force().filter(before)
    }

    /// Whether anything can be denied by a rule, by the default or by a lock.
    pub fn has_deny(&self) -> bool {
        self.settings.default == DefaultAction::Deny
            || self.rules.iter().any(|rule| matches!(rule.action, Action::Deny { .. }))
            || !self.locks().is_empty()
    }

    /// Whether any image has to be signed.
    pub fn asks_for_signatures(&self) -> bool {
        let of_rules = self.rules.iter().filter_map(|rule| rule.verify.as_ref());
        let mut all = of_rules.chain([&self.settings.verify]);
        self.settings.beside.is_some() || all.any(|verify| verify.demand().is_some())
    }

    /// Whether every name passes, signed or not.
    pub fn passes_all(&self) -> bool {
        !self.asks_for_signatures()
            && self.settings.default == DefaultAction::Pass
            && self.settings.default_registry.is_none()
            && self.rules.iter().all(|rule| matches!(rule.action, Action::Pass))
            && self.locks().is_empty()
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

    /// The rules by which something is done, and behind them those in force that are only observed. Of a source and a
    /// native rule with one prefix both are there if the native one is only observed.
    pub fn acting_and_observed(&self) -> impl Iterator<Item = &Rule> {
        let observes = |rule: &&Rule| rule.mode.unwrap_or(self.settings.mode) == Mode::Observe;
        self.acting().rules_in_force().chain(self.rules_in_force().filter(observes))
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
        self.hash.get_or_init(|| hash::of(&self.settings, self.acting_and_observed()))
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

    /// Which signatures an image by this decision's rule has to have.
    pub fn verify<'p>(&'p self, asked: &Asked<'_>, rule: &RuleRef<'p>) -> Option<&'p DemandRef> {
        let own = self.asking(asked, rule).and_then(|rule| rule.verify.as_ref());
        own.unwrap_or(&self.settings.verify).demand()
    }

    /// The rule that says which lock and which signatures hold for an image by this decision's rule: what native rules ask
    /// for holds for rules of sources too.
    fn asking<'p>(&'p self, asked: &Asked<'_>, rule: &RuleRef<'p>) -> Option<&'p Rule> {
        match rule.rule().filter(|rule| rule.layer != Layer::Native) {
            None => rule.rule(),
            Some(_) => {
                let native = self.guard.as_ref()?.find(&asked.name.key(), asked.namespace)?;
                Some(&self.rules[native])
            }
        }
    }

    /// Which of [`Policy::rules`] leaves the default registry without effect.
    pub fn default_registry_shadowed_by(&self) -> Option<usize> {
        self.settings.default_registry.as_ref()?;
        shadowing(&self.rules)
    }
}

/// The rules and settings without what is only observed; none where nothing is.
fn acting(rules: &[Rule], settings: &Settings) -> Option<(Vec<Rule>, Settings)> {
    let of_policy = settings.mode;
    let acts = |rule: &&Rule| rule.mode.unwrap_or(of_policy) == Mode::Enforce;
    let settings = match of_policy {
        Mode::Enforce if rules.iter().all(|rule| acts(&rule)) => return None,
        Mode::Enforce => settings.clone(),
        Mode::Observe => Settings {
            default: DefaultAction::Pass,
            default_source: None,
            default_registry: None,
            verify: Verify::Nothing,
            beside: None,
            lock: Held::default(),
            ..settings.clone()
        },
    };
    Some((rules.iter().filter(acts).cloned().collect(), settings))
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
    rules.iter().position(|rule| rule.namespaces.is_none() && shadows_default_registry(&rule.prefix))
}
