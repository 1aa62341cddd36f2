//! Makes one policy of the rules of all files.
//!
//! Holds: each conflict that `policy` finds is shown with every place that is part of it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::policy::{Conflict, Held, Outage, Policy, Settings, Source, Verify};

use super::diagnostic::{Located, Problem, Span, Texts};
use super::draft::{PolicyDraft, file_line};
use super::signatures::Settled;

/// The policy, with what signatures it asks for; `None` where its rules contradict each other.
pub(super) fn policy(
    draft: &PolicyDraft,
    settled: &Settled,
    texts: &Texts,
    out: &mut Vec<Problem>,
) -> Option<Policy> {
    let rules = draft.rules.iter().map(|drafted| drafted.rule.clone()).collect();
    let (verify, beside) = (settled.verify.clone(), settled.demands.beside().map(Into::into));
    let with_signatures = Settings { verify, beside, ..settings(draft, texts) };
    match Policy::new(rules, with_signatures) {
        Ok(policy) => Some(policy),
        Err(conflicts) => {
            let places = RulePlaces::of(draft, texts);
            out.extend(conflicts.iter().map(|conflict| problem(conflict, &places)));
            None
        }
    }
}

fn settings(draft: &PolicyDraft, texts: &Texts) -> Settings {
    let PolicyDraft {
        mode,
        default,
        default_registry,
        present,
        names,
        node_credentials,
        on_outage,
        outage_max_age,
        verify: _,
        policy_json: _,
        lock,
        lock_list,
        watch: _,
        rules: _,
        sources: _,
    } = draft;
    let value = |set: &Located<_>| (set.value, file_line(&set.at, texts));
    let (default, default_source) = default.as_ref().map(value).unzip();
    Settings {
        mode: mode.as_ref().map(|set| set.value).unwrap_or_default(),
        default: default.unwrap_or_default(),
        default_source,
        default_registry: default_registry.as_ref().map(|set| (set.value.clone(), file_line(&set.at, texts))),
        present: present.as_ref().map(|set| set.value).unwrap_or_default(),
        names: names.as_ref().map(|set| set.value).unwrap_or_default(),
        node_credentials: node_credentials.as_ref().map(|set| set.value).unwrap_or_default(),
        outage: Outage {
            answer: on_outage.as_ref().map(|set| set.value),
            max_age: outage_max_age.as_ref().map(|set| set.value),
        },
        verify: Verify::default(),
        beside: None,
        lock: Held { list: lock_list.clone(), unlisted: lock.unlisted.as_ref().map(|set| set.value) },
    }
}

/// The problem points to the last of the places, which is the one that was added.
fn problem(conflict: &Conflict, places: &RulePlaces<'_>) -> Problem {
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

/// The places of rules, by the file and line by which `policy` knows them. Two rules can be on one line.
struct RulePlaces<'d>(HashMap<(Arc<str>, u32), Vec<RulePlace<'d>>>);

/// A rule's prefix and its span.
type RulePlace<'d> = (&'d str, &'d Span);

impl<'d> RulePlaces<'d> {
    fn of(draft: &'d PolicyDraft, texts: &Texts) -> Self {
        let mut places: HashMap<(Arc<str>, u32), Vec<RulePlace<'_>>> = HashMap::new();
        let rules = draft.rules.iter();
        let rules =
            rules.map(|drafted| (drafted.rule.source.clone(), (drafted.rule.prefix.as_str(), &drafted.at)));
        let default = draft.default_registry.iter().map(|set| (file_line(&set.at, texts), ("", &set.at)));
        for (Source { file, line }, place) in rules.chain(default) {
            places.entry((file, line)).or_default().push(place);
        }
        RulePlaces(places)
    }

    fn spans(&self, conflict: &Conflict) -> Vec<&'d Span> {
        let mut taken: HashMap<(&Arc<str>, u32), usize> = HashMap::new();
        let mut spans = Vec::new();
        for wanted in conflict.sources() {
            let there = self.0.get(&(wanted.file.clone(), wanted.line)).map_or(&[][..], Vec::as_slice);
            let fits = |(prefix, _): &(&str, &Span)| match conflict {
                Conflict::Duplicate { prefix: twice, .. } | Conflict::Namespaces { prefix: twice, .. } => {
                    prefix == twice
                }
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
