//! Brings containerd's `config_path` to what is planned, and says what stands in the way.
//!
//! Before: `attend` has a plan and knows the directories; `check` only looks.  After: a [`Report`].
//! Holds: one pass does all that can be done; what can't is a problem in words, and nothing else suffers.
//! Not here: how a change is made whole (`tree`).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::certificate;
use super::existing::{self, coded};
use super::file::render;
use super::plan::{Plan, Planned, Why};
use super::tree::{self, Place};

/// How things stand after a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Where containerd looks first, and our files are.
    pub root: Option<PathBuf>,
    /// The directories that say what is wanted, each with its purpose.
    pub kept: Vec<String>,
    /// What this pass has changed, or would change where it only looks.
    pub changes: Vec<String>,
    /// What is not as it should be.
    pub problems: Vec<String>,
    /// The hosts that containerd is told of, as references spell them.
    told: BTreeSet<String>,
}

/// A pass under way.
struct Pass<'p> {
    roots: &'p [PathBuf],
    root: &'p Path,
    changing: bool,
    report: Report,
}

/// Brings the disk to the plan. `roots` are containerd's directories, in order; the first is written to.
#[must_use]
pub fn keep(plan: &Plan, roots: &[PathBuf]) -> Report {
    pass(plan, roots, true)
}

/// As [`reconcile`], but changes nothing.
#[must_use]
pub fn survey(plan: &Plan, roots: &[PathBuf]) -> Report {
    pass(plan, roots, false)
}

fn pass(plan: &Plan, roots: &[PathBuf], changing: bool) -> Report {
    let Some(root) = roots.first() else { return Report::default() };
    let mut report = Report { root: Some(root.clone()), ..Report::default() };
    if let Some(relative) = roots.iter().find(|root| root.is_relative()) {
        let path = relative.display();
        report.problems.push(format!("containerd's config_path {path} is no absolute path: write one"));
        return report;
    }
    let mut pass = Pass { roots, root, changing, report };
    let mut wanted = BTreeSet::new();
    for planned in &plan.files {
        if pass.file(planned) {
            wanted.insert(coded(&planned.host));
        }
    }
    pass.remove(&wanted);
    pass.redirects(plan);
    pass.certificates(plan);
    pass.report
}

// === impl Pass ===

impl Pass<'_> {
    /// Whether the place is ours, and so is a file that is there.
    fn file(&mut self, planned: &Planned) -> bool {
        let host = &planned.host;
        let text = match render(&planned.purpose, &planned.ways) {
            Ok(text) => text,
            Err(error) => {
                self.problem(format!("{host}: not told to containerd: {error}"));
                return true;
            }
        };
        let path = self.root.join(coded(host)).join(existing::HOSTS_TOML);
        let done = match tree::look(self.roots, host) {
            Ok(Place::Ours(there)) if there == text.text => Ok(()),
            Ok(Place::Ours(_)) => self.change("changed", &path, || tree::replace(self.root, host, &text)),
            Ok(Place::Free) => self.change("wrote", &path, || tree::create(self.root, host, &text)),
            Ok(Place::Anothers(path)) => {
                self.anothers(planned, &path, &text.text);
                return false;
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => self.kept(planned),
            Err(error) => self.problem(refused(planned, &path, &error)),
        }
        true
    }

    fn change(&mut self, word: &str, path: &Path, change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.changing {
            change()?;
        }
        self.report.changes.push(format!("{word} {}", path.display()));
        Ok(())
    }

    fn kept(&mut self, planned: &Planned) {
        self.report.kept.push(format!("{} ({})", coded(&planned.host), planned.summary()));
        self.report.told.insert(planned.host.clone());
    }

    /// A file that a person wrote, or another program.
    fn anothers(&mut self, planned: &Planned, path: &Path, own: &str) {
        let same = existing::read(path).is_some_and(|other| existing::says_the_same(&other, own));
        if same {
            self.report.kept.push(format!("{} (another's, which says the same)", coded(&planned.host)));
            self.report.told.insert(planned.host.clone());
            return;
        }
        let (path, host) = (path.display(), &planned.host);
        let problem = match planned.why {
            Why::Transport => format!(
                "{path} is not cri-shunt's and stays as it is, so containerd is not told by cri-shunt that {host} \
                 needs {}: say it there, or remove the directory",
                planned.summary()
            ),
            Why::Fence => format!(
                "{path} is not cri-shunt's and stays as it is, so {host} is not fenced: what goes round the shunt \
                 obeys that file; remove its directory to have a fence"
            ),
        };
        self.problem(problem);
    }

    /// Takes away what is ours and not wanted any more, and what a crash has left.
    fn remove(&mut self, wanted: &BTreeSet<String>) {
        for root in self.roots {
            if let Err(error) = self.remove_in(root, wanted) {
                self.problem(format!("{}: {error}", root.display()));
            }
        }
    }

    fn remove_in(&mut self, root: &Path, wanted: &BTreeSet<String>) -> io::Result<()> {
        if self.changing {
            tree::tidy(root)?.iter().for_each(|directory| self.stays(directory));
        }
        for name in tree::list(root)? {
            if root == self.root && wanted.contains(&name) {
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
        Ok(())
    }

    fn stays(&mut self, directory: &Path) {
        let directory = directory.display();
        self.problem(format!("{directory} holds another's files, so the directory stays: remove it"));
    }

    /// Files of others by which containerd asks somebody else for what a mirror was to serve.
    fn redirects(&mut self, plan: &Plan) {
        for host in &plan.mirrors {
            if let Some(redirect) = existing::redirect(self.roots, host) {
                self.problem(format!(
                    "{} sends requests for the mirror {host} to {}: credentials for {host} are withheld there \
                     (401), and what comes is what they have",
                    redirect.file.display(),
                    redirect.to.join(", ")
                ));
            }
        }
    }

    fn certificates(&mut self, plan: &Plan) {
        let needs = plan.files.iter().flat_map(|planned| &planned.needs);
        for fault in certificate::faults(needs, SystemTime::now()) {
            self.problem(fault.to_string());
        }
    }

    fn problem(&mut self, text: String) {
        if !self.report.problems.contains(&text) {
            self.report.problems.push(text);
        }
    }
}

fn refused(planned: &Planned, path: &Path, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "; let cri-shunt write there (under systemd: ReadWritePaths=)"
        }
        _ => "",
    };
    let what = match planned.why {
        Why::Transport => format!("containerd is not told that {} needs {}", planned.host, planned.summary()),
        Why::Fence => format!("{} is not fenced", planned.host),
    };
    format!("cannot write {}: {error}: {what}{hint}", path.display())
}

// === impl Report ===

impl Report {
    /// Of a pass that did not come about.
    #[must_use]
    pub fn failed(problem: String) -> Self {
        Self { problems: vec![problem], ..Self::default() }
    }

    /// The same where containerd reads none of the files, and why: whatever is written, it is told of nothing.
    #[must_use]
    pub fn unread(mut self, why: String) -> Self {
        self.problems.insert(0, why);
        Self { kept: Vec::new(), told: BTreeSet::new(), ..self }
    }

    /// Whether containerd is told of a host.
    #[must_use]
    pub fn tells(&self, host: &str) -> bool {
        self.told.contains(host)
    }
}

#[cfg(test)]
mod tests;
