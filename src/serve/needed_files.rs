//! Looks at the files that pulls need, and warns of those that cannot be used, before a pull fails with them.
//!
//! Holds: at a start and for each new policy there is one line for each fault, and later one for each change. A disk
//! that hangs holds up nothing but these looks.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::files::reader::Reader;
use crate::state::{State, Verdict};

/// How long until the files are looked at again without any sign.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How many faults are logged at once: one damaged file can be for thousands of hosts.
const MOST: usize = 50;

/// Looks for as long as it is polled.
pub(super) async fn run(state: Arc<State>) {
    let mut generations = state.generations();
    let mut before: Option<(u64, Arc<Vec<Verdict>>)> = None;
    loop {
        // Seen before the policy is read: what changes meanwhile is looked at once more.
        let generation = *generations.borrow_and_update();
        let found = look(&state).await;
        let last = before.as_ref().filter(|(of, _)| *of == generation);
        tell(last.map_or(&[], |(_, found)| found), &found);
        let needs_none = found.is_empty();
        before = Some((generation, found));
        let again = async {
            match needs_none {
                true => std::future::pending().await,
                false => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        tokio::select! {
            changed = generations.changed() => if changed.is_err() { return },
            () = again => {}
        }
    }
}

/// Looks at all files now. While another look is under way, its end is waited for, so that a disk that hangs holds one
/// thread at most.
pub(super) async fn look(state: &Arc<State>) -> Arc<Vec<Verdict>> {
    let alone = Arc::clone(&state.looking).lock_owned().await;
    let generation = state.generation();
    if generation.needed.is_empty() {
        state.note_files(Vec::new());
        return state.files();
    }
    let here = Arc::clone(state);
    let looking = tokio::task::spawn_blocking(move || {
        let _alone = alone;
        here.note_files(generation.needed.iter().map(|file| file.verdict(&Reader::This)).collect());
    });
    if let Err(error) = looking.await {
        tracing::warn!("the files that pulls need were not looked at: {error}");
    }
    state.files()
}

/// Logs what is new.
fn tell(before: &[Verdict], found: &[Verdict]) {
    let News { faults, usable } = News::of(before, found);
    for fault in faults.iter().take(MOST) {
        tracing::warn!("{fault}");
    }
    if let more @ 1.. = faults.len().saturating_sub(MOST) {
        tracing::warn!("{more} more files cannot be used (cri-shunt status has them all)");
    }
    for file in usable {
        tracing::info!("{file} can be used now");
    }
}

/// What has changed between two looks.
#[derive(Debug, PartialEq, Eq)]
struct News<'v> {
    /// The lines of faults that were not there.
    faults: Vec<&'v str>,
    /// What can be used again.
    usable: BTreeSet<&'v str>,
}

impl<'v> News<'v> {
    fn of(before: &'v [Verdict], found: &'v [Verdict]) -> Self {
        let faulty = |verdict: &&Verdict| verdict.fault.is_some();
        let known: HashSet<&str> = before.iter().map(|verdict| verdict.line.as_str()).collect();
        let faults = found.iter().filter(faulty).map(|verdict| verdict.line.as_str());
        let faults = faults.filter(|line| !known.contains(line)).collect();
        let name = |verdict: &'v Verdict| (verdict.purpose.as_str(), verdict.subject.as_str());
        let were: HashSet<_> = before.iter().filter(faulty).map(name).collect();
        let good = found.iter().filter(|verdict| !faulty(verdict)).map(name);
        let usable = good.filter(|name| were.contains(name)).map(|(_, subject)| subject).collect();
        Self { faults, usable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::reader::Fault;

    fn verdict(subject: &str, what: &str) -> Verdict {
        let fault = Fault { what: what.to_owned(), advice: None, is_closed: false };
        let fault = Some(fault).filter(|_| !what.is_empty());
        let line = if what.is_empty() { String::new() } else { format!("c.toml:1: {subject}: {what}") };
        Verdict { purpose: "password".to_owned(), subject: subject.to_owned(), fault, line }
    }

    #[test]
    fn a_fault_is_news_once_and_again_when_it_changes() {
        let first = [verdict("/a", "gone"), verdict("/b", "")];
        let both = News::of(&[], &first);
        assert_eq!((both.faults, both.usable.len()), (vec!["c.toml:1: /a: gone"], 0));
        let none = News::of(&first, &first);
        assert!(none.faults.is_empty() && none.usable.is_empty(), "{none:?}");
        let other = [verdict("/a", "empty"), verdict("/b", "gone")];
        let news = News::of(&first, &other);
        assert_eq!(news.faults, ["c.toml:1: /a: empty", "c.toml:1: /b: gone"]);
        let good = [verdict("/a", ""), verdict("/b", "gone")];
        let news = News::of(&other, &good);
        assert_eq!((news.faults.len(), news.usable), (0, BTreeSet::from(["/a"])));
    }
}
