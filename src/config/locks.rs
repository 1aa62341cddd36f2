//! `locked` and `unlisted`, of `[policy]` and of its rules.
//!
//! Holds: each file is read once, however many rules name it.
//! Not here: what is in it (`lock`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Located, Problem, Span, Texts};
use super::draft::{LockDraft, PolicyDraft};
use super::lock::Lock;
use super::path::path;
use super::section::Section;
use super::text::{self, TextError};
use crate::policy::{LockList, Unlisted};

/// Reads the keys. A relative path starts at the directory of the file.
pub(super) fn read(section: &mut Section<'_>, texts: &Texts, out: &mut Vec<Problem>) -> LockDraft {
    let directory = texts.directory(section.at().text);
    let named = section.parse("locked", out, path);
    let file = named.map(|Located { value, at }| Located { value: directory.join(value), at });
    let words = [("pass", Unlisted::Pass), ("deny", Unlisted::Deny)];
    LockDraft { file, unlisted: section.choice("unlisted", out, &words) }
}

/// Reads the files, and gives each rule its list.
pub(super) fn finish(draft: &mut PolicyDraft, texts: &mut Texts, out: &mut Vec<Problem>) {
    without_lock(draft, out);
    let mut read: BTreeMap<PathBuf, Option<Arc<LockList>>> = BTreeMap::new();
    let mut list = |set: &Located<PathBuf>| {
        if let Some(known) = read.get(&set.value) {
            return known.clone();
        }
        let found = open(&set.value, &set.at, texts, out).map(Arc::new);
        read.insert(set.value.clone(), found.clone());
        found
    };
    draft.lock_list = draft.lock.file.as_ref().and_then(&mut list);
    for drafted in &mut draft.rules {
        drafted.rule.lock.list = drafted.lock.file.as_ref().and_then(&mut list);
        drafted.rule.lock.unlisted = drafted.lock.unlisted.as_ref().map(|set| set.value);
    }
}

/// Reports an `unlisted` that denies, and for which there is no lock.
fn without_lock(draft: &PolicyDraft, out: &mut Vec<Problem>) {
    let of_all = draft.lock.file.is_some();
    let by_some = of_all || draft.rules.iter().any(|drafted| drafted.lock.file.is_some());
    let of_rules = draft.rules.iter().filter(|drafted| !of_all && drafted.lock.file.is_none());
    let of_rules = of_rules.filter_map(|drafted| drafted.lock.unlisted.as_ref());
    let of_policy = draft.lock.unlisted.iter().filter(|_| !by_some);
    for set in of_rules.chain(of_policy).filter(|set| set.value == Unlisted::Deny) {
        let problem = Problem::error("`unlisted` denies nothing without `locked`").at(&set.at);
        out.push(problem.hint("name the lock: locked = \"images.lock\""));
    }
}

fn open(path: &Path, at: &Span, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<LockList> {
    let text = match text::bytes(path, texts) {
        Ok(bytes) => text::add(path, bytes, texts, out)?,
        Err(error) => {
            let is_absent =
                matches!(&error, TextError::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound);
            let hint = format!("write it: cri-shunt lock -o {} NAME...", path.display());
            let problem = text::problem(path, &error).at(at);
            out.push(if is_absent && !path.is_symlink() { problem.hint(hint) } else { problem });
            return None;
        }
    };
    Lock::parse(text, texts, out)?.list(&path.to_string_lossy())
}
