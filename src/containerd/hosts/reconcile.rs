//! Brings the files below containerd's `config_path` to the plan, and says what could not be done.
//!
//! Holds: one pass does all that can be done; what can't is a problem in words, and everything else is done all the
//! same. Files of private hosts are not looked at (`private`).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::existing;
use super::file::{Text, render};
use super::place::{HOSTS_TOML, coded};
use super::plan::Plan;
use super::planned::{Planned, Why};
use super::private::is_private;
use super::tree::{self, Place};
use crate::containerd::Roots;

/// How things stand after a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Where the files are: the first directory that containerd reads.
    pub root: Option<PathBuf>,
    /// The directories that say what the plan wants, each with its purpose.
    pub kept: Vec<String>,
    /// What this pass has changed, or would change where it only looks.
    pub changes: Vec<String>,
    /// The problems.
    pub problems: Vec<String>,
    /// The hosts whose files containerd reads, as references spell them.
    synced: BTreeSet<String>,
}

/// A pass under way.
struct Pass<'p> {
    roots: &'p Roots,
    changing: bool,
    report: Report,
}

/// Brings the disk to the plan.
#[must_use]
pub fn keep(plan: &Plan, roots: &Roots) -> Report {
    let _alone = tree::changes();
    pass(plan, roots, true)
}

/// As [`keep`], but changes nothing.
#[must_use]
pub fn survey(plan: &Plan, roots: &Roots) -> Report {
    pass(plan, roots, false)
}

fn pass(plan: &Plan, roots: &Roots, changing: bool) -> Report {
    let Some(root) = roots.written().first() else { return Report::default() };
    let mut report = Report { root: Some(root.clone()), ..Report::default() };
    if let Some(relative) = roots.read().iter().find(|root| root.is_relative()) {
        let path = relative.display();
        report.problems.push(format!("containerd's config_path {path} is not an absolute path: write one"));
        return report;
    }
    let mut pass = Pass { roots, changing, report };
    let mut wanted = BTreeSet::new();
    for planned in &plan.files {
        if pass.file(planned) {
            wanted.insert(coded(&planned.host));
        }
    }
    pass.remove(&wanted);
    pass.report.problems.extend(plan.gaps.iter().cloned());
    pass.redirects(plan);
    pass.report
}

// === impl Pass ===

impl Pass<'_> {
    /// Whether a file of the shunt for this host may stand.
    fn file(&mut self, planned: &Planned) -> bool {
        let host = &planned.host;
        let text = match render(&planned.purpose, &planned.entries, planned.has_server) {
            Ok(text) => text,
            Err(error) => {
                self.problem(format!("{host}: containerd has no file for it: {error}"));
                return true;
            }
        };
        // A directory of a person in any root that is read counts for all of them.
        for root in self.roots.read() {
            if let Ok(Place::Anothers(path)) = tree::look(root, host) {
                self.anothers(planned, &path, &text.text);
                return false;
            }
        }
        let mut is_done = true;
        for root in self.roots.written() {
            if let Err(error) = self.put(root, host, &text) {
                let path = root.join(coded(host)).join(HOSTS_TOML);
                self.problem(refused(planned, &path, &error));
                is_done = false;
            }
        }
        for root in self.roots.spare() {
            // containerd does not read it now, so this is not a problem yet.
            if let Err(error) = self.put(root, host, &text) {
                tracing::debug!(%error, root = %root.display(), host, "not written for the other pull mode");
            }
        }
        if is_done {
            self.kept(planned);
        }
        true
    }

    fn put(&mut self, root: &Path, host: &str, text: &Text) -> io::Result<()> {
        let place = tree::look(root, host)?;
        let done = match (&place, self.changing) {
            (_, true) => tree::put(root, host, text, &place)?,
            (Place::Free, false) => Some("wrote"),
            (Place::Ours(there), false) if *there != text.text => Some("changed"),
            (_, false) => None,
        };
        let path = root.join(coded(host)).join(HOSTS_TOML);
        self.report.changes.extend(done.map(|word| format!("{word} {}", path.display())));
        Ok(())
    }

    fn kept(&mut self, planned: &Planned) {
        self.report.kept.push(format!("{} ({})", coded(&planned.host), planned.summary()));
        self.report.synced.insert(planned.host.clone());
    }

    /// A file that a person wrote, or another program.
    fn anothers(&mut self, planned: &Planned, path: &Path, own: &str) {
        let same = existing::read(path).is_some_and(|other| existing::says_the_same(&other, own));
        if same {
            self.report.kept.push(format!("{} (another's, which says the same)", coded(&planned.host)));
            self.report.synced.insert(planned.host.clone());
            return;
        }
        let (path, host) = (path.display(), &planned.host);
        let problem = match planned.why {
            Why::Transport => format!(
                "{path} is not cri-shunt's and stays as it is, so containerd does not learn from cri-shunt that {host} \
                 needs {}: write it there, or remove the directory",
                planned.summary()
            ),
            Why::Fence => format!(
                "{path} is not cri-shunt's and stays as it is, so {host} is not fenced: pulls that do not go through \
                 cri-shunt follow that file; remove its directory to have a fence"
            ),
            Why::Ns => format!(
                "{path} is not cri-shunt's and stays as it is; if it does not lead to the mirrors with `ns` of the rule for \
                 {host}, they are not told of the registry when containerd fetches layers: write it there, or remove the \
                 directory"
            ),
        };
        self.problem(problem);
    }

    /// Removes files that are not wanted any more, and what a crash has left.
    fn remove(&mut self, wanted: &BTreeSet<String>) {
        for root in self.roots.all() {
            if let Err(error) = self.remove_in(root, wanted) {
                self.problem(format!("{}: {error}", root.display()));
            }
        }
    }

    fn remove_in(&mut self, root: &Path, wanted: &BTreeSet<String>) -> io::Result<()> {
        if self.changing {
            tree::tidy(root)?.iter().for_each(|directory| self.stays(directory));
        }
        let is_written = self.roots.written().iter().chain(self.roots.spare()).any(|other| other == root);
        for name in tree::list(root)? {
            if is_private(&name) || (is_written && wanted.contains(&name)) {
                continue;
            }
            let path = root.join(&name);
            if self.changing
                && let Some(directory) = tree::remove(root, &name)?
            {
                self.stays(&directory);
            }
            self.report.changes.push(format!("removed {}", path.display()));
        }
        if self.changing { tree::remove_joined(root) } else { Ok(()) }
    }

    fn stays(&mut self, directory: &Path) {
        let directory = directory.display();
        self.problem(format!(
            "{directory} holds files that are not cri-shunt's, so the directory stays: remove it"
        ));
    }

    /// Files of others by which containerd would ask another host in a mirror's place.
    fn redirects(&mut self, plan: &Plan) {
        for host in &plan.mirrors {
            if let Some(redirect) = existing::redirect(self.roots.read(), host) {
                self.problem(format!(
                    "{} sends requests for the mirror {host} to {}, but pulls through cri-shunt ask {host} itself: name \
                     the other one in the rule, or remove the file",
                    redirect.file.display(),
                    redirect.to.join(", ")
                ));
            }
        }
    }

    fn problem(&mut self, text: String) {
        if !self.report.problems.contains(&text) {
            self.report.problems.push(text);
        }
    }
}

fn refused(planned: &Planned, path: &Path, error: &io::Error) -> String {
    let hint = tree::write_hint(error.kind()).map(|hint| format!("; {hint}")).unwrap_or_default();
    let what = match planned.why {
        Why::Transport => {
            format!("containerd does not learn that {} needs {}", planned.host, planned.summary())
        }
        Why::Fence => format!("{} is not fenced", planned.host),
        Why::Ns => {
            format!("mirrors with `ns` are not told of {} when containerd fetches layers", planned.host)
        }
    };
    format!("cannot write {}: {error}: {what}{hint}", path.display())
}

// === impl Report ===

impl Report {
    /// Of a pass that was not made.
    #[must_use]
    pub fn failed(problem: String) -> Self {
        Self { problems: vec![problem], ..Self::default() }
    }

    /// The same where containerd reads none of the files, and why.
    #[must_use]
    pub fn unread(mut self, why: String) -> Self {
        self.problems.insert(0, why);
        Self { kept: Vec::new(), synced: BTreeSet::new(), ..self }
    }

    /// Whether the file for one of these hosts stood after this pass, and is gone. Looks at the disk.
    #[must_use]
    pub fn has_lost(&self, roots: &Roots, hosts: &[&str]) -> bool {
        let is_own = |root: &PathBuf, host| matches!(tree::look(root, host), Ok(Place::Ours(_)));
        let is_anothers = |root: &PathBuf, host| matches!(tree::look(root, host), Ok(Place::Anothers(path)) if path.is_file());
        // A file of a person in any root that is read counts for all of them, as in a pass.
        let is_there = |host| {
            roots.read().iter().any(|root| is_anothers(root, host))
                || roots.written().iter().all(|root| is_own(root, host))
        };
        hosts.iter().any(|host| self.is_synced(host) && !is_there(host))
    }

    /// Whether containerd reads the file that is wanted for a host.
    #[must_use]
    pub fn is_synced(&self, host: &str) -> bool {
        self.synced.contains(host)
    }
}

#[cfg(test)]
mod tests;
