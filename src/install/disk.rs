//! Single files on the disk: what is at a path, and how something else gets there.
//!
//! Holds: a file is replaced as a whole, with the owner and the permissions that it is to have, and with the label, the access
//! control list and the attributes of the one that was there.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown, symlink};
use std::path::{Path, PathBuf};

use ring::digest;
use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::files::{attributes, regular_file};
use crate::node::Tree;

/// Of a file that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What is at a path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Absent,
    File {
        sha256: String,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Link {
        target: PathBuf,
    },
    Directory,
    /// A device, a pipe, a socket.
    Other,
}

// === impl State ===

impl State {
    /// The digest of a file.
    pub(super) fn sha256(&self) -> Option<&String> {
        match self {
            State::File { sha256, .. } => Some(sha256),
            _ => None,
        }
    }

    /// Whether both have the same content, whoever owns it.
    pub(super) fn is(&self, other: &State) -> bool {
        match (self, other) {
            (State::Absent, State::Absent) | (State::Directory, State::Directory) => true,
            (State::File { sha256: a, .. }, State::File { sha256: b, .. }) => a == b,
            (State::Link { target: a }, State::Link { target: b }) => a == b,
            _ => false,
        }
    }
}

// === impl Owner ===

impl Owner {
    pub(super) fn root(mode: u32) -> Self {
        Owner { mode, uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }
}

/// Where an entry is for this process. Only a link is looked at itself.
pub(super) fn place(tree: &Tree, path: &Path, is_link: bool) -> io::Result<PathBuf> {
    match (is_link, path.parent(), path.file_name()) {
        (true, Some(above), Some(name)) => Ok(tree.way(above)?.join(name)),
        _ => tree.way(path),
    }
}

/// What is there now.
pub(super) fn state_of(real: &Path) -> State {
    let Ok(found) = fs::symlink_metadata(real) else { return State::Absent };
    let kind = found.file_type();
    if kind.is_dir() {
        return State::Directory;
    }
    if kind.is_symlink() {
        return fs::read_link(real).map_or(State::Other, |target| State::Link { target });
    }
    let sha256 = regular_file::open(real).ok().and_then(|(mut file, _)| sha256(&mut file).ok());
    match sha256 {
        Some(sha256) => {
            State::File { sha256, mode: found.mode() & 0o7777, uid: found.uid(), gid: found.gid() }
        }
        None => State::Other,
    }
}

/// The digest of a content.
///
/// # Errors
/// It cannot be read.
pub(super) fn sha256(from: &mut impl Read) -> io::Result<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => context.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A name beside a file, always the same: what a kill has left is written over, and no program reads it.
pub(super) fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.cri-shunt-new"))
}

/// Writes a file as a whole and to the disk.
pub(super) fn replace(path: &Path, from: &mut impl Read, owner: Owner) -> io::Result<()> {
    let new = beside(path);
    remove(&new)?;
    let mut file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&new)?;
    io::copy(from, &mut file)?;
    if let Some(old) = file_at(path)? {
        attributes::carry_over(&old, &file)?;
    }
    fchown(&file, Some(owner.uid), Some(owner.gid))?;
    file.set_permissions(Permissions::from_mode(owner.mode))?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)?;
    sync_above(path)
}

/// The file that is there. What a link leads to is another file, maybe outside of the tree, and a pipe would have to be waited for.
fn file_at(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    match File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn sync_above(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn replace_by_link(path: &Path, target: &Path) -> io::Result<()> {
    let new = beside(path);
    remove(&new)?;
    symlink(target, &new)?;
    fs::rename(&new, path)?;
    sync_above(path)
}
