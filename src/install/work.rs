//! Makes changes, and takes them back.
//!
//! Holds: what is about to be changed is noted down and kept first. What somebody has changed since is left.

use std::fs::{self, File, Permissions};
use std::io::{self, Seek as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::disk::{Owner, State, beside, remove, replace, replace_by_link, sha256, state_of};
use super::draft::{Change, Content, Part};
use super::own::is_below_record;
use super::record::{Entry, Record, original};
use crate::files::regular_file;
use crate::node::Tree;

/// What was taken back.
#[derive(Debug, Default)]
pub struct Restored {
    /// The paths that are as they were.
    pub restored: Vec<PathBuf>,
    /// What stays, and why.
    pub stays: Vec<String>,
    /// The paths of files that stay because somebody has changed them.
    pub changed: Vec<PathBuf>,
}

// === impl Restored ===

impl Restored {
    /// Whether a file that stays still names a socket: then its client needs the daemon.
    pub fn needs(&self, tree: &Tree, socket: &Path) -> bool {
        let socket = socket.to_string_lossy();
        self.changed.iter().any(|file| tree.text(file).is_some_and(|text| text.contains(socket.as_ref())))
    }
}

// === making ===

/// Notes down what is about to be changed, and keeps what is there.
///
/// # Errors
/// The disk refuses, or somebody has changed a file since it was planned. Nothing was changed then.
pub fn note_down(
    tree: &Tree,
    record: &mut Record,
    changes: &[Change],
    program: &mut File,
) -> Result<(), String> {
    let mut digest_of_program = None;
    for change in changes {
        let failed = |error: io::Error| format!("cannot keep {}: {error}", change.path.display());
        directories(tree, record, change);
        let after = match &change.content {
            Content::Link(target) => State::Link { target: target.clone() },
            Content::Text(text) => new_file(sha256(&mut text.as_bytes()).map_err(failed)?, change.mode),
            Content::Program => {
                if digest_of_program.is_none() {
                    program.rewind().map_err(failed)?;
                    digest_of_program = Some(sha256(program).map_err(failed)?);
                }
                new_file(digest_of_program.clone().unwrap_or_default(), change.mode)
            }
        };
        let mut entry = Entry {
            path: change.path.clone(),
            part: change.part,
            before: State::Absent,
            after,
            is_proven: false,
        };
        entry.before = entry.now(tree);
        if let State::Directory | State::Other = entry.before {
            return Err(format!("{} is not a file, so it is left alone", change.path.display()));
        }
        let was = change.was.as_ref().map(|text| sha256(&mut text.as_bytes())).transpose().map_err(failed)?;
        if matches!(change.content, Content::Text(_)) && entry.before.sha256() != was.as_ref() {
            return Err(changed_meanwhile(&change.path));
        }
        keep(tree, &entry).map_err(failed)?;
        // It has the permissions of what was there.
        if let (
            State::File { mode, uid, gid, .. },
            State::File { mode: new_mode, uid: new_uid, gid: new_gid, .. },
        ) = (&entry.before, &mut entry.after)
        {
            (*new_mode, *new_uid, *new_gid) = (*mode, *uid, *gid);
        }
        record.entries.push(entry);
    }
    record.save(tree).map_err(|error| format!("cannot write the record: {error}"))
}

fn changed_meanwhile(path: &Path) -> String {
    format!("{} was changed meanwhile: run this again", path.display())
}

fn new_file(sha256: String, mode: u32) -> State {
    let Owner { mode, uid, gid } = Owner::root(mode);
    State::File { sha256, mode, uid, gid }
}

/// The directories that have to be made for it.
fn directories(tree: &Tree, record: &mut Record, change: &Change) {
    let above: Vec<&Path> = change.path.ancestors().skip(1).collect();
    for directory in above.into_iter().rev() {
        if !tree.has(directory) && !record.has(directory) && !is_below_record(directory) {
            record.entries.push(Entry {
                path: directory.to_owned(),
                part: change.part,
                before: State::Absent,
                after: State::Directory,
                is_proven: false,
            });
        }
    }
}

fn keep(tree: &Tree, entry: &Entry) -> io::Result<()> {
    let State::File { sha256, .. } = &entry.before else { return Ok(()) };
    let kept = original(tree, sha256)?;
    let is_kept = || state_of(&kept).sha256() == Some(sha256);
    if is_kept() {
        return Ok(());
    }
    if let Some(above) = kept.parent() {
        fs::create_dir_all(above)?;
    }
    let (mut file, _) = regular_file::open(&tree.way(&entry.path)?).map_err(io::Error::from)?;
    replace(&kept, &mut file, Owner::root(0o600))?;
    match is_kept() {
        true => Ok(()),
        false => Err(io::Error::other("it was changed meanwhile: run this again")),
    }
}

/// Makes the changes of one part that are noted down and not made yet.
///
/// # Errors
/// The disk refuses, or somebody has changed a file since it was noted down. What was made stays noted down.
pub fn apply(
    tree: &Tree,
    record: &mut Record,
    changes: &[Change],
    part: Part,
    program: &mut File,
) -> Result<(), String> {
    for (index, entry) in record.entries.iter().enumerate() {
        if entry.part != part || entry.is_proven {
            continue;
        }
        let content = changes.iter().find(|change| change.path == entry.path).map(|change| &change.content);
        let now = entry.now(tree);
        if !now.is(&entry.before) {
            let is_of_this_run = content.is_some()
                && !record.entries.iter().skip(index + 1).any(|later| later.path == entry.path);
            if is_of_this_run && !now.is(&entry.after) {
                let Entry { path, .. } = record.entries.remove(index);
                return Err(changed_meanwhile(&path));
            }
            continue;
        }
        make(tree, entry, content, program)
            .map_err(|error| format!("cannot write {}: {error}", entry.path.display()))?;
    }
    Ok(())
}

fn make(tree: &Tree, entry: &Entry, content: Option<&Content>, program: &mut File) -> io::Result<()> {
    match (&entry.after, content) {
        (State::Directory, _) => {
            let real = tree.way(&entry.path)?;
            fs::create_dir(&real)?;
            fs::set_permissions(&real, Permissions::from_mode(0o755))
        }
        (State::Link { target }, _) => replace_by_link(&entry.place(tree)?, target),
        (State::File { mode, uid, gid, .. }, Some(content)) => {
            let owner = Owner { mode: *mode, uid: *uid, gid: *gid };
            let real = tree.way(&entry.path)?;
            match content {
                Content::Program => {
                    program.rewind()?;
                    replace(&real, program, owner)
                }
                Content::Text(text) => replace(&real, &mut text.as_bytes(), owner),
                Content::Link(_) => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

// === taking back ===

/// Takes the changes of one part back, the last one first. What somebody has changed since stays, and stays noted down,
/// unless `force` says otherwise. With `only_unproven` only the changes of a run that was not proven.
pub fn restore(tree: &Tree, record: &mut Record, part: Part, only_unproven: bool, force: bool) -> Restored {
    let mut done = Restored::default();
    let mut kept: Vec<Entry> = Vec::new();
    let mut entries = std::mem::take(&mut record.entries);
    while let Some(entry) = entries.pop() {
        if entry.part != part || (only_unproven && entry.is_proven) {
            kept.push(entry);
            continue;
        }
        match put_back(tree, &entry, force) {
            Ok(true) => done.restored.push(entry.path),
            // What others have put there stays, and may be gone the next time.
            Ok(false) if matches!(entry.now(tree), State::Directory) => kept.push(entry),
            Ok(false) => {}
            Err(why) => {
                if !done.changed.contains(&entry.path) {
                    done.stays.push(format!("{}: {why}", entry.path.display()));
                    done.changed.push(entry.path.clone());
                }
                kept.push(entry);
            }
        }
    }
    kept.reverse();
    record.entries = kept;
    done
}

/// Whether something had to be done. Errors are for people.
fn put_back(tree: &Tree, entry: &Entry, force: bool) -> Result<bool, String> {
    let words = |error: io::Error| error.to_string();
    let real = entry.place(tree).map_err(words)?;
    if real.parent().is_some_and(Path::exists) {
        remove(&beside(&real)).map_err(words)?;
    }
    let now = state_of(&real);
    if now.is(&entry.before) {
        return Ok(false);
    }
    if matches!(entry.after, State::Directory) {
        return Ok(fs::remove_dir(&real).is_ok());
    }
    if !now.is(&entry.after) && !force {
        let what = match now {
            State::Absent => "somebody has removed it since",
            _ => "somebody has changed it since",
        };
        return Err(format!("{what}; --force puts back what was there before"));
    }
    match &entry.before {
        State::Absent => remove(&real).map_err(words)?,
        State::Link { target } => replace_by_link(&real, target).map_err(words)?,
        State::File { sha256: digest, mode, uid, gid } => {
            let kept = original(tree, digest).map_err(words)?;
            let (mut file, _) = regular_file::open(&kept)
                .map_err(|error| format!("{}: {}", kept.display(), io::Error::from(error)))?;
            if sha256(&mut file).map_err(words)? != *digest {
                return Err(format!("{} is damaged", kept.display()));
            }
            file.rewind().map_err(words)?;
            replace(&real, &mut file, Owner { mode: *mode, uid: *uid, gid: *gid }).map_err(words)?;
        }
        State::Directory | State::Other => {}
    }
    Ok(true)
}

/// Whether a file has the content of this program.
///
/// # Errors
/// One of them cannot be read.
pub fn is_same(path: &Path, program: &mut File) -> io::Result<bool> {
    let (mut other, found) = regular_file::open(path).map_err(io::Error::from)?;
    let own = program.metadata()?;
    if (found.dev(), found.ino()) == (own.dev(), own.ino()) {
        return Ok(true);
    }
    if found.len() != own.len() {
        return Ok(false);
    }
    program.rewind()?;
    let same = sha256(&mut other)? == sha256(program)?;
    program.rewind()?;
    Ok(same)
}
