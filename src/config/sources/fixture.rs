//! Sources for tests: real files in a directory of their own, and what they make of names.
//!
//! Holds: no text that a test sees contains the path of the directory.
//! Not here: the native configuration around sources (`config::tests`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use super::read;
use super::source_file::{Format, SourceFile};
use crate::config::diagnostic::{Diagnostics, Problem, Style, Texts};
use crate::config::draft::Imported;
use crate::config::endpoints;
use crate::config::fixture::write;
use crate::containerd::hosts::Wanted;
use crate::policy::{Asked, Decision, Name, Policy, Role, Settings};

/// One source, read.
pub(super) struct Sample {
    pub(super) imported: Imported,
    pub(super) problems: Vec<Problem>,
    texts: Texts,
    directory: tempfile::TempDir,
}

impl Sample {
    /// Reads `path` below a new directory that holds `files`; a name that ends with a slash is a directory.
    pub(super) fn of(format: Format, path: &str, files: &[(&str, &str)]) -> Self {
        let directory = write(files);
        let mut texts = Texts::default();
        let mut problems = Vec::new();
        let path = directory.path().join(path);
        let source = SourceFile { format, path, disable_default_endpoint: false };
        let mut imported = read(&source, &mut texts, &mut problems);
        let needs = imported.transport.iter().map(|need| need.value.clone()).collect();
        endpoints::settle(&mut imported.rules, &Wanted::new(needs, false));
        Self { imported, problems, texts, directory }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }

    /// The paths that were looked at, in that order.
    pub(super) fn seen(&self) -> Vec<String> {
        self.texts.snapshot().paths().map(|path| path.display().to_string()).collect()
    }

    /// What people read of it.
    pub(super) fn shown(&self) -> String {
        let shown = Diagnostics::new(self.texts.clone(), self.problems.clone()).render(Style::Plain, true);
        self.relative(&shown).trim_end().to_owned()
    }

    fn relative(&self, text: &str) -> String {
        let directory: &Path = self.directory.path();
        text.replace(&format!("{}/", directory.display()), "")
    }

    pub(super) fn policy(&self) -> Policy {
        assert!(!self.is_refused(), "refused:\n{}", self.shown());
        let rules = self.imported.rules.iter().map(|drafted| drafted.rule.clone()).collect();
        match Policy::new(rules, Settings::default()) {
            Ok(policy) => policy,
            Err(conflicts) => panic!("{conflicts:?}"),
        }
    }

    /// The decision for a name in one line: what is tried, or why nothing is.
    pub(super) fn decide(&self, name: &str) -> String {
        let policy = self.policy();
        let name: Name = name.parse().unwrap();
        match policy.decide(&Asked::of(&name)) {
            Decision::Pass { .. } => "pass".to_owned(),
            Decision::Deny { reason, .. } => self.relative(&format!("deny: {reason}")),
            Decision::Route { candidates, .. } => {
                let shown = candidates.iter().map(|candidate| match candidate.role {
                    Role::Origin => "origin".to_owned(),
                    Role::Mirror => candidate.name.to_string(),
                });
                shown.collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The references that are tried for a name.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        let name: Name = name.parse().unwrap();
        match self.policy().decide(&Asked::of(&name)) {
            Decision::Pass { .. } => vec![name.to_string()],
            Decision::Deny { .. } => Vec::new(),
            Decision::Route { candidates, .. } => {
                candidates.iter().map(|candidate| candidate.name.to_string()).collect()
            }
        }
    }

    /// What mirrors and hosts need, a line each.
    pub(super) fn needs(&self) -> Vec<String> {
        let of_mirrors = self.imported.rules.iter().flat_map(|drafted| &drafted.own);
        let needs = of_mirrors.flat_map(|own| &own.needs).chain(&self.imported.transport);
        needs.map(|need| self.relative(&format!("{}: {}", need.value.host, need.value.what))).collect()
    }

    /// Tries each name of a table.
    #[track_caller]
    pub(super) fn check(&self, rows: &[(&str, &str)]) {
        for (name, expected) in rows {
            assert_eq!(self.decide(name), *expected, "for {name}");
        }
    }
}
