//! Makes, changes and removes the directories of ours below containerd's `config_path`.
//!
//! Before: `keep` has decided.  After: containerd finds the old file or the new one, never half of it.
//! Holds: nothing is touched that does not begin with our mark. A directory appears and goes by a rename,
//! whole, since one without a file would hide `_default` from containerd; what a crash leaves has a name
//! that is no host's.
//! Not here: which files are wanted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::file::{MARK, Text};
use super::found::{HOSTS_TOML, coded};

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
    let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
    Ok(if is_owned(text.as_bytes()) { Place::Ours(text) } else { Place::Anothers(file) })
}

/// The names of the directories of ours; none where the root does not exist.
pub(super) fn list(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for name in entries(root)? {
        if !name.starts_with(UNFINISHED) && matches!(owned(&root.join(&name)), Ok(Place::Ours(_))) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn entries(root: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// Removes what a crash has left unfinished.
pub(super) fn tidy(root: &Path) -> io::Result<()> {
    for name in entries(root)?.iter().filter(|name| name.starts_with(UNFINISHED)) {
        fs::remove_dir_all(root.join(name))?;
    }
    Ok(())
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
    // Left by a crash, perhaps of this very step.
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
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
    let own = |entry: &String| entry == HOSTS_TOML || entry.starts_with(UNFINISHED);
    if !entries(&directory)?.iter().all(own) {
        fs::remove_file(directory.join(HOSTS_TOML))?;
        sync(&directory)?;
        return Ok(Some(directory));
    }
    let unfinished = root.join(format!("{UNFINISHED}{name}"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::rename(&directory, &unfinished)?;
    fs::remove_dir_all(&unfinished)?;
    sync(root)?;
    Ok(None)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
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
        tidy(&root).unwrap();
        assert_eq!(entries(&root).unwrap(), ["m.dev"]);
    }
}
