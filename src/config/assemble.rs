//! Makes one policy of what all files say.
//!
//! Before: `rules` has drafted the rules of every file.  After: `Config` holds the policy.
//! Holds: each conflict that `policy` finds is shown with every place that takes part.
//! Not here: which rules conflict (`policy`).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::containerd::hosts::{Transport, TransportNeed};
use crate::policy::{Conflict, Layer, Policy, Settings, Source};

use super::diagnostic::{Located, Problem, Span, Texts};
use super::rules::Draft;

/// The policy, or nothing where its rules contradict each other.
pub(super) fn policy(draft: &Draft, texts: &Texts, out: &mut Vec<Problem>) -> Option<Policy> {
    let rules = draft.rules.iter().map(|drafted| drafted.rule.clone()).collect();
    match Policy::new(rules, settings(draft, texts)) {
        Ok(policy) => Some(policy),
        Err(conflicts) => {
            let places = Places::of(draft, texts);
            out.extend(conflicts.iter().map(|conflict| problem(conflict, &places)));
            None
        }
    }
}

fn settings(draft: &Draft, texts: &Texts) -> Settings {
    let Draft { default, default_registry, present, names, node_credentials, watch: _, rules: _, sources: _ } =
        draft;
    let value = |set: &Located<_>| (set.value, source(&set.at, texts));
    let (default, default_source) = default.as_ref().map(value).unzip();
    Settings {
        default: default.unwrap_or_default(),
        default_source,
        default_registry: default_registry.as_ref().map(|set| (set.value.clone(), source(&set.at, texts))),
        present: present.as_ref().map(|set| set.value).unwrap_or_default(),
        names: names.as_ref().map(|set| set.value).unwrap_or_default(),
        node_credentials: node_credentials.as_ref().map(|set| set.value).unwrap_or_default(),
    }
}

/// The place of a span in the form that decisions carry.
pub(super) fn source(at: &Span, texts: &Texts) -> Source {
    Source { file: texts.name(at.text), line: texts.line(at) }
}

/// What a host needs. The layer is set by who asked.
pub(super) fn need(host: &str, what: Located<Transport>, texts: &Texts) -> Located<TransportNeed> {
    let Located { value: mut what, at } = what;
    // containerd would look for it in the directory of its own file.
    let absolute = |path: &mut PathBuf| *path = std::path::absolute(&*path).unwrap_or_else(|_| path.clone());
    match &mut what {
        Transport::CaFile(path) => absolute(path),
        Transport::ClientCert { cert, key } => {
            absolute(cert);
            key.iter_mut().for_each(absolute);
        }
        _ => {}
    }
    let source = source(&at, texts);
    let value = TransportNeed { host: host.to_owned(), what, source, layer: Layer::Native };
    Located { value, at }
}

/// The caret goes to the last of the places: that is the one that was added.
fn problem(conflict: &Conflict, places: &Places<'_>) -> Problem {
    let places = places.spans(conflict);
    let mut problem = Problem::error(conflict.to_string()).hint(conflict.hint());
    if let Some((last, others)) = places.split_last() {
        problem = problem.at(last);
        for other in others {
            problem = problem.also(other, "and here");
        }
    }
    problem
}

/// Where rules stand, by the source that `policy` knows them by. Two rules on one line have one source.
struct Places<'d>(HashMap<(Arc<str>, u32), Vec<Place<'d>>>);

/// A rule's prefix and its span.
type Place<'d> = (&'d str, &'d Span);

impl<'d> Places<'d> {
    fn of(draft: &'d Draft, texts: &Texts) -> Self {
        let mut places: HashMap<(Arc<str>, u32), Vec<Place<'_>>> = HashMap::new();
        let rules = draft.rules.iter();
        let rules =
            rules.map(|drafted| (drafted.rule.source.clone(), (drafted.rule.prefix.as_str(), &drafted.at)));
        let default = draft.default_registry.iter().map(|set| (source(&set.at, texts), ("", &set.at)));
        for (Source { file, line }, place) in rules.chain(default) {
            places.entry((file, line)).or_default().push(place);
        }
        Places(places)
    }

    fn spans(&self, conflict: &Conflict) -> Vec<&'d Span> {
        let mut taken: HashMap<(&Arc<str>, u32), usize> = HashMap::new();
        let mut spans = Vec::new();
        for wanted in conflict.sources() {
            let there = self.0.get(&(wanted.file.clone(), wanted.line)).map_or(&[][..], Vec::as_slice);
            let fits = |(prefix, _): &(&str, &Span)| match conflict {
                Conflict::Duplicate { prefix: duplicate, .. } => prefix == duplicate,
                _ => true,
            };
            let next = taken.entry((&wanted.file, wanted.line)).or_default();
            let Some(found) = there[*next..].iter().position(fits) else { continue };
            spans.push(there[*next + found].1);
            *next += found + 1;
        }
        spans
    }
}
