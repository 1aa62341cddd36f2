//! Merges the main file and its drop-ins.
//!
//! Holds: a later file replaces whole entries by prefix, whole arrays, and single aliases. Within a file the first
//! entry of a prefix counts (containers/image `updateWithConfigurationFrom`).

use std::collections::{BTreeMap, BTreeSet};

use crate::config::diagnostic::{Located, Problem, Severity};

use super::file::{File, Registry};

/// All files as one.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// By prefix.
    registries: BTreeMap<String, Registry>,
    /// The prefixes of those that are blocked.
    blocked: BTreeSet<String>,
    pub(super) search: Option<Located<Vec<String>>>,
    /// By short name.
    pub(super) aliases: BTreeMap<String, (Located<String>, Located<String>)>,
}

impl Merged {
    pub(super) fn add(&mut self, file: File, out: &mut Vec<Problem>) {
        let File { registries, search, aliases } = file;
        let mut own: BTreeMap<String, Registry> = BTreeMap::new();
        for registry in registries {
            match own.get(&registry.prefix) {
                Some(first) => out.push(second(first, &registry)),
                None => drop(own.insert(registry.prefix.clone(), registry)),
            }
        }
        for (prefix, registry) in own {
            if let Some(earlier) = self.registries.get(&prefix) {
                let message =
                    format!("this entry replaces the whole earlier one for `{prefix}`, with its mirrors");
                let note = Problem::new(Severity::Note, message).at(&registry.at);
                out.push(note.also(&earlier.at, "has no effect"));
            }
            if registry.blocked {
                self.blocked.insert(prefix.clone());
            } else {
                self.blocked.remove(&prefix);
            }
            self.registries.insert(prefix, registry);
        }
        self.search = search.or(self.search.take());
        for (name, target) in aliases {
            if target.value.is_empty() {
                self.aliases.remove(&name.value);
            } else {
                self.aliases.insert(name.value.clone(), (name, target));
            }
        }
    }

    pub(super) fn registries(&self) -> impl Iterator<Item = &Registry> {
        self.registries.values()
    }

    pub(super) fn entry(&self, prefix: &str) -> Option<&Registry> {
        self.registries.get(prefix)
    }

    /// The entry for a repository: the one with the longest matching prefix; of two with the same length, the first in
    /// the order of prefixes.
    pub(super) fn find(&self, repository: &str) -> Option<&Registry> {
        let longer = |found: &Registry, other: &Registry| {
            let order = |entry: &Registry| (std::cmp::Reverse(entry.prefix.len()), entry.prefix.clone());
            order(other) < order(found)
        };
        self.matching(repository).reduce(|found, other| if longer(found, other) { other } else { found })
    }

    /// Every entry whose prefix matches a repository. They are looked up and not searched one by one, because there can
    /// be thousands of others.
    pub(super) fn matching(&self, repository: &str) -> impl Iterator<Item = &Registry> {
        let ends = repository.match_indices([':', '/', '@']).map(|(end, _)| end);
        let literal =
            ends.chain([repository.len()]).filter_map(|end| self.registries.get(&repository[..end]));
        let host = repository.split('/').next().unwrap_or_default();
        let domains = host.match_indices('.').flat_map(|(dot, _)| {
            let domain = &host[dot..];
            let bare = domain.rsplit_once(':').map(|(bare, _)| bare);
            [Some(domain), bare].into_iter().flatten()
        });
        let wildcards = domains.filter_map(|domain| self.registries.get(&format!("*{domain}")));
        literal.chain(wildcards).filter(|entry| match_len(&entry.prefix, repository).is_some())
    }

    /// The first of the entries for parts of a repository that are blocked.
    pub(super) fn blocked_below(&self, repository: &str) -> Option<&Registry> {
        // One lookup for each character that can follow: thousands of other entries may start with the same text.
        [':', '/', '@'].into_iter().find_map(|sign| {
            let from = format!("{repository}{sign}");
            let prefix = self.blocked.range(from.clone()..).next()?;
            self.registries.get(prefix.strip_prefix(&from).map(|_| prefix)?)
        })
    }
}

/// How many bytes of a repository a prefix matches.
pub(super) fn match_len(prefix: &str, repository: &str) -> Option<usize> {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([':', '/', '@']);
    if let Some(domain) = prefix.strip_prefix('*').filter(|domain| domain.starts_with('.')) {
        let host = repository.split('/').next().unwrap_or_default();
        let end = host.find(domain)? + domain.len();
        return ends(&repository[end..]).then_some(end);
    }
    repository.strip_prefix(prefix).filter(|rest| ends(rest)).map(|_| prefix.len())
}

fn second(first: &Registry, second: &Registry) -> Problem {
    let message = format!("this second entry for `{}` has no effect", second.prefix);
    let problem = Problem::warning(message).at(&second.at).also(&first.at, "the first one counts");
    problem.hint("remove one of the two; in a drop-in it would replace the first")
}
