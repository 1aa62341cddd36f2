//! Which lock is for which image, and for whom.
//!
//! Not here: what a lock says of an image (`lock`).

use std::sync::Arc;

use super::super::asked::Asked;
use super::super::decision::{Decision, RuleRef};
use super::super::lock::{self, Found, Held, LockList, Pin};
use super::super::name::Name;
use super::super::rule::{Rule, Settings};
use super::super::target::By;
use super::Policy;

impl Policy {
    /// What the lock of a rule says of a request.
    pub(super) fn look<'p>(&'p self, rule: &RuleRef<'p>, asked: &Asked<'_>) -> Found<'p> {
        let (own, of_all) = (self.asking(asked, rule).map(|rule| &rule.lock), &self.settings.lock);
        let list = own.and_then(|own| own.list.as_deref()).or(of_all.list.as_deref());
        let unlisted = own.and_then(|own| own.unlisted).or(of_all.unlisted).unwrap_or_default();
        list.map_or(Found::Free, |list| lock::find(list, unlisted, asked))
    }

    /// The lists that hold some tags, each once.
    pub fn locks(&self) -> Vec<&Arc<LockList>> {
        let of_rules = self.rules.iter().filter_map(|rule| rule.lock.list.as_ref());
        let mut all: Vec<&Arc<LockList>> = Vec::new();
        for list in self.settings.lock.list.iter().chain(of_rules) {
            if all.iter().all(|known| !Arc::ptr_eq(known, list)) {
                all.push(list);
            }
        }
        all
    }

    /// Whether a tag of a list is held to it: by a client without a pod, or in some namespace.
    pub fn uses(&self, list: &Arc<LockList>, tag: &Name) -> bool {
        let is_it = |held: Option<&Arc<LockList>>| held.is_some_and(|held| Arc::ptr_eq(held, list));
        let of_rule = |rule: &Rule| is_it(rule.lock.list.as_ref().or(self.settings.lock.list.as_ref()));
        let counts = |by: By| match by {
            By::Rule(i) => of_rule(&self.rules[i]),
            By::DefaultRegistry => is_it(self.settings.lock.list.as_ref()),
        };
        let asked = Asked::of(tag);
        let decision = self.decide_unlocked(&asked);
        let by_all = match (&decision, self.asking(&asked, decision.rule())) {
            (Decision::Deny { .. }, _) => false,
            (_, Some(rule)) => of_rule(rule),
            (_, None) => is_it(self.settings.lock.list.as_ref()),
        };
        by_all || self.index.has_scoped(&tag.key(), counts)
    }

    /// The digest that a tag is locked to for every client, whatever the namespace of its pod.
    pub fn locks_for_everybody(&self, name: &Name) -> Option<Pin<'_>> {
        let locked = self.decide(&Asked::of(name)).locked()?;
        (!self.index.has_scoped(&name.key(), |_| true)).then_some(locked)
    }

    /// The same policy as if nothing was locked.
    #[must_use]
    pub fn without_locks(&self) -> Option<Policy> {
        let open = |rule: &Rule| Rule { lock: Held::default(), ..rule.clone() };
        let settings = Settings { lock: Held::default(), ..self.settings.clone() };
        Policy::new(self.rules.iter().map(open).collect(), settings).ok()
    }
}
