//! The key by which logins are remembered without being kept: a file of random bytes in the state directory.
//!
//! Holds: only root can read it, it is written as a whole, it is made when it is needed for the first time, and nothing
//! else stays there, even after a crash. Without it, nothing can be learned of a login from what was made with it, not
//! even by guessing.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ring::hmac;

use crate::files::random::random;
use crate::files::regular_file;

/// The file in the state directory.
const FILE: &str = "login-key";

/// What the name of a file ends with that is still being written.
const NEW: &str = ".new";

/// How many bytes it has: as many as the hash.
const LENGTH: usize = 32;

/// The key cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the key {}: {problem}", path.display())]
pub struct NoKey {
    path: PathBuf,
    #[source]
    problem: io::Error,
}

/// The key of one daemon.
#[derive(Clone)]
pub struct LoginKey {
    path: PathBuf,
    known: Arc<OnceLock<hmac::Key>>,
    /// Held while it is read or made.
    learning: Arc<Mutex<()>>,
}

impl LoginKey {
    /// The key of the daemon that keeps its state in this directory.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self { path: state_dir.join(FILE), known: Arc::default(), learning: Arc::default() }
    }

    /// The key, which is made where there is none. Waits for the disk at the first time.
    ///
    /// # Errors
    /// The file cannot be read or written, or is not as this program has made it.
    pub fn get(&self) -> Result<&hmac::Key, NoKey> {
        if let Some(key) = self.known.get() {
            return Ok(key);
        }
        // Two pulls may be the first ones at once. Nothing panics while it holds the lock.
        let _alone = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.known.get() {
            return Ok(key);
        }
        let bytes = self.read().or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => self.make().and_then(|()| self.read()),
            _ => Err(error),
        });
        let bytes = bytes.map_err(|problem| NoKey { path: self.path.clone(), problem })?;
        self.tidy();
        Ok(self.known.get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// Whether a file of a state directory is a key, or one that is being written, by its name.
    #[must_use]
    pub fn is_file(name: &str) -> bool {
        name == FILE || writer(name).is_some()
    }

    fn read(&self) -> io::Result<[u8; LENGTH]> {
        let (mut file, metadata) = regular_file::open(&self.path)?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other("other users can read it: remove it, and a new one is made"));
        }
        let mut bytes = [0; LENGTH];
        match metadata.len() == LENGTH as u64 && file.read_exact(&mut bytes).is_ok() {
            true => Ok(bytes),
            false => Err(io::Error::other("it is damaged: remove it, and a new one is made")),
        }
    }

    /// Removes what a daemon has left that was killed while it made a key.
    fn tidy(&self) {
        let Some(files) = self.path.parent().and_then(|directory| fs::read_dir(directory).ok()) else {
            return;
        };
        for file in files.flatten() {
            let writer = file.file_name().to_str().and_then(writer);
            let is_left =
                writer.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists());
            if is_left && let Err(error) = remove(&file.path()) {
                tracing::debug!(file = %file.path().display(), %error, "cannot remove what was left of a key");
            }
        }
    }

    /// Writes a new key, unless another daemon is faster.
    fn make(&self) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let bytes = random::<LENGTH>()?;
        let new = directory.join(format!("{FILE}.{}{NEW}", std::process::id()));
        // A crash may have left it.
        remove(&new)?;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        let written = file.write_all(&bytes).and_then(|()| file.sync_all());
        // Unlike a rename, this leaves a key alone that is there by now.
        let linked = written.and_then(|()| match fs::hard_link(&new, &self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => File::open(directory)?.sync_all(),
        });
        remove(&new)?;
        linked
    }
}

/// The process that is writing a key into this file.
fn writer(name: &str) -> Option<u32> {
    name.strip_prefix(FILE)?.strip_prefix('.')?.strip_suffix(NEW)?.parse().ok()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(key: &LoginKey) -> Vec<u8> {
        hmac::sign(key.get().unwrap(), b"x").as_ref().to_vec()
    }

    #[test]
    fn it_is_made_once_for_root_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        let first = signed(&LoginKey::of(&state_dir));
        assert_eq!(signed(&LoginKey::of(&state_dir)), first, "after a restart");
        assert_ne!(signed(&LoginKey::of(&dir.path().join("other"))), first);
        let names: Vec<_> =
            fs::read_dir(&state_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state_dir), mode(&state_dir.join(FILE))), (0o700, 0o600));
    }

    #[test]
    fn those_who_need_it_first_at_the_same_time_get_the_same() {
        for _ in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let (key, start) = (LoginKey::of(dir.path()), std::sync::Barrier::new(4));
            let signed = || {
                let key = key.clone();
                start.wait();
                signed(&key)
            };
            let all: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(signed)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(all.iter().all(|one| *one == all[0]));
        }
    }

    #[test]
    fn what_a_killed_daemon_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let [left, at_work, other] = ["4294967290", "1", "x"].map(|process| {
            let file = dir.path().join(format!("{FILE}.{process}{NEW}"));
            fs::write(&file, b"half").unwrap();
            file
        });
        signed(&LoginKey::of(dir.path()));
        assert_eq!([left, at_work, other].map(|file| file.exists()), [false, true, true]);
    }

    #[test]
    fn a_file_that_is_not_as_it_was_made_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = (dir.path().join(FILE), LoginKey::of(dir.path()));
        key.read().unwrap_err();
        key.make().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let said = key.get().unwrap_err().to_string();
        assert!(said.contains("other users can read it"), "{said}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        let said = key.get().unwrap_err().to_string();
        assert!(said.contains("it is damaged"), "{said}");
    }
}
