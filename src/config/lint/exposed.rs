//! Warns of files that every user of the node can change, and of secrets that every user can read.
//!
//! Holds: each file and each directory is told of once, however many registries need it.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::super::diagnostic::{Located, Problem, Span};
use crate::files::exposed::{Exposed, Exposure};
use crate::state::NeededFile;

/// What was looked at, and what was told.
#[derive(Debug, Default)]
struct Lint {
    exposure: Exposure,
    looked_at: HashSet<PathBuf>,
    told: HashSet<PathBuf>,
}

/// Checks the files of the configuration itself, and those that pulls need. Nothing is read. `with_secrets` are sources
/// in which secrets are written out.
pub(crate) fn lint(
    with_secrets: &BTreeSet<PathBuf>,
    own: &[PathBuf],
    needed: &[Located<NeededFile>],
    out: &mut Vec<Problem>,
) {
    let mut lint = Lint::default();
    for path in with_secrets {
        lint.look(path, true, None, out);
    }
    lint.look_at_all(own, needed.iter().map(|file| (&file.value, &file.at)), out);
}

/// Checks what is known only when a file has been read: whether it holds logins, and which programs it names. What
/// [`lint`] has told is not told again.
pub(crate) fn lint_contents<'n>(
    own: &[PathBuf],
    needed: impl Iterator<Item = (&'n NeededFile, &'n Span)> + Clone,
    out: &mut Vec<Problem>,
) {
    let mut lint = Lint::default();
    lint.look_at_all(own, needed.clone(), &mut Vec::new());
    for (file, at) in needed {
        if let Some(path) = file.path().filter(|_| file.is_of_logins()) {
            lint.look(path, file.holds_logins(), Some(at), out);
        }
        for program in file.helpers() {
            lint.look(&program, false, Some(at), out);
        }
        if let Some(path) = file.path().filter(|_| file.has_more_lines()) {
            let message = format!("{} has more than one line, and all of them are sent", path.display());
            let hint = "leave one line in it; the line break at its end does not count";
            out.push(Problem::warning(message).at(at).hint(hint));
        }
    }
}

impl Lint {
    fn look_at_all<'n>(
        &mut self,
        own: &[PathBuf],
        needed: impl Iterator<Item = (&'n NeededFile, &'n Span)>,
        out: &mut Vec<Problem>,
    ) {
        for path in own {
            self.look(path, false, None, out);
        }
        // A certificate and its key may be one file.
        let (secrets, others): (Vec<_>, Vec<_>) = needed.partition(|(file, _)| file.is_secret());
        for (file, at) in secrets.into_iter().chain(others) {
            if let Some(path) = file.path().filter(|_| !file.is_of_logins()) {
                self.look(path, file.is_secret(), Some(at), out);
            }
            if let Some(directory) = file.helper_dir() {
                self.look(directory, false, Some(at), out);
            }
        }
    }

    fn look(&mut self, path: &Path, is_secret: bool, at: Option<&Span>, out: &mut Vec<Problem>) {
        if !self.looked_at.insert(path.to_owned()) {
            return;
        }
        // What is not there is told elsewhere.
        let Ok(Exposed { can_read, can_change, replaced_in }) = self.exposure.of(path) else { return };
        let shown = path.display();
        let reads = is_secret && can_read;
        let verbs = match (reads, can_change) {
            (true, true) => Some("read and change"),
            (true, false) => Some("read"),
            (false, true) => Some("change"),
            (false, false) => None,
        };
        if can_change {
            // Who can add files to a directory can mostly replace them, too.
            self.told.insert(path.to_owned());
        }
        let mut warn = |message: String, hint: String| {
            let problem = Problem::warning(message).hint(hint);
            out.push(at.map_or(problem.clone(), |at| problem.at(at)));
        };
        if let Some(verbs) = verbs {
            let secret = if is_secret { ", which holds a secret" } else { "" };
            let open = [("r", reads), ("w", can_change)].into_iter().filter(|(_, is_open)| *is_open);
            let open: String = open.map(|(letter, _)| letter).collect();
            warn(
                format!("every user of the node can {verbs} {shown}{secret}"),
                format!("chmod o-{open} {shown}"),
            );
        }
        let open = replaced_in.filter(|directory| self.told.insert(directory.clone()));
        if let Some(directory) = open.as_ref().map(|directory| directory.display()) {
            let message = format!("every user of the node can put another file in the place of {shown}");
            warn(message, format!("chmod o-w {directory}"));
        }
    }
}
