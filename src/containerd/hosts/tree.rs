//! Makes, changes and removes the directories of ours below containerd's `config_path`.
//!
//! Before: `reconcile` has decided.  After: containerd finds the old file or the new one, never half of it.
//! Holds: nothing is touched that does not begin with our mark. A directory appears and goes by a rename,
//! whole, since one without a file would hide `_default` from containerd; what a crash leaves has a name
//! that is no host's.
//! Not here: which files are wanted.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::existing::{HOSTS_TOML, LONGEST, coded};
use super::file::{MARK, Text};
use crate::files::regular_file;

/// How the names of what is not finished begin.
const UNFINISHED: &str = ".cri-shunt-";

/// What is in the place of a host's directory.
#[derive(Debug)]
pub(super) enum Place {
    Free,
    /// Ours, with its text.
    Ours(String),
    /// Another's: the file, or the directory where there is none.
    Anothers(PathBuf),
}

/// Whether a `hosts.toml` was written by the shunt.
#[must_use]
pub fn is_owned(content: &[u8]) -> bool {
    content.starts_with(MARK.as_bytes())
}

/// Looks at the places where containerd would find something of a host before `_default`. What another made holds
/// over what is ours, also where containerd finds ours first: whoever came first, the end is the same.
pub(super) fn look(roots: &[PathBuf], host: &str) -> io::Result<Place> {
    let own = roots.first().map(|root| root.join(coded(host)));
    let mut place = Place::Free;
    for root in roots {
        for name in [coded(host), host.to_owned()] {
            let directory = root.join(name);
            match owned(&directory)? {
                Place::Ours(text) if Some(&directory) == own.as_ref() => place = Place::Ours(text),
                // What is ours in another place is taken away before long.
                Place::Ours(_) | Place::Free => {}
                Place::Anothers(path) => return Ok(Place::Anothers(path)),
            }
        }
    }
    Ok(place)
}

fn owned(directory: &Path) -> io::Result<Place> {
    let kind = match fs::symlink_metadata(directory) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Free),
        Err(error) => return Err(error),
    };
    let file = directory.join(HOSTS_TOML);
    let is_file = fs::symlink_metadata(&file).is_ok_and(|found| found.is_file());
    if !kind.is_dir() || !is_file {
        let path = if file.exists() { file } else { directory.to_owned() };
        return Ok(Place::Anothers(path));
    }
    let text = String::from_utf8_lossy(&regular_file::read(&file, LONGEST)?).into_owned();
    Ok(if is_owned(text.as_bytes()) { Place::Ours(text) } else { Place::Anothers(file) })
}

/// The names of the directories of ours; none where the root does not exist.
pub(super) fn list(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    // A name that is no text is nobody's host, and none of ours.
    for name in entries(root)?.into_iter().filter_map(|name| name.into_string().ok()) {
        if !name.starts_with(UNFINISHED) && matches!(owned(&root.join(&name)), Ok(Place::Ours(_))) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// All that is in a directory; nothing where there is none.
fn entries(directory: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries.map(|entry| Ok(entry?.file_name())).collect()
}

fn is_unfinished(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
}

/// Whether a file in a directory of ours is ours as well.
fn is_own(name: &OsStr) -> bool {
    name == HOSTS_TOML || is_unfinished(name)
}

/// Removes what a crash has left unfinished; the answer is the directories in which there is more, which stay.
pub(super) fn tidy(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut more = Vec::new();
    for name in entries(root)?.iter().filter(|name| is_unfinished(name)) {
        let path = root.join(name);
        // Nothing else of that name is made here.
        let is_directory = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        if is_directory && !clear(&path)? {
            more.push(path);
        }
    }
    Ok(more)
}

/// Removes a directory with what is ours in it. Where there is more, that stays, and so does the directory.
fn clear(directory: &Path) -> io::Result<bool> {
    for name in entries(directory)?.iter().filter(|name| is_own(name)) {
        fs::remove_file(directory.join(name))?;
    }
    match fs::remove_dir(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes another text into a directory of ours.
pub(super) fn replace(root: &Path, host: &str, text: &Text) -> io::Result<()> {
    let directory = root.join(coded(host));
    let unfinished = directory.join(format!("{UNFINISHED}new"));
    write_file(&unfinished, text)?;
    fs::rename(&unfinished, directory.join(HOSTS_TOML))?;
    sync(&directory)
}

/// Makes a directory of ours, with its file.
pub(super) fn create(root: &Path, host: &str, text: &Text) -> io::Result<()> {
    if !root.exists() {
        DirBuilder::new().recursive(true).mode(0o755).create(root)?;
        // Whatever the umask: containerd's other clients may run as other users.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    }
    let unfinished = root.join(format!("{UNFINISHED}{}", coded(host)));
    // Left by a crash, perhaps of this very step. With more in it, it is in the way.
    clear(&unfinished)?;
    DirBuilder::new().mode(0o755).create(&unfinished)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))?;
    write_file(&unfinished.join(HOSTS_TOML), text)?;
    sync(&unfinished)?;
    // Not over a directory that a person made in this moment, be it empty.
    renameat_with(CWD, &unfinished, CWD, root.join(coded(host)), RenameFlags::NOREPLACE)?;
    sync(root)
}

/// As open as it may be: what holds a header may hold a token, everything else helps who looks for a fault.
fn write_file(path: &Path, text: &Text) -> io::Result<()> {
    let mode = if text.secret { 0o600 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.text.as_bytes())?;
    file.sync_all()
}

/// Removes a file of ours, and its directory unless there is more in it; then that stays, and is answered.
pub(super) fn remove(root: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let directory = root.join(name);
    if !entries(&directory)?.iter().all(|name| is_own(name)) {
        fs::remove_file(directory.join(HOSTS_TOML))?;
        sync(&directory)?;
        return Ok(Some(directory));
    }
    let unfinished = root.join(format!("{UNFINISHED}{name}"));
    clear(&unfinished)?;
    fs::rename(&directory, &unfinished)?;
    let more = !clear(&unfinished)?;
    if more {
        // Put there in this moment.
        renameat_with(CWD, &unfinished, CWD, &directory, RenameFlags::NOREPLACE)?;
    }
    sync(root)?;
    Ok(more.then_some(directory))
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    fn text(text: &str, secret: bool) -> Text {
        Text { text: format!("{MARK}\n{text}"), secret }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_comes_changes_and_goes_with_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("not/yet/there");
        create(&root, "m.dev:5000", &text("a", false)).unwrap();
        let file = root.join("m.dev_5000_").join(HOSTS_TOML);
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o644, 0o755));
        replace(&root, "m.dev:5000", &text("b", true)).unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(
            matches!(look(std::slice::from_ref(&root), "m.dev:5000").unwrap(), Place::Ours(text) if text.ends_with('b'))
        );
        assert_eq!(list(&root).unwrap(), ["m.dev_5000_"]);
        assert_eq!(remove(&root, "m.dev_5000_").unwrap(), None);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn what_another_made_is_seen_as_such_and_never_taken() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        fs::create_dir(root.join("bare.dev")).unwrap();
        fs::create_dir(root.join("plain.dev:1")).unwrap();
        fs::write(root.join("plain.dev:1").join(HOSTS_TOML), "server = 'x'").unwrap();
        create(&root, "ours.dev", &text("", false)).unwrap();
        create(&root, "both.dev:1", &text("", false)).unwrap();
        fs::create_dir(root.join("both.dev:1")).unwrap();
        std::os::unix::fs::symlink(root.join("ours.dev"), root.join("linked.dev")).unwrap();
        for host in ["bare.dev", "plain.dev:1", "linked.dev", "both.dev:1"] {
            assert!(matches!(look(std::slice::from_ref(&root), host).unwrap(), Place::Anothers(_)), "{host}");
        }
        assert_eq!(list(&root).unwrap(), ["both.dev_1_", "ours.dev"]);
        // A directory that appears between the look and the write is not replaced.
        fs::write(root.join("file.dev"), "").unwrap();
        assert!(create(&root, "file.dev", &text("", false)).is_err());
        fs::write(root.join("ours.dev/extra.crt"), "a person's").unwrap();
        assert_eq!(remove(&root, "ours.dev").unwrap(), Some(root.join("ours.dev")));
        assert!(root.join("ours.dev/extra.crt").exists());
        // Nor is what has a name that is no text.
        create(&root, "odd.dev", &text("", false)).unwrap();
        let odd = root.join("odd.dev").join(OsStr::from_bytes(b"\xff.crt"));
        fs::write(&odd, "a person's").unwrap();
        assert_eq!(remove(&root, "odd.dev").unwrap(), Some(root.join("odd.dev")));
        assert!(odd.exists());
    }

    #[test]
    fn what_a_crash_leaves_is_no_hosts_directory_and_is_tidied() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        fs::create_dir(root.join(format!("{UNFINISHED}m.dev"))).unwrap();
        fs::write(root.join(format!("{UNFINISHED}m.dev")).join(HOSTS_TOML), MARK).unwrap();
        assert!(list(&root).unwrap().is_empty());
        create(&root, "m.dev", &text("", false)).unwrap();
        fs::create_dir(root.join(format!("{UNFINISHED}x.dev"))).unwrap();
        // Neither a file of such a name nor what somebody has put there is in the way of the others.
        fs::write(root.join(format!("{UNFINISHED}a")), "").unwrap();
        let theirs = root.join(format!("{UNFINISHED}b.dev"));
        fs::create_dir(&theirs).unwrap();
        fs::write(theirs.join("extra.crt"), "a person's").unwrap();
        assert_eq!(tidy(&root).unwrap(), [theirs]);
        let mut names = entries(&root).unwrap();
        names.sort();
        assert_eq!(names, [".cri-shunt-a", ".cri-shunt-b.dev", "m.dev"]);
    }
}
