//! The files of a cluster's policy: read where a pod has mounted them, written on the node.
//!
//! Holds: only `config.toml`, `conf.d/cluster*.toml` and what is below `conf.d/cluster/` is ever written or removed, and only
//! what this has written itself: a record names it, and is written first. A reader of the node sees a whole file or none. Files
//! are of root, mode 0600. Contents are never shown.
//! Not here: whether they can be used (`cli::sync`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use crate::files::regular_file;
use crate::files::replace::replace;

/// What was written, one path a line.
const RECORD: &str = ".cluster";

/// The daemon's own file, which may be somebody's on the node.
const MAIN: &str = "config.toml";

/// Below this directory anything goes.
const FOLDER: &str = "conf.d/cluster";

/// The link that kubelet turns over when a volume changes: all that is read through it belongs together.
const WHOLE: &str = "..data";

/// The most files, and the most bytes of them all. A ConfigMap has a mebibyte at most.
const MOST_FILES: usize = 1000;
const MOST_BYTES: u64 = 16 << 20;

/// The files, by their paths below the configuration's directory.
#[derive(Default, PartialEq, Eq)]
pub struct Tree {
    directory: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// Why files are not copied.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The system's reason.
    #[error("{}", path.display())]
    Io {
        /// Of what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A place that is not for this.
    #[error("{}: only config.toml, conf.d/cluster*.toml and files below conf.d/cluster go to a node", .0.display())]
    Place(PathBuf),
    /// Too much of it.
    #[error("{} has more than {MOST_FILES} files or {} MiB", .0.display(), MOST_BYTES >> 20)]
    TooMuch(PathBuf),
    /// Somebody else's file.
    #[error("{} is there already, and was not written from the cluster: move it away", .0.display())]
    Foreign(PathBuf),
}

// === impl Tree ===

impl Tree {
    /// All files below a directory, as they were at one moment if kubelet has mounted it.
    ///
    /// # Errors
    /// Something can't be read, or has no place on a node.
    pub fn read(directory: &Path) -> Result<Tree, TreeError> {
        let whole = directory.join(WHOLE);
        let directory = match fs::canonicalize(&whole) {
            Ok(directory) => directory,
            // What is wrong with the directory itself is said when it is read.
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
                directory.to_path_buf()
            }
            Err(source) => return Err(TreeError::Io { path: whole, source }),
        };
        let mut tree = Tree { directory: directory.clone(), ..Tree::default() };
        let mut size = 0;
        tree.add(&directory, Path::new(""), &mut size)?;
        Ok(tree)
    }

    /// Where they were read.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn add(&mut self, directory: &Path, below: &Path, size: &mut u64) -> Result<(), TreeError> {
        for entry in fs::read_dir(directory).map_err(|source| failed(directory, source))? {
            let entry = entry.map_err(|source| failed(directory, source))?;
            let (path, below) = (entry.path(), below.join(entry.file_name()));
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if path.is_dir() {
                self.add(&path, &below, size)?;
                continue;
            }
            if !is_placed(&below) {
                return Err(TreeError::Place(below));
            }
            let bytes = regular_file::read(&path, MOST_BYTES).map_err(|source| failed(&path, source))?;
            *size += bytes.len() as u64;
            self.files.insert(below, bytes);
            if *size > MOST_BYTES || self.files.len() > MOST_FILES {
                return Err(TreeError::TooMuch(self.directory.clone()));
            }
        }
        Ok(())
    }

    /// Whether files were ever written to this directory of a node.
    #[must_use]
    pub fn was_written(to: &Path) -> bool {
        to.join(RECORD).exists()
    }

    /// Whether the files of a node are these already.
    #[must_use]
    pub fn is_at(&self, to: &Path) -> bool {
        let Ok((written, _)) = record(to) else { return false };
        let is_kept = |path: &Path| {
            path == Path::new(MAIN) && !written.contains(path) && to.join(path).symlink_metadata().is_ok()
        };
        Tree::was_written(to)
            && written.iter().all(|path| self.files.contains_key(path))
            && self.files.iter().all(|(path, bytes)| is_kept(path) || holds(&to.join(path), bytes))
    }

    /// Makes the files of a node be these, and says which it has changed. A `config.toml` of somebody else stays.
    ///
    /// # Errors
    /// Something is in the way, or can't be written. What was not changed yet stays as it was.
    pub fn write(&self, to: &Path) -> Result<Vec<PathBuf>, TreeError> {
        let (before, mut dirs) = record(to)?;
        let mut wanted: BTreeMap<&Path, &[u8]> =
            self.files.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice())).collect();
        for path in self.files.keys().filter(|path| !before.contains(*path)) {
            if to.join(path).symlink_metadata().is_err() {
                continue;
            }
            match path == Path::new(MAIN) {
                true => drop(wanted.remove(path.as_path())),
                false => return Err(TreeError::Foreign(to.join(path))),
            }
        }
        let all: BTreeSet<PathBuf> =
            before.iter().cloned().chain(wanted.keys().map(|path| (*path).to_path_buf())).collect();
        let needed = wanted.keys().flat_map(|path| path.ancestors().skip(1)).map(Path::to_path_buf);
        let new: BTreeSet<PathBuf> = needed.filter(|dir| !to.join(dir).is_dir()).collect();
        dirs.extend(new.iter().cloned());
        make(to, 0o755)?;
        if all != before || !new.is_empty() || !Tree::was_written(to) {
            keep(to, &all, &dirs)?;
        }
        for dir in new.iter().filter(|dir| !dir.as_os_str().is_empty()) {
            make(&to.join(dir), if dir.starts_with(FOLDER) { 0o700 } else { 0o755 })?;
        }
        let mut changed = Vec::new();
        // What a file of conf.d names is there before it.
        let (named, naming): (Vec<_>, Vec<_>) = wanted.iter().partition(|(path, _)| path.starts_with(FOLDER));
        for (path, bytes) in named.into_iter().chain(naming) {
            if put(&to.join(path), bytes)? {
                changed.push(path.to_path_buf());
            }
        }
        let gone: Vec<PathBuf> =
            before.iter().filter(|path| !wanted.contains_key(path.as_path())).cloned().collect();
        take(to, &gone, &mut changed)?;
        let left: BTreeSet<PathBuf> = wanted.keys().map(|path| path.to_path_buf()).collect();
        if !gone.is_empty() {
            keep(to, &left, &dirs)?;
        }
        Ok(changed)
    }

    /// Removes all that was written to this directory of a node, and says what that was.
    ///
    /// # Errors
    /// Something can't be removed.
    pub fn remove(to: &Path) -> Result<Vec<PathBuf>, TreeError> {
        let (files, dirs) = record(to)?;
        let mut removed = Vec::new();
        take(to, &files.into_iter().collect::<Vec<_>>(), &mut removed)?;
        unlink(&to.join(RECORD))?;
        // The deepest first. Where somebody else has put something, the directory stays.
        for dir in dirs.iter().rev() {
            drop(fs::remove_dir(to.join(dir)));
        }
        Ok(removed)
    }
}

/// Whether a node may have a file there.
fn is_placed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    // The record has a line for each.
    let is_line = path.to_str().is_some_and(|path| !path.contains(char::is_control));
    let is_drop_in =
        path.parent() == Some(Path::new("conf.d")) && name.starts_with("cluster") && name.ends_with(".toml");
    is_plain
        && is_line
        && (path == Path::new(MAIN) || is_drop_in || path.starts_with(FOLDER) && path != Path::new(FOLDER))
}

/// The files and the directories that were written here. A line that this would not have written counts for nothing.
fn record(to: &Path) -> Result<(BTreeSet<PathBuf>, BTreeSet<PathBuf>), TreeError> {
    let path = to.join(RECORD);
    let bytes = match regular_file::read(&path, MOST_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Default::default()),
        Err(source) => return Err(TreeError::Io { path, source }),
    };
    let (mut files, mut dirs) = (BTreeSet::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(&bytes).lines() {
        let path = PathBuf::from(line.trim_end_matches('/'));
        if !line.ends_with('/') {
            files.extend(is_placed(&path).then_some(path));
        } else if path == Path::new(".") {
            dirs.insert(PathBuf::new());
        } else if path.starts_with(FOLDER) || path == Path::new("conf.d") {
            dirs.insert(path);
        }
    }
    Ok((files, dirs))
}

fn keep(to: &Path, files: &BTreeSet<PathBuf>, dirs: &BTreeSet<PathBuf>) -> Result<(), TreeError> {
    let dirs = dirs.iter().map(|dir| match dir.as_os_str().is_empty() {
        true => "./\n".to_owned(),
        false => format!("{}/\n", dir.display()),
    });
    let files = files.iter().map(|path| format!("{}\n", path.display()));
    put(&to.join(RECORD), dirs.chain(files).collect::<String>().as_bytes()).map(drop)
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    regular_file::read(path, MOST_BYTES).is_ok_and(|found| found == bytes)
}

/// Writes a file if it is not so already.
fn put(path: &Path, bytes: &[u8]) -> Result<bool, TreeError> {
    if holds(path, bytes) {
        return Ok(false);
    }
    replace(path, &half_of(path), bytes).map_err(|source| failed(path, source))?;
    Ok(true)
}

/// What a file is called while it is written.
fn half_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

fn take(to: &Path, files: &[PathBuf], removed: &mut Vec<PathBuf>) -> Result<(), TreeError> {
    for file in files {
        // Whoever was killed in the middle has left a half, and it may be of a password.
        unlink(&half_of(&to.join(file)))?;
        if unlink(&to.join(file))? {
            removed.push(file.clone());
        }
    }
    for dir in files.iter().flat_map(|file| file.ancestors().skip(1)).filter(|dir| dir.starts_with(FOLDER)) {
        drop(fs::remove_dir(to.join(dir)));
    }
    Ok(())
}

/// Whether there was something to remove.
fn unlink(path: &Path) -> Result<bool, TreeError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(failed(path, source)),
    }
}

fn make(path: &Path, mode: u32) -> Result<(), TreeError> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> TreeError {
    TreeError::Io { path: path.to_path_buf(), source }
}
