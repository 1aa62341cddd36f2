//! What was done to a node, and what was there before: in the state directory, written before each step.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::{self, State};
use super::draft::Part;
use crate::files::regular_file;
use crate::node::Tree;

/// Where it is on the node, with the originals beside it.
pub const DIRECTORY: &str = "/var/lib/cri-shunt/install";

const FILE: &str = "record.json";
const ORIGINALS: &str = "originals";

/// Of a record that this version can read.
const FORMAT: u32 = 1;

/// More than any record has.
const MAX: u64 = 4 << 20;

/// The record.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// The version that has written it.
    version: String,
    /// What was changed, in this order.
    pub(super) entries: Vec<Entry>,
    /// The directories that were made for the record itself.
    directories: Vec<PathBuf>,
    /// The units of clients that have been changed.
    pub clients: Vec<String>,
    /// Those that still have to be started again, and to be proven.
    pub pending: Vec<Pending>,
    /// Whether the daemon did not run before.
    pub has_started: bool,
    /// Directories that were not there, and that the daemon may make.
    pub missing: Vec<PathBuf>,
}

/// A client that has to be started again, as it was before its files were changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Its unit.
    pub unit: String,
    /// Whether it has run.
    pub was_active: bool,
    /// Whether it has said that it is well.
    pub was_well: bool,
}

/// One path that was changed, or is about to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) part: Part,
    pub(super) before: State,
    pub(super) after: State,
    /// Whether the change was proven; until then a proof that fails takes it back.
    pub(super) is_proven: bool,
}

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the record {} cannot be used: {why}", path.display())]
pub struct Unusable {
    path: PathBuf,
    why: String,
}

// === impl Entry ===

impl Entry {
    /// Where it is for this process. Only a link is looked at itself.
    pub(super) fn place(&self, tree: &Tree) -> io::Result<PathBuf> {
        disk::place(tree, &self.path, matches!(self.after, State::Link { .. }))
    }

    /// What is there now.
    pub(super) fn now(&self, tree: &Tree) -> State {
        self.place(tree).map_or(State::Other, |real| disk::state_of(&real))
    }
}

// === impl Record ===

impl Record {
    /// Whether there is one on the disk. Without one nothing was changed: it is written first.
    pub fn is_there(tree: &Tree) -> bool {
        tree.has(&Path::new(DIRECTORY).join(FILE))
    }

    /// Reads it; an empty one if there is none.
    ///
    /// # Errors
    /// It cannot be read, or another version has written it.
    pub fn read(tree: &Tree) -> Result<Self, Unusable> {
        let path = Path::new(DIRECTORY).join(FILE);
        let unusable = |why: String| Unusable { path: path.clone(), why };
        let bytes = match tree.way(&path).and_then(|real| regular_file::read(&real, MAX)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::empty(tree)),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let mut record: Record =
            serde_json::from_slice(&bytes).map_err(|error| unusable(format!("line {}", error.line())))?;
        if record.format != FORMAT {
            return Err(unusable(format!("version {} of cri-shunt has written it", record.version)));
        }
        record.settle(tree);
        Ok(record)
    }

    /// One of nothing at all.
    pub fn none() -> Self {
        Record {
            format: FORMAT,
            version: String::new(),
            entries: Vec::new(),
            directories: Vec::new(),
            clients: Vec::new(),
            pending: Vec::new(),
            has_started: false,
            missing: Vec::new(),
        }
    }

    fn empty(tree: &Tree) -> Self {
        let above = Path::new(DIRECTORY).ancestors();
        let mut directories: Vec<PathBuf> =
            above.filter(|path| !tree.has(path)).map(Path::to_path_buf).collect();
        directories.reverse();
        Record { directories, ..Self::none() }
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.clients.is_empty() && self.pending.is_empty() && !self.has_started
    }

    /// Whether a run before has shown that it works.
    pub fn is_proven(&self) -> bool {
        self.entries.iter().any(|entry| entry.is_proven)
    }

    /// Whether this program has written a path.
    pub fn has(&self, path: &Path) -> bool {
        self.entries.iter().any(|entry| entry.path == path)
    }

    /// Whether somebody has changed since what this program has written at a path.
    pub(super) fn is_changed(&self, tree: &Tree, path: &Path) -> bool {
        let last = self.entries.iter().rev().find(|entry| entry.path == path);
        last.is_some_and(|entry| !entry.now(tree).is(&entry.after))
    }

    /// Whether a run has ended before its proof.
    pub fn is_unfinished(&self) -> bool {
        !self.pending.is_empty() || self.entries.iter().any(|entry| !entry.is_proven)
    }

    /// What would be done to take all back, in words.
    pub fn shown(&self) -> Vec<String> {
        let words = |entry: &Entry| {
            let path = entry.path.display();
            match entry.before {
                State::Absent => format!("remove {path}"),
                _ => format!("put back {path}"),
            }
        };
        self.entries.iter().rev().map(words).collect()
    }

    /// Forgets what a kill has left undone, and what was taken back already: the record is written first.
    fn settle(&mut self, tree: &Tree) {
        let mut kept: Vec<Entry> = Vec::new();
        let mut rest = std::mem::take(&mut self.entries);
        while let Some(first) = rest.first() {
            let path = first.path.clone();
            let (of_path, others): (Vec<Entry>, Vec<Entry>) =
                rest.into_iter().partition(|entry| entry.path == path);
            rest = others;
            let mut count = of_path.len();
            for (index, entry) in of_path.iter().enumerate().rev() {
                let now = entry.now(tree);
                if now.is(&entry.after) {
                    count = index + 1;
                    break;
                }
                if now.is(&entry.before) {
                    count = index;
                    break;
                }
            }
            kept.extend(of_path.into_iter().take(count));
        }
        self.entries = kept;
    }

    /// Writes it, as a whole and to the disk.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn save(&mut self, tree: &Tree) -> io::Result<()> {
        env!("CARGO_PKG_VERSION").clone_into(&mut self.version);
        let text = serde_json::to_vec_pretty(self)?;
        let directory = tree.way(Path::new(DIRECTORY))?;
        fs::create_dir_all(&directory)?;
        fs::create_dir_all(tree.way(&Path::new(DIRECTORY).join(ORIGINALS))?)?;
        disk::replace(&directory.join(FILE), &mut text.as_slice(), disk::Owner::root(0o600))
    }

    /// All that was changed has shown that it works.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn prove(&mut self, tree: &Tree) -> io::Result<()> {
        self.entries.iter_mut().for_each(|entry| entry.is_proven = true);
        for Pending { unit, .. } in self.pending.drain(..) {
            if !self.clients.contains(&unit) {
                self.clients.push(unit);
            }
        }
        self.join();
        self.save(tree)?;
        self.forget_originals(tree)
    }

    /// Of two changes of a path in a row, what was between them is not needed any more.
    fn join(&mut self) {
        let mut joined: Vec<Entry> = Vec::new();
        for entry in self.entries.drain(..) {
            let before = joined.iter_mut().find(|before| {
                before.path == entry.path && before.part == entry.part && before.after.is(&entry.before)
            });
            match before {
                Some(before) => before.after = entry.after,
                None => joined.push(entry),
            }
        }
        self.entries = joined;
    }

    fn forget_originals(&self, tree: &Tree) -> io::Result<()> {
        let needed: Vec<&String> = self.entries.iter().filter_map(|entry| entry.before.sha256()).collect();
        for entry in fs::read_dir(tree.way(&Path::new(DIRECTORY).join(ORIGINALS))?)? {
            let entry = entry?;
            // Of another name it is nobody's digest.
            let is_kept = entry.file_name().to_str().is_some_and(is_digest);
            if is_kept && !needed.iter().any(|needed| entry.file_name().to_str() == Some(needed)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes it. The lock goes with its file.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn remove(self, tree: &Tree) -> io::Result<()> {
        let directory = tree.way(Path::new(DIRECTORY))?;
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        for made in self.directories.iter().rev().filter(|made| made.as_path() != Path::new(DIRECTORY)) {
            // Somebody may have put something there since.
            if fs::remove_dir(tree.way(made)?).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Where a content is kept, by its digest.
///
/// # Errors
/// It is no digest, or as [`Tree::way`].
pub(super) fn original(tree: &Tree, sha256: &str) -> io::Result<PathBuf> {
    if !is_digest(sha256) {
        return Err(io::Error::new(ErrorKind::InvalidData, "the record has no digest of it"));
    }
    tree.way(&Path::new(DIRECTORY).join(ORIGINALS).join(sha256))
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
