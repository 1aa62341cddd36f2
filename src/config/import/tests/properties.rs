//! An imported configuration decides as the sources did, for generated files of every format and generated names.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use super::generated::{FORMATS, Generated, name, source};
use super::*;
use crate::policy::Policy;

/// How often each kind of case was really tried.
#[derive(Default)]
struct Seen {
    formats: [Cell<u32>; FORMATS.len()],
    verdicts: [Cell<u32>; 3],
    several: Cell<u32>,
}

fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

/// Several sources, at most one of each format.
fn sources_together() -> impl Strategy<Value = Vec<Generated>> {
    prop::collection::vec(source(), 1..4).prop_map(|found| {
        let mut kept: Vec<Generated> = Vec::new();
        for source in found {
            if kept.iter().all(|other| other.format != source.format) {
                kept.push(source);
            }
        }
        kept
    })
}

/// The names, and everything the source makes of them: names under a target have a decision too.
fn with_candidates(policy: &Policy, names: &[String]) -> Vec<Name> {
    let mut all: Vec<Name> = names.iter().filter_map(|name| name.parse().ok()).collect();
    for i in 0..all.len() {
        if let Decision::Route { candidates, .. } = policy.decide(&Asked::of(&all[i])) {
            all.extend(candidates.into_iter().map(|candidate| candidate.name));
        }
    }
    all
}

#[test]
fn what_is_imported_decides_as_the_sources_did() {
    let seen = Seen::default();
    let mut runner = TestRunner::new(Cases { failure_persistence: None, ..Cases::with_cases(400) });
    let strategy = (sources_together(), any::<bool>(), prop::collection::vec(name(), 60));
    let result = runner.run(&strategy, |(sources, disable, names)| {
        let disable = disable && sources.iter().any(|source| source.format == 0);
        let files: Vec<(String, String)> = sources.iter().flat_map(|source| source.files.clone()).collect();
        let directory = write(&files);
        let paths: Vec<&str> = sources.iter().map(|source| source.name).collect();
        let configs = both(directory.path(), &paths, disable).map_err(TestCaseError::fail)?;
        let Some([live, native]) = configs else { return Ok(()) };
        sources.iter().for_each(|source| count(&seen.formats[source.format]));
        if sources.len() > 1 {
            count(&seen.several);
        }
        for name in with_candidates(&live.policy, &names) {
            prop_assert_eq!(shown(&native, &name), shown(&live, &name), "{}", name);
            count(
                &seen.verdicts[match live.policy.decide(&Asked::of(&name)) {
                    Decision::Route { .. } => 0,
                    Decision::Pass { .. } => 1,
                    Decision::Deny { .. } => 2,
                }],
            );
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // A generator whose files are mostly refused, or decide nothing, would prove nothing.
    let counts: Vec<u32> = seen.formats.iter().map(Cell::get).collect();
    assert!(counts.iter().all(|&times| times > 60), "{counts:?}");
    assert!(seen.several.get() > 60, "{}", seen.several.get());
    let verdicts: Vec<u32> = seen.verdicts.iter().map(Cell::get).collect();
    assert!(verdicts.iter().all(|&times| times > 100), "{verdicts:?}");
}
