//! One tag beside what the lock says of it.

use serde::Serialize;

use crate::cli::explain::{Answer, DIFFER};
use crate::cli::table;
use crate::config::{Lock, Locked};

/// How a tag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It has the digest that the lock says.
    Same,
    /// It has another one.
    Moved,
    /// The lock says nothing of it.
    New,
    /// It is denied, or no registry has it.
    Failed,
}

/// One tag. The order of the fields is the order of the JSON keys.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) state: State,
    /// What the lock says.
    locked: Option<String>,
    /// What the registry says now, and which reference was asked for it.
    now: Option<String>,
    asked: Option<String>,
    error: Option<String>,
    /// Whether the candidates have different digests.
    differ: bool,
    #[serde(skip)]
    pub(super) found: Option<Locked>,
}

impl Entry {
    /// The first candidate that has the image counts, as in a pull.
    pub(super) fn of(answer: &Answer, lock: &Lock) -> Self {
        let name = answer.input().to_owned();
        let locked = lock.images.get(&name).map(|locked| locked.digest.clone());
        let found = answer.locked().filter(|_| !answer.says_no());
        let error = found.is_none().then(|| reason(answer));
        let now = found.as_ref().map(|found| found.digest.clone());
        let state = match (&now, &locked) {
            (None, _) => State::Failed,
            (Some(_), None) => State::New,
            (Some(now), Some(locked)) if now == locked => State::Same,
            (Some(_), Some(_)) => State::Moved,
        };
        let asked = found.as_ref().map(|found| found.asked.clone());
        let differ = answer.warnings().any(|warning| warning == DIFFER);
        Entry { name, state, locked, now, asked, error, differ, found }
    }

    /// Whether something is wrong; with `check` a tag must be as the lock says.
    pub(super) fn is_bad(&self, check: bool) -> bool {
        match self.state {
            State::Same => false,
            State::Failed => true,
            State::Moved | State::New => check,
        }
    }

    fn row(&self) -> Vec<String> {
        let Entry { name, state, locked, now, asked, error, differ, .. } = self;
        let digest = |digest: &Option<String>| digest.clone().unwrap_or_default();
        let what = match state {
            State::Same => digest(now),
            State::New => format!("{} at {}", digest(now), digest(asked)),
            State::Moved => format!("{} -> {} at {}", digest(locked), digest(now), digest(asked)),
            State::Failed => error.clone().unwrap_or_default(),
        };
        let differ = if *differ { "; the candidates have different digests" } else { "" };
        vec![state.word().to_owned(), name.clone(), format!("{what}{differ}")]
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Same => "same",
            State::Moved => "moved",
            State::New => "new",
            State::Failed => "failed",
        }
    }
}

/// Why there is no digest.
fn reason(answer: &Answer) -> String {
    if answer.says_no() {
        return format!("{}: {}", answer.decision_text(), answer.reason.as_deref().unwrap_or_default());
    }
    let errors: Vec<&str> = answer.found().iter().filter_map(|found| found.error).collect();
    errors.join("; ")
}

/// A row for each.
pub(super) fn table<'e>(entries: impl Iterator<Item = &'e Entry>) -> String {
    table::columns(&entries.map(Entry::row).collect::<Vec<_>>())
}

/// The counts.
pub(super) fn summary(entries: &[Entry]) -> String {
    let of = |state: State| entries.iter().filter(|entry| entry.state == state).count();
    let states = [State::Same, State::Moved, State::New, State::Failed];
    table::sum(&states.map(|state| (of(state), state.word()))) + "\n"
}
