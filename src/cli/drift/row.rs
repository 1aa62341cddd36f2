//! One image, with the digest at each place.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::cli::explain::{Answer, Found};
use crate::cli::table;
use crate::config::Locked;
use crate::state::Drift;

/// How an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It is the same wherever it is.
    Same,
    /// Two places have different images.
    Differs,
    /// All that have it have the same, and a candidate does not have it.
    Missing,
    /// A place could not be looked at; the others agree.
    Unknown,
    /// The policy denies it, in force or not, or it is no reference.
    Denied,
}

/// One image. The order of the fields is the order of the JSON keys.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    name: &'a str,
    pub(super) state: State,
    lock: Option<&'a str>,
    node: Option<&'a str>,
    registries: Vec<Found<'a>>,
    /// Why it is denied.
    reason: Option<&'a str>,
    #[serde(skip)]
    locked: Option<&'a Locked>,
}

impl<'a> Row<'a> {
    /// Compares what is known.
    pub(super) fn of(answer: &'a Answer, locked: Option<&'a Locked>, node: Option<&'a str>) -> Self {
        let lock = locked.map(|locked| locked.digest.as_str());
        let (name, reason) = (answer.input(), answer.reason.as_deref());
        let registries = answer.found();
        let mut row = Row { name, state: State::Denied, lock, node, registries, reason, locked };
        if !answer.says_no() {
            row.state = row.compared();
        }
        row
    }

    fn compared(&self) -> State {
        let known = [self.lock, self.node].into_iter().flatten();
        let known = known.chain(self.registries.iter().filter_map(|found| found.digest));
        let distinct: BTreeSet<&str> = known.map(|digest| self.whole(digest)).collect();
        let failed = |is_missing| {
            let without = self.registries.iter().filter(|found| found.digest.is_none());
            without.filter(|found| found.is_missing == is_missing).count()
        };
        match distinct.len() {
            2.. => State::Differs,
            _ if failed(true) > 0 => State::Missing,
            _ if failed(false) > 0 => State::Unknown,
            _ => State::Same,
        }
    }

    /// The index that a digest counts as: a child of the locked one counts as that.
    fn whole(&self, digest: &'a str) -> &'a str {
        match self.locked {
            Some(locked) if self.is_child(digest) => &locked.digest,
            _ => digest,
        }
    }

    fn is_child(&self, digest: &str) -> bool {
        self.locked.is_some_and(|locked| locked.platforms.values().any(|child| child == digest))
    }

    fn short(&self, digest: &str) -> String {
        let child = if self.is_child(digest) { " (child)" } else { "" };
        format!("{}{child}", table::digits(digest))
    }

    fn cells(&self) -> Vec<String> {
        let cell = |digest: Option<&str>| digest.map_or_else(|| "-".to_owned(), |digest| self.short(digest));
        let host = |found: &Found<'_>| found.reference.split('/').next().unwrap_or_default().to_owned();
        let registry = |found: &Found<'_>| match (found.digest, found.error) {
            (Some(digest), _) => format!("{} {}", host(found), self.short(digest)),
            (None, _) if found.is_missing => format!("{} does not have it", host(found)),
            (None, error) => error.unwrap_or_default().to_owned(),
        };
        let registries: Vec<String> = self.registries.iter().map(registry).collect();
        let found = match self.state {
            State::Denied => self.reason.unwrap_or_default().to_owned(),
            _ => registries.join(", "),
        };
        vec![self.state.word().to_owned(), self.name.to_owned(), cell(self.lock), cell(self.node), found]
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Same => "same",
            State::Differs => "differs",
            State::Missing => "missing",
            State::Unknown => "unknown",
            State::Denied => "denied",
        }
    }
}

/// How many there are in each state.
pub(super) fn counted(rows: &[Row<'_>]) -> Drift {
    let mut drift = Drift::now();
    for row in rows {
        *match row.state {
            State::Same => &mut drift.same,
            State::Differs => &mut drift.differs,
            State::Missing => &mut drift.missing,
            State::Unknown => &mut drift.unknown,
            State::Denied => &mut drift.denied,
        } += 1;
    }
    drift
}

/// A row for each image that is shown, and the counts of all.
pub(super) fn table(shown: &[&Row<'_>], all: &[Row<'_>], quiet: bool) -> String {
    let states = [State::Same, State::Differs, State::Missing, State::Unknown, State::Denied];
    let of = |state: State| all.iter().filter(|row| row.state == state).count();
    let sum = table::sum(&states.map(|state| (of(state), state.word())));
    let rows = shown.iter().map(|row| row.cells()).collect();
    table::with_sum(["STATE", "IMAGE", "LOCK", "NODE", "REGISTRIES"], rows, &sum, quiet)
}
