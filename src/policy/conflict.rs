//! Contradictions between rules, found when a policy is built.
//!
//! Holds: each conflict names all its rules; without a conflict no two registries have the same target.
//! Not here: mistakes inside one rule (`prefix`, `location`); a single name that a rule sends to the target
//! of another rule (`index`, at the decision).

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;

use super::index::Ancestors;
use super::namespaces::is_literal;
use super::rule::{Layer, Rule, Source};
use super::target::{Routing, Target};

#[cfg(test)]
mod tests;

/// Rules that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Several rules with one prefix in one layer.
    #[error("prefix \"{prefix}\" has {} rules", sources.len())]
    Duplicate {
        /// The prefix.
        prefix: String,
        /// Where the rules are.
        sources: Vec<Source>,
    },
    /// Two rules with one prefix whose patterns can be for one namespace.
    #[error("prefix \"{prefix}\" has two rules for one namespace, for example \"{namespace}\"")]
    Namespaces {
        /// The prefix.
        prefix: String,
        /// A namespace that both rules are for.
        namespace: String,
        /// Where the rules are.
        sources: [Source; 2],
    },
    /// Several registries onto one target.
    #[error("images of {} would come from one place, {target}", registries.join(" and "))]
    Collapse {
        /// The target.
        target: String,
        /// The mirror that it belongs to.
        location: String,
        /// The source registries.
        registries: Vec<String>,
        /// Where the rules are.
        sources: Vec<Source>,
    },
    /// A wildcard rule without `{host}`.
    #[error("images of every registry under \"{prefix}\" would come from one place, {target}")]
    Wildcard {
        /// The prefix.
        prefix: String,
        /// The target.
        target: String,
        /// Where the rule is.
        at: Source,
    },
}

impl Conflict {
    /// Where the rules are, in the order of the rules.
    pub fn sources(&self) -> &[Source] {
        match self {
            Self::Duplicate { sources, .. } | Self::Collapse { sources, .. } => sources,
            Self::Namespaces { sources, .. } => sources,
            Self::Wildcard { at, .. } => std::slice::from_ref(at),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Duplicate { .. } => "keep one of them".to_owned(),
            Self::Namespaces { .. } => "make the patterns of one of them narrower".to_owned(),
            Self::Collapse { location, .. } | Self::Wildcard { target: location, .. } => {
                format!("write {location}/{{host}} to keep them apart, or collapse = true where it is meant")
            }
        }
    }
}

/// Every conflict: duplicates in the order of their first rules, then collapsing targets by their texts.
pub(super) fn find(rules: &[Rule], routings: &[Routing<'_>]) -> Vec<Conflict> {
    let mut conflicts = duplicates(rules);
    conflicts.extend(overlaps(rules));
    conflicts.extend(routings.iter().filter_map(wildcard));
    conflicts.extend(collapses(routings));
    conflicts
}

fn duplicates(rules: &[Rule]) -> Vec<Conflict> {
    let mut first: HashMap<(Layer, &str), usize, RandomState> = HashMap::default();
    first.reserve(rules.len());
    let mut repeated: BTreeMap<usize, Vec<Source>> = BTreeMap::new();
    for (i, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.namespaces.is_none()) {
        let at = *first.entry((rule.layer, rule.prefix.as_str())).or_insert(i);
        if at != i {
            let sources = repeated.entry(at).or_insert_with(|| vec![rules[at].source.clone()]);
            sources.push(rule.source.clone());
        }
    }
    let conflict = |(at, sources): (usize, Vec<Source>)| Conflict::Duplicate {
        prefix: rules[at].prefix.to_string(),
        sources,
    };
    repeated.into_iter().map(conflict).collect()
}

/// For each rule the first one before it that has its prefix and one of its namespaces.
fn overlaps(rules: &[Rule]) -> Vec<Conflict> {
    let mut seen: HashMap<(Layer, &str), Scopes<'_>, RandomState> = HashMap::default();
    let mut conflicts = Vec::new();
    for rule in rules.iter().filter(|rule| rule.namespaces.is_some()) {
        let seen = seen.entry((rule.layer, rule.prefix.as_str())).or_default();
        if let Some((other, namespace)) = seen.meet(rule) {
            let (prefix, sources) = (rule.prefix.to_string(), [other.source.clone(), rule.source.clone()]);
            conflicts.push(Conflict::Namespaces { prefix, namespace, sources });
        }
        seen.add(rule);
    }
    conflicts
}

/// The rules for namespaces of one prefix. Thousands may name one namespace each, and these are not compared.
#[derive(Default)]
struct Scopes<'r> {
    all: Vec<&'r Rule>,
    with_patterns: Vec<&'r Rule>,
    by_name: HashMap<&'r str, &'r Rule, RandomState>,
}

impl<'r> Scopes<'r> {
    fn add(&mut self, rule: &'r Rule) {
        let Some(namespaces) = &rule.namespaces else { return };
        self.all.push(rule);
        if !namespaces.patterns().all(is_literal) {
            self.with_patterns.push(rule);
        }
        for name in namespaces.patterns().filter(|pattern| is_literal(pattern)) {
            self.by_name.entry(name).or_insert(rule);
        }
    }

    /// One of them that is for a namespace of this rule, and that namespace.
    fn meet(&self, rule: &Rule) -> Option<(&'r Rule, String)> {
        let namespaces = rule.namespaces.as_ref()?;
        let named = namespaces.patterns().find_map(|name| Some((*self.by_name.get(name)?, name.to_owned())));
        let patterns = !namespaces.patterns().all(is_literal);
        let compared = if patterns { &self.all } else { &self.with_patterns };
        named.or_else(|| {
            compared.iter().find_map(|other| Some((*other, other.namespaces.as_ref()?.common(namespaces)?)))
        })
    }
}

fn wildcard(routing: &Routing<'_>) -> Option<Conflict> {
    if routing.host.is_some() || routing.route.collapse {
        return None;
    }
    Some(Conflict::Wildcard {
        prefix: routing.prefix.to_owned(),
        target: routing.targets().into_iter().next()?.text,
        at: routing.source.clone(),
    })
}

/// Finds targets that several registries share: equal ones, and, within one location, ones that lie inside
/// one another. Where one rule's location lies inside another's (`h` and `h/quay`), only names that really
/// meet are refused, each at its decision; most of them never exist.
fn collapses(routings: &[Routing<'_>]) -> Vec<Conflict> {
    let strict: Vec<(&Routing<'_>, &str, Target)> = routings
        .iter()
        .filter(|routing| !routing.route.collapse)
        .filter_map(|routing| Some((routing, routing.host?)))
        .flat_map(|(routing, host)| routing.targets().into_iter().map(move |target| (routing, host, target)))
        .collect();
    // Built only where there is a conflict, which is rare.
    let by_place = OnceCell::new();
    // Thousands of rules can have one target, so only which registries there are is compared.
    let mut at: HashMap<Place<'_>, Registries<'_>, RandomState> = HashMap::default();
    let mut within: HashMap<(Place<'_>, &str), Registries<'_>, RandomState> = HashMap::default();
    for (_, host, target) in &strict {
        at.entry((&target.text, target.way)).or_default().add(host);
        within.entry(((&target.text, target.way), &target.location)).or_default().add(host);
    }
    let mut groups: BTreeMap<Place<'_>, Vec<usize>> = BTreeMap::new();
    for (i, (_, host, target)) in strict.iter().enumerate() {
        for text in Ancestors::of(&target.text).take_while(|text| text.len() >= target.location.len()) {
            let place = (text, target.way);
            let there = match text == target.text {
                true => at.get(&place),
                false => within.get(&(place, target.location.as_str())),
            };
            if there.is_some_and(|there| there.hold_another(host)) {
                let by_place = by_place.get_or_init(|| indices_by_place(&strict));
                let all = || by_place.get(&place).cloned().unwrap_or_default();
                groups.entry(place).or_insert_with(all).push(i);
            }
        }
    }
    groups.into_iter().map(|((text, _), group)| collapse(text, group, &strict)).collect()
}

/// The text of a target, and the way to it.
type Place<'t> = (&'t str, Option<u32>);

fn indices_by_place<'t>(
    strict: &'t [(&Routing<'_>, &str, Target)],
) -> HashMap<Place<'t>, Vec<usize>, RandomState> {
    let mut by_place: HashMap<Place<'_>, Vec<usize>, RandomState> = HashMap::default();
    for (i, (_, _, target)) in strict.iter().enumerate() {
        by_place.entry((&target.text, target.way)).or_default().push(i);
    }
    by_place
}

/// The registries whose images are in one place: the first, and whether there are more.
#[derive(Default)]
struct Registries<'r> {
    first: &'r str,
    several: bool,
}

impl<'r> Registries<'r> {
    fn add(&mut self, registry: &'r str) {
        self.several |= !self.first.is_empty() && self.first != registry;
        self.first = if self.first.is_empty() { registry } else { self.first };
    }

    fn hold_another(&self, registry: &str) -> bool {
        self.several || self.first != registry
    }
}

fn collapse(text: &str, mut group: Vec<usize>, strict: &[(&Routing<'_>, &str, Target)]) -> Conflict {
    group.sort_unstable();
    group.dedup();
    let location = group.first().map_or(text, |&i| &strict[i].2.location).to_owned();
    let mut registries: Vec<String> = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    let (mut known, mut placed) = (HashSet::new(), HashSet::new());
    for (routing, host, _) in group.into_iter().map(|i| &strict[i]) {
        if known.insert(*host) {
            registries.push((*host).to_owned());
        }
        if placed.insert((&routing.source.file, routing.source.line)) {
            sources.push(routing.source.clone());
        }
    }
    Conflict::Collapse { target: text.to_owned(), location, registries, sources }
}
