//! The index over rules and targets: finds them for a key, at a cost that does not grow with the rules.
//!
//! Holds: one hash lookup for each component of a key; the longest match wins, and of two equally long ones a
//! rule wins over a target.
//! Not here: what a match means (`decide`).

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::key::{Key, split_port};
use super::name::Name;
use super::namespaces::{Namespaces, is_literal};
use super::prefix::PrefixKind;
use super::rule::Rule;
use super::target::{By, Pattern, Routing, shadows_default_registry};

/// What a key matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// A rule's prefix.
    Rule(usize),
    /// A target of a rule that routes: the image is asked for where the rule would send it.
    Target(By),
    /// Nothing.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the text of a prefix or a target that has a host in front.
    slots: HashMap<Box<str>, Slot, RandomState>,
    /// By the domain, without `*.`.
    domains: HashMap<Box<str>, Here, RandomState>,
    any: Here,
    /// Where those do not hold for every pod and client that have targets.
    scopes: HashMap<By, Scope, RandomState>,
    /// Whether any slot holds a pattern.
    patterns: bool,
    /// The rules that have a target of another rule inside one of theirs, so that a candidate can be in it.
    contested: HashSet<By, RandomState>,
}

#[derive(Debug, Default)]
struct Slot {
    here: Here,
    owners: Vec<Owner>,
    patterns: Vec<(By, bool, Pattern)>,
}

/// The rules of one prefix. No two of them hold for one namespace.
#[derive(Debug, Default)]
struct Here {
    /// The one for all pods and clients.
    all: Option<usize>,
    scoped: Option<Box<Scoped>>,
}

/// Whom a rule is for.
#[derive(Debug, Default)]
struct Scope {
    /// Its own namespaces, if it is not for all.
    only: Option<Namespaces>,
    /// Those of other rules that go before it.
    except: Vec<Namespaces>,
}

/// Those for some namespaces.
#[derive(Debug, Default)]
struct Scoped {
    by_name: HashMap<Box<str>, usize, RandomState>,
    by_pattern: Vec<(Namespaces, usize)>,
}

/// Who puts images at a target.
#[derive(Debug)]
struct Owner {
    by: By,
    /// The registry that they come from; `None` where the rule allows several.
    registry: Option<Box<str>>,
}

impl Index {
    /// `in_force` says which of the rules count, and `routings` are those of these rules.
    pub(super) fn new(rules: &[Rule], in_force: &[bool], routings: &[Routing<'_>]) -> Self {
        let mut index = Self::default();
        for (i, (rule, _)) in rules.iter().zip(in_force).enumerate().filter(|(_, (_, counts))| **counts) {
            match (rule.prefix.kind(), rule.prefix.domain()) {
                (PrefixKind::Any, _) => index.any.add(i, rule),
                (_, Some(domain)) => index.domains.entry(domain.into()).or_default().add(i, rule),
                (_, None) => index.slot(rule.prefix.as_str()).here.add(i, rule),
            }
        }
        for routing in routings {
            let collapse = routing.route.collapse;
            let registry = routing.host.filter(|_| !collapse);
            for target in routing.targets() {
                // Those who come in another way may find other images there.
                let registry = registry.filter(|_| target.way.is_none()).map(Into::into);
                let owner = Owner { by: routing.by, registry };
                index.slot(&target.text).owners.push(owner);
            }
            for pattern in routing.patterns() {
                index.patterns = true;
                index.slot(&pattern.head.clone()).patterns.push((routing.by, collapse, pattern));
            }
        }
        index.contested = index.find_contested();
        index.scopes = scopes(rules, in_force, routings);
        index
    }

    fn slot(&mut self, text: &str) -> &mut Slot {
        self.slots.entry(text.into()).or_default()
    }

    /// Thousands of rules can have one target, so slots are not compared owner by owner: first each slot
    /// collects what all targets inside it have in common.
    fn find_contested(&self) -> HashSet<By, RandomState> {
        let mut inside: HashMap<&str, Inside<'_>, RandomState> = HashMap::default();
        let mut contested: HashSet<By, RandomState> = HashSet::default();
        for (text, slot) in self.slots.iter().filter(|(_, slot)| slot.holds_target()) {
            for (around, outer) in Ancestors::of(text).filter_map(|around| self.slots.get_key_value(around)) {
                if !outer.holds_target() {
                    continue;
                }
                let alone = std::ptr::eq(around, text) && slot.owners.is_empty() && outer.patterns.len() == 1;
                inside.entry(around).or_default().add(slot, alone);
                // The targets of a pattern end anywhere below its head, so around or inside the others.
                if !outer.patterns.is_empty() {
                    contested.extend(slot.owners.iter().map(|owner| owner.by));
                    let patterns = slot.patterns.iter().filter(|_| !alone);
                    contested.extend(patterns.map(|(by, ..)| *by));
                }
            }
        }
        for (text, inside) in &inside {
            let Some(slot) = self.slots.get(*text) else { continue };
            let differs = |owner: &&Owner| inside.patterns || inside.holds_another(owner.registry.as_deref());
            contested.extend(slot.owners.iter().filter(differs).map(|owner| owner.by));
            let patterns = slot.patterns.iter().filter(|_| inside.company);
            contested.extend(patterns.map(|(by, ..)| *by));
        }
        contested
    }

    /// The most specific match for a pod of this namespace, or for a client without one.
    pub(super) fn find(&self, key: &Key, namespace: Option<&str>) -> Match {
        let holds = |by| self.holds(by, namespace);
        let pattern = self.deepest_pattern(key.repository(), holds);
        for text in Ancestors::of(key.as_str()) {
            let slot = self.slots.get(text);
            if let Some(found) = slot.and_then(|slot| slot.here.find(namespace)) {
                return Match::Rule(found);
            }
            if let Some((end, by, _)) = pattern
                && end == text.len()
            {
                return Match::Target(by);
            }
            if let Some(found) = slot.and_then(|slot| slot.target(holds)) {
                return found;
            }
        }
        self.find_wildcard(key.host(), namespace)
    }

    /// Whether a rule is for this namespace.
    fn holds(&self, by: By, namespace: Option<&str>) -> bool {
        let scope = if self.scopes.is_empty() { None } else { self.scopes.get(&by) };
        scope.is_none_or(|scope| scope.holds(namespace))
    }

    fn find_wildcard(&self, host: &str, namespace: Option<&str>) -> Match {
        let mut rest = split_port(host).0;
        while !self.domains.is_empty()
            && let Some((_, domain)) = rest.split_once('.')
        {
            if let Some(rule) = self.domains.get(domain).and_then(|here| here.find(namespace)) {
                return Match::Rule(rule);
            }
            rest = domain;
        }
        self.any.find(namespace).map_or(Match::Nothing, Match::Rule)
    }

    /// Whether a rule for namespaces that `counts` is for this key, or has it in a target, before a rule for all pods
    /// and clients is.
    pub(super) fn has_scoped(&self, key: &Key, counts: impl Fn(By) -> bool) -> bool {
        let is_scoped = |by: &By| self.scopes.get(by).is_some_and(|scope| scope.only.is_some());
        let target = |by: By| is_scoped(&by) && counts(by);
        // The answer of the rules of one prefix, if they have one.
        let says = |here: &Here| match here.scoped().any(|rule| counts(By::Rule(rule))) {
            true => Some(true),
            false => here.all.map(|_| false),
        };
        let pattern = self.deepest_pattern(key.repository(), target).map(|(end, ..)| end);
        for text in Ancestors::of(key.as_str()) {
            let slot = self.slots.get(text);
            if let Some(said) = slot.and_then(|slot| says(&slot.here)) {
                return said;
            }
            if pattern == Some(text.len()) || slot.is_some_and(|slot| slot.target(target).is_some()) {
                return true;
            }
        }
        let host = split_port(key.host()).0;
        let domains = host.match_indices('.').filter_map(|(at, _)| self.domains.get(&host[at + 1..]));
        domains.chain([&self.any]).find_map(says).unwrap_or(false)
    }

    /// The registry whose images are at this place, where it is not the one that `key` asks for.
    pub(super) fn taken(&self, by: By, candidate: &Name, key: &Key) -> Option<String> {
        if !self.contested.contains(&by) {
            return None;
        }
        let (candidate, host) = (candidate.key(), key.host());
        // Whose images are there does not depend on who asks.
        let pattern = self.deepest_pattern(candidate.repository(), |_| true);
        for text in Ancestors::of(candidate.as_str()) {
            let owners = self.slots.get(text).map_or(&[][..], |slot| &slot.owners);
            let mut registries = owners.iter().map(|owner| owner.registry.as_deref());
            // A target that is written out belongs to its rule, even where a wildcard could mean it too.
            let of_pattern = pattern.filter(|(end, ..)| *end == text.len()).map(|(_, _, registry)| registry);
            let Some(first) = registries.next().or(of_pattern) else { continue };
            let open = |registry: Option<&str>| registry.is_none_or(|registry| registry == host);
            return first.filter(|_| !open(first) && !registries.any(open)).map(str::to_owned);
        }
        None
    }

    /// The longest target of a wildcard rule that the repository is under: its end, its rule, and the
    /// registry whose images are there (none where several may be).
    fn deepest_pattern<'r>(
        &self,
        repository: &'r str,
        counts: impl Fn(By) -> bool,
    ) -> Option<(usize, By, Option<&'r str>)> {
        if !self.patterns {
            return None;
        }
        let mut deepest: Option<(usize, By, Option<&str>)> = None;
        for text in Ancestors::of(repository) {
            let patterns = self.slots.get(text).map_or(&[][..], |slot| &slot.patterns);
            for (by, collapse, pattern) in patterns.iter().filter(|(by, ..)| counts(*by)) {
                let Some((end, host)) = pattern.find(repository) else { continue };
                if deepest.is_none_or(|(longest, ..)| end > longest) {
                    deepest = Some((end, *by, (!collapse).then_some(host)));
                }
            }
        }
        deepest
    }
}

/// What the slots inside one slot, itself among them, hold together.
#[derive(Debug, Default)]
struct Inside<'i> {
    /// The registry of the first owner.
    first: Option<Option<&'i str>>,
    /// Whether another owner has another.
    several: bool,
    patterns: bool,
    /// Whether there is anything but a single pattern of the slot's own.
    company: bool,
}

impl<'i> Inside<'i> {
    fn add(&mut self, slot: &'i Slot, alone: bool) {
        self.patterns |= !slot.patterns.is_empty();
        self.company |= !alone;
        for owner in &slot.owners {
            let registry = owner.registry.as_deref();
            self.several |= *self.first.get_or_insert(registry) != registry;
        }
    }

    fn holds_another(&self, registry: Option<&str>) -> bool {
        self.several || self.first.is_some_and(|first| first != registry)
    }
}

impl Slot {
    fn holds_target(&self) -> bool {
        !self.owners.is_empty() || !self.patterns.is_empty()
    }

    /// The target of a rule that counts.
    fn target(&self, counts: impl Fn(By) -> bool) -> Option<Match> {
        self.owners.iter().find(|owner| counts(owner.by)).map(|owner| Match::Target(owner.by))
    }
}

/// Where rules with targets do not hold for all: they are for some namespaces, or another rule goes before them there.
fn scopes(rules: &[Rule], in_force: &[bool], routings: &[Routing<'_>]) -> HashMap<By, Scope, RandomState> {
    let counting = rules.iter().zip(in_force).filter(|(_, counts)| **counts).map(|(rule, _)| rule);
    let mut scoped: HashMap<&str, Vec<&Namespaces>, RandomState> = HashMap::default();
    let mut before_default_registry = Vec::new();
    for (rule, namespaces) in counting.filter_map(|rule| Some((rule, rule.namespaces.as_ref()?))) {
        scoped.entry(rule.prefix.as_str()).or_default().push(namespaces);
        before_default_registry.extend(shadows_default_registry(&rule.prefix).then(|| namespaces.clone()));
    }
    if scoped.is_empty() {
        return HashMap::default();
    }
    let scope = |routing: &Routing<'_>| {
        let except = match routing.by {
            By::DefaultRegistry => before_default_registry.clone(),
            By::Rule(_) => {
                scoped.get(routing.prefix).into_iter().flatten().map(|others| (*others).clone()).collect()
            }
        };
        let scope = match routing.namespaces {
            Some(own) => Scope { only: Some(own.clone()), except: Vec::new() },
            None => Scope { only: None, except },
        };
        (scope.only.is_some() || !scope.except.is_empty()).then_some((routing.by, scope))
    };
    routings.iter().filter_map(scope).collect()
}

impl Scope {
    fn holds(&self, namespace: Option<&str>) -> bool {
        let holds_in = |namespace| match &self.only {
            Some(own) => own.contain(namespace),
            None => !self.except.iter().any(|others| others.contain(namespace)),
        };
        namespace.map_or(self.only.is_none(), holds_in)
    }
}

impl Here {
    fn add(&mut self, rule: usize, written: &Rule) {
        let Some(namespaces) = &written.namespaces else {
            self.all = Some(rule);
            return;
        };
        let scoped = self.scoped.get_or_insert_default();
        if !namespaces.patterns().all(is_literal) {
            scoped.by_pattern.push((namespaces.clone(), rule));
        }
        let names = namespaces.patterns().filter(|pattern| is_literal(pattern));
        scoped.by_name.extend(names.map(|name| (name.into(), rule)));
    }

    /// The rule for a namespace goes before the one for all.
    fn find(&self, namespace: Option<&str>) -> Option<usize> {
        let scoped = || {
            let (scoped, namespace) = (self.scoped.as_ref()?, namespace?);
            let by_pattern = || scoped.by_pattern.iter().find(|(patterns, _)| patterns.contain(namespace));
            scoped.by_name.get(namespace).copied().or_else(|| by_pattern().map(|(_, rule)| *rule))
        };
        scoped().or(self.all)
    }

    /// Those for some namespaces.
    fn scoped(&self) -> impl Iterator<Item = usize> {
        self.scoped.iter().flat_map(|scoped| {
            scoped.by_name.values().copied().chain(scoped.by_pattern.iter().map(|(_, rule)| *rule))
        })
    }
}

/// A text and what it begins with, by components, down to the host.
pub(super) struct Ancestors<'a>(Option<&'a str>);

impl<'a> Ancestors<'a> {
    /// From the longest to the shortest; a tag or digest is the first thing to go.
    pub(super) fn of(text: &'a str) -> Self {
        Self(Some(text))
    }
}

impl<'a> Iterator for Ancestors<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0?;
        self.0 = parent(text);
        Some(text)
    }
}

/// The key without its last component, or without its tag or digest if it has one.
fn parent(text: &str) -> Option<&str> {
    let slash = text.rfind('/')?;
    match text[slash..].find(['@', ':']) {
        Some(suffix) => Some(&text[..slash + suffix]),
        None => Some(&text[..slash]),
    }
}

#[cfg(test)]
mod tests;
