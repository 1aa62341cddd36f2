//! The index over rules and targets: finds them for a key, at a cost that does not grow with the rules.
//!
//! Holds: one hash lookup for each component of a key; the longest match wins, and of two equally long ones a
//! rule wins over a target.
//! Not here: what a match means (`decide`).

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::key::{Key, split_port};
use super::name::Name;
use super::prefix::PrefixKind;
use super::rule::Rule;
use super::target::{By, Pattern, Routing};

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
    domains: HashMap<Box<str>, usize, RandomState>,
    any: Option<usize>,
    /// Whether any slot holds a pattern.
    patterns: bool,
    /// The rules that have a target of another rule inside one of theirs, so that a candidate can be in it.
    contested: HashSet<By, RandomState>,
}

#[derive(Debug, Default)]
struct Slot {
    rule: Option<usize>,
    owners: Vec<Owner>,
    patterns: Vec<(By, bool, Pattern)>,
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
                (PrefixKind::Any, _) => index.any = Some(i),
                (_, Some(domain)) => drop(index.domains.insert(domain.into(), i)),
                (_, None) => index.slot(rule.prefix.as_str()).rule = Some(i),
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

    /// The most specific match.
    pub(super) fn find(&self, key: &Key) -> Match {
        let pattern = self.deepest_pattern(key.repository());
        for text in Ancestors::of(key.as_str()) {
            let slot = self.slots.get(text);
            if let Some(found) = slot.and_then(|slot| slot.rule) {
                return Match::Rule(found);
            }
            if let Some((end, by, _)) = pattern
                && end == text.len()
            {
                return Match::Target(by);
            }
            if let Some(found) = slot.and_then(Slot::own_match) {
                return found;
            }
        }
        self.find_wildcard(key.host())
    }

    fn find_wildcard(&self, host: &str) -> Match {
        let mut rest = split_port(host).0;
        while !self.domains.is_empty()
            && let Some((_, domain)) = rest.split_once('.')
        {
            if let Some(&rule) = self.domains.get(domain) {
                return Match::Rule(rule);
            }
            rest = domain;
        }
        self.any.map_or(Match::Nothing, Match::Rule)
    }

    /// The registry whose images are at this place, where it is not the one that `key` asks for.
    pub(super) fn taken(&self, by: By, candidate: &Name, key: &Key) -> Option<String> {
        if !self.contested.contains(&by) {
            return None;
        }
        let (candidate, host) = (candidate.key(), key.host());
        let pattern = self.deepest_pattern(candidate.repository());
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
    fn deepest_pattern<'r>(&self, repository: &'r str) -> Option<(usize, By, Option<&'r str>)> {
        if !self.patterns {
            return None;
        }
        let mut deepest: Option<(usize, By, Option<&str>)> = None;
        for text in Ancestors::of(repository) {
            let patterns = self.slots.get(text).map_or(&[][..], |slot| &slot.patterns);
            for (by, collapse, pattern) in patterns {
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

    fn own_match(&self) -> Option<Match> {
        let target = || self.owners.first().map(|owner| Match::Target(owner.by));
        self.rule.map(Match::Rule).or_else(target)
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
