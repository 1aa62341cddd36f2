//! Makes one entry for each source of all sets of mirrors.
//!
//! Holds: the mirrors of one source are in an order that fits each of its sets, if there is one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::super::diagnostic::{Located, Problem};
use super::super::registries_conf::{MirrorTable, Registry};
use crate::policy::Only;

/// One set of mirrors.
pub(super) struct SourceMirrors {
    pub(super) source: Located<String>,
    pub(super) mirrors: Mirrors,
    /// Whether the source is never asked, where that is said.
    pub(super) never: Option<Located<bool>>,
}

/// Its mirrors, in order.
pub(super) struct Mirrors {
    pub(super) only: Only,
    pub(super) mirrors: Vec<Located<String>>,
}

/// The entries, by source.
pub(super) fn merge(sets: Vec<SourceMirrors>, out: &mut Vec<Problem>) -> Vec<Registry> {
    let mut by_source: BTreeMap<String, Vec<SourceMirrors>> = BTreeMap::new();
    for set in sets {
        let of_source = by_source.entry(set.source.value.clone()).or_default();
        conflict(of_source.first(), &set, out);
        of_source.push(set);
    }
    by_source.into_iter().filter_map(|(source, sets)| entry(source, &sets)).collect()
}

/// What the operator refuses.
fn conflict(first: Option<&SourceMirrors>, set: &SourceMirrors, out: &mut Vec<Problem>) {
    let says = |set: &SourceMirrors| set.never.as_ref().is_some_and(|never| never.value);
    let SourceMirrors { source, mirrors, never } = set;
    if let Some(first) = first.filter(|first| says(first) != says(set)) {
        let message = format!("two sets for `{}` differ in `mirrorSourcePolicy`", source.value);
        let at = never.as_ref().map_or(&source.at, |never| &never.at);
        let other = first.never.as_ref().map_or(&first.source.at, |never| &never.at);
        let problem = Problem::error(message).at(at).also(other, "the other one");
        out.push(problem.hint("without the key it is AllowContactingSource; write the same in both"));
    }
    let itself = mirrors.mirrors.iter().find(|mirror| mirror.value == source.value);
    if let Some(itself) = itself.filter(|_| says(set)) {
        let message = format!("`{}` is never asked, and is one of its own mirrors", source.value);
        out.push(Problem::error(message).at(&itself.at).hint("remove it from the list, or the policy"));
    }
}

/// The entry of a source; `None` where no set has a mirror but the source.
fn entry(source: String, sets: &[SourceMirrors]) -> Option<Registry> {
    let real = |set: &&SourceMirrors| set.mirrors.mirrors.iter().any(|mirror| mirror.value != source);
    let sets: Vec<&SourceMirrors> = sets.iter().filter(real).collect();
    let first = sets.first()?;
    let is_wildcard = source.starts_with("*.");
    let location = if is_wildcard { String::new() } else { source.clone() };
    let mut mirrors = Vec::new();
    for only in [Only::Digests, Only::Tags] {
        let of_kind = sets.iter().map(|set| &set.mirrors).filter(|mirrors| mirrors.only == only);
        mirrors.extend(
            order(&source, &of_kind.collect::<Vec<_>>()).into_iter().map(|location| MirrorTable {
                location: location.clone(),
                insecure: None,
                only,
            }),
        );
    }
    Some(Registry {
        at: first.source.at.clone(),
        location: Located { value: location, at: first.source.at.clone() },
        blocked: sets.iter().any(|set| set.never.as_ref().is_some_and(|never| never.value)),
        insecure: None,
        mirrors,
        prefix: source,
    })
}

/// Which mirrors come right before others.
#[derive(Default)]
struct Neighbours<'m> {
    before: BTreeSet<&'m str>,
    after: BTreeSet<&'m str>,
}

/// The mirrors of all sets in one order, as upstream's `topoGraph.Sorted` has it. The source is the last one of a set
/// that does not name it, and left out at the end of all.
fn order<'m>(source: &'m str, sets: &[&'m Mirrors]) -> Vec<&'m Located<String>> {
    let mut places: BTreeMap<&str, &Located<String>> = BTreeMap::new();
    let mut graph: BTreeMap<&str, Neighbours<'_>> = BTreeMap::new();
    for set in sets {
        let mut names: Vec<&str> = set.mirrors.iter().map(|mirror| mirror.value.as_str()).collect();
        for mirror in &set.mirrors {
            places.entry(&mirror.value).or_insert(mirror);
        }
        if !names.contains(&source) {
            names.push(source);
        }
        for pair in names.windows(2) {
            graph.entry(pair[0]).or_default().after.insert(pair[1]);
            graph.entry(pair[1]).or_default().before.insert(pair[0]);
        }
    }
    let all: Vec<&str> = graph.keys().copied().collect();
    let mut free: VecDeque<&str> = all.iter().copied().filter(|name| graph[name].before.is_empty()).collect();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut sorted = Vec::new();
    // A circle is broken at its first name.
    let mut rest = all.iter().copied();
    while let Some(name) = free.pop_front().or_else(|| rest.find(|name| !used.contains(name))) {
        used.insert(name);
        sorted.push(name);
        let after = graph.get(name).map(|neighbours| neighbours.after.clone()).unwrap_or_default();
        for next in after {
            let Some(neighbours) = graph.get_mut(next) else { continue };
            // Each neighbour is removed once, so the last one is, too.
            let is_last = neighbours.before.remove(name) && neighbours.before.is_empty();
            if is_last && !used.contains(next) {
                free.push_back(next);
            }
        }
    }
    if sorted.last() == Some(&source) {
        sorted.pop();
    }
    sorted.into_iter().filter_map(|name| places.get(name).copied()).collect()
}
