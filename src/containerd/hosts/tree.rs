//! Makes, changes and removes the shunt's directories below containerd's `config_path`.
//!
//! Holds: containerd finds the old file or the new one, never half of it. Nothing is touched that does not begin with
//! the mark. A directory appears and goes by a rename, whole, since one without a file would hide `_default` from
//! containerd; what a crash leaves has a name that no host can have. Whoever makes one holds a lock on it until then, so
//! that another daemon on this machine does not take it for such a rest.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use super::file::Text;
use super::place::{HOSTS_TOML, LONGEST, coded, is_owned};
use crate::files::regular_file;

/// How the names of unfinished directories begin.
const UNFINISHED: &str = ".cri-shunt-";

/// Held by whoever changes something: of this process, one at a time.
static CHANGES: Mutex<()> = Mutex::new(());

/// What stands in the place of a host's directory.
#[derive(Debug)]
pub(super) enum Place {
    Free,
    /// The shunt's, with its text.
    Ours(String),
    /// Somebody else's: the file, or the directory if it has none.
    Anothers(PathBuf),
}

/// Waits until no other thread changes anything.
pub(super) fn changes() -> MutexGuard<'static, ()> {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at the places below one root where containerd would find something for a host before `_default`. What
/// somebody else made counts more than the shunt's own, even where containerd finds the shunt's first: so it does
/// not matter who came first.
pub(super) fn look(root: &Path, host: &str) -> io::Result<Place> {
    let own = owned(&root.join(coded(host)))?;
    if matches!(own, Place::Anothers(_)) || coded(host) == host {
        return Ok(own);
    }
    match owned(&root.join(host))? {
        Place::Anothers(path) => Ok(Place::Anothers(path)),
        // The shunt writes no directory of that name; what looks like it is removed.
        Place::Ours(_) | Place::Free => Ok(own),
    }
}

/// What to do where a file cannot be written. Under systemd a directory that did not exist when the unit started cannot
/// be written, even if `ReadWritePaths=` has it.
pub(super) fn write_hint(kind: io::ErrorKind) -> Option<&'static str> {
    matches!(kind, io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied).then_some(
        "under systemd, add the directory to ReadWritePaths= of cri-shunt.service; restart cri-shunt if the directory \
         was made after it started",
    )
}

/// Brings the file for a host to this text, where the place is free or the shunt's. Says what has been done: `wrote`,
/// `changed`, or nothing.
pub(super) fn put(root: &Path, host: &str, text: &Text, place: &Place) -> io::Result<Option<&'static str>> {
    match place {
        Place::Ours(there) if *there == text.text => Ok(None),
        Place::Ours(_) => replace(root, host, text).map(|()| Some("changed")),
        Place::Free => create(root, host, text).map(|()| Some("wrote")),
        Place::Anothers(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// Removes a root that exists only because containerd takes a list of directories for the name of one, where nothing
/// is in it: `/a/certs.d:/b/certs.d` and the directories above it, up to and with `/a/certs.d:`.
pub(super) fn remove_joined(root: &Path) -> io::Result<()> {
    let has_colon = |part: &Component<'_>| part.as_os_str().as_encoded_bytes().contains(&b':');
    let mut directory = root;
    while directory.components().any(|part| has_colon(&part)) {
        match fs::remove_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(()),
            Err(error) => return Err(error),
        }
        let Some(above) = directory.parent() else { return Ok(()) };
        directory = above;
    }
    Ok(())
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

/// The names of the shunt's directories; none where the root does not exist.
pub(super) fn list(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    // A host's name is always text.
    for name in entries(root)?.into_iter().filter_map(|name| name.into_string().ok()) {
        if !name.starts_with(UNFINISHED) && matches!(owned(&root.join(&name)), Ok(Place::Ours(_))) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// All that is in a directory; nothing where it does not exist.
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

/// Whether the shunt has written a file in one of its directories.
fn is_own(name: &OsStr) -> bool {
    name == HOSTS_TOML || is_unfinished(name)
}

/// Removes what a crash has left unfinished. Returns the directories that stay, since there is more in them. What another
/// daemon is about to finish also stays.
pub(super) fn tidy(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut more = Vec::new();
    for name in entries(root)?.iter().filter(|name| is_unfinished(name)) {
        let path = root.join(name);
        // Nothing else of that name is made here.
        let is_directory = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
        if is_directory
            && let Some(_held) = hold(&path)?
            && !clear(&path)?
        {
            more.push(path);
        }
    }
    Ok(more)
}

/// Takes an unfinished directory: as long as the file lives, nobody else clears or finishes it. None if somebody else has
/// it, or it is gone. It waits for nobody, also where something else has that name.
fn hold(directory: &Path) -> io::Result<Option<File>> {
    let only_directories = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(only_directories).open(directory) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Where the file system knows no locks it goes on without one.
    if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Ok(None);
    }
    // Another may have been made under this name before the lock was there.
    let (held, found) = (file.metadata()?, fs::symlink_metadata(directory));
    Ok(found.is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino())).then_some(file))
}

/// Removes a directory with the shunt's files in it. Where there are others, they stay, and so does the directory.
fn clear(directory: &Path) -> io::Result<bool> {
    for name in entries(directory)?.iter().filter(|name| is_own(name)) {
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match fs::remove_dir(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes another text into one of the shunt's directories.
pub(super) fn replace(root: &Path, host: &str, text: &Text) -> io::Result<()> {
    let directory = root.join(coded(host));
    let unfinished = directory.join(format!("{UNFINISHED}new"));
    write_file(&unfinished, text)?;
    fs::rename(&unfinished, directory.join(HOSTS_TOML))?;
    sync(&directory)
}

/// Makes one of the shunt's directories, with its file.
pub(super) fn create(root: &Path, host: &str, text: &Text) -> io::Result<()> {
    if !root.exists() {
        DirBuilder::new().recursive(true).mode(0o755).create(root)?;
        // Whatever the umask: containerd's other clients may run as other users.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    }
    let unfinished = root.join(format!("{UNFINISHED}{}", coded(host)));
    // Left by a crash, perhaps of this very step. It can't be removed where there is more in it.
    if let Some(_held) = hold(&unfinished)? {
        clear(&unfinished)?;
    }
    // Until it is whole, no other user can take the lock of it.
    DirBuilder::new().mode(0o700).create(&unfinished)?;
    let Some(held) = hold(&unfinished)? else { return Err(io::ErrorKind::AlreadyExists.into()) };
    write_file(&unfinished.join(HOSTS_TOML), text)?;
    held.set_permissions(fs::Permissions::from_mode(0o755))?;
    held.sync_all()?;
    // Not over a directory that a person made in this moment, even an empty one.
    renameat_with(CWD, &unfinished, CWD, root.join(coded(host)), RenameFlags::NOREPLACE)?;
    sync(root)
}

/// A header may hold a token; everything else may be read by whoever looks for a fault.
fn write_file(path: &Path, text: &Text) -> io::Result<()> {
    let mode = if text.secret { 0o600 } else { 0o644 };
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.text.as_bytes())?;
    file.sync_all()
}

/// Removes the shunt's file, and its directory unless there is more in it: then the directory stays, and is returned.
pub(super) fn remove(root: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let directory = root.join(name);
    if !entries(&directory)?.iter().all(|name| is_own(name)) {
        fs::remove_file(directory.join(HOSTS_TOML))?;
        sync(&directory)?;
        return Ok(Some(directory));
    }
    let unfinished = root.join(format!("{UNFINISHED}{name}"));
    if let Some(_held) = hold(&unfinished)? {
        clear(&unfinished)?;
    }
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
    use crate::containerd::hosts::place::MARK;

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
        assert!(matches!(look(&root, "m.dev:5000").unwrap(), Place::Ours(text) if text.ends_with('b')));
        assert_eq!(list(&root).unwrap(), ["m.dev_5000_"]);
        assert_eq!(remove(&root, "m.dev_5000_").unwrap(), None);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn a_joined_root_goes_when_it_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let first = dir.path().join("certs.d");
        let joined = PathBuf::from(format!("{}:/b/certs.d", first.display()));
        fs::create_dir(&first).unwrap();
        create(&joined, "m.dev", &text("", false)).unwrap();
        remove_joined(&joined).unwrap();
        assert!(joined.join("m.dev").exists());
        remove(&joined, "m.dev").unwrap();
        remove_joined(&joined).unwrap();
        let left: Vec<_> = entries(dir.path()).unwrap();
        assert_eq!(left, ["certs.d"]);
        // An empty directory whose name stands for itself stays.
        remove_joined(&first).unwrap();
        remove_joined(&joined).unwrap();
        assert!(first.exists());
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
            assert!(matches!(look(&root, host).unwrap(), Place::Anothers(_)), "{host}");
        }
        assert_eq!(list(&root).unwrap(), ["both.dev_1_", "ours.dev"]);
        // A directory that appears between the look and the write is not replaced.
        fs::write(root.join("file.dev"), "").unwrap();
        assert!(create(&root, "file.dev", &text("", false)).is_err());
        fs::write(root.join("ours.dev/extra.crt"), "a person's").unwrap();
        assert_eq!(remove(&root, "ours.dev").unwrap(), Some(root.join("ours.dev")));
        assert!(root.join("ours.dev/extra.crt").exists());
        // A directory with a name that is not text is not removed either.
        create(&root, "odd.dev", &text("", false)).unwrap();
        let odd = root.join("odd.dev").join(OsStr::from_bytes(b"\xff.crt"));
        fs::write(&odd, "a person's").unwrap();
        assert_eq!(remove(&root, "odd.dev").unwrap(), Some(root.join("odd.dev")));
        assert!(odd.exists());
    }

    #[test]
    fn another_daemon_never_takes_half_of_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    tidy(root).unwrap();
                }
            });
            let rounds = std::panic::catch_unwind(|| {
                for round in 0..300 {
                    let host = format!("m{round}.dev");
                    // The other one may be faster than the lock: then nothing is there yet.
                    while let Err(error) = create(root, &host, &text("", false)) {
                        let is_free = matches!(look(root, &host).unwrap(), Place::Free);
                        assert!(is_free, "round {round}: {error}");
                    }
                    assert!(root.join(&host).join(HOSTS_TOML).exists(), "round {round}");
                }
            });
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            rounds.unwrap();
        });
    }

    #[test]
    fn what_is_no_directory_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        let pipe = root.join(format!("{UNFINISHED}m.dev"));
        rustix::fs::mkfifoat(CWD, &pipe, 0o600.into()).unwrap();
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(create(&root, "m.dev", &text("", false)).is_err()));
        assert_eq!(is_done.recv_timeout(std::time::Duration::from_secs(60)), Ok(true));
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
        // A file of such a name, or what somebody has put there, does not keep the others from being tidied.
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
