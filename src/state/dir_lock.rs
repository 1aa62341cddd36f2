//! The lock on the state directory: one daemon at a time.
//!
//! Holds: the kernel frees the lock when its process ends, however that ends. So nothing is left to remove after a crash.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::files::regular_file;

/// The file in the state directory. It has the process id of who holds the lock.
const FILE: &str = "lock";

/// More than a process id is not read.
const LIMIT: u64 = 32;

/// Held for as long as it lives.
#[derive(Debug)]
pub struct DirLock {
    file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum NoLock {
    /// Another process has it.
    #[error("another cri-shunt ({}) uses the state directory {}", process(*pid), directory.display())]
    Taken {
        /// That process, if it has said so.
        pid: Option<u32>,
        /// The directory.
        directory: PathBuf,
    },
    /// The disk has refused.
    #[error("cannot lock {}: {error}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl NoLock {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } => Some("stop that one, or give each its own `dir` under [state]"),
            Self::Disk { .. } => None,
        }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "its process id is not known".to_owned(), |pid| format!("process {pid}"))
}

// === impl DirLock ===

impl DirLock {
    /// Takes the lock on a directory, which is made where it is missing. Does not wait.
    ///
    /// # Errors
    /// Another process has the lock, or the disk refuses.
    pub fn take(directory: &Path) -> Result<Self, NoLock> {
        let disk = |error| NoLock::Disk { path: directory.join(FILE), error };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(disk)?;
        Self::of(directory)
    }

    /// As [`DirLock::take`], but makes no directory: where there is none, nobody has the lock.
    ///
    /// # Errors
    /// As there.
    pub fn take_in_existing(directory: &Path) -> Result<Option<Self>, NoLock> {
        if directory.exists() { Self::of(directory).map(Some) } else { Ok(None) }
    }

    /// The process that has the lock on a directory, as far as that can be seen. Takes no lock and writes nothing.
    #[must_use]
    pub fn holder(directory: &Path) -> Option<u32> {
        let path = directory.join(FILE);
        let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let (file, metadata) = regular_file::open(&path).ok()?;
        let mut text = String::new();
        file.take(LIMIT).read_to_string(&mut text).ok()?;
        let pid: u32 = text.trim().parse().ok()?;
        // After a kill the id of a process stays that has nothing to do with the file.
        let opened = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        let mut opened = opened.filter_map(|entry| fs::metadata(entry.path()).ok());
        let lock = id(metadata);
        opened.any(|metadata| id(metadata) == lock).then_some(pid)
    }

    /// Whether a file of a state directory is the lock, by its name.
    #[must_use]
    pub fn is_file(name: &str) -> bool {
        name == FILE
    }

    fn of(directory: &Path) -> Result<Self, NoLock> {
        let path = directory.join(FILE);
        let disk = |error| NoLock::Disk { path: path.clone(), error };
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // Behind a link is a file of somebody else, and it is written to.
        let options = options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(&path).map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.take(LIMIT).read_to_string(&mut text);
                let pid = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(NoLock::Taken { pid, directory: directory.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(disk(error)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        // A full disk keeps nobody out: only the process id is missing then.
        if let Err(error) = written {
            tracing::debug!(%error, "the process id is not in {}", path.display());
        }
        Ok(Self { file })
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Nobody is to read the id of a process that has let go.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_is_named_and_the_next_gets_it_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert!(DirLock::take_in_existing(&state).unwrap().is_none());
        assert_eq!(DirLock::holder(&state), None);
        let held = DirLock::take(&state).unwrap();
        let said = DirLock::take(&state).unwrap_err().to_string();
        let expected = format!(
            "another cri-shunt (process {}) uses the state directory {}",
            std::process::id(),
            state.display()
        );
        assert_eq!(said, expected);
        assert_eq!(DirLock::holder(&state), Some(std::process::id()));
        drop(held);
        assert_eq!(DirLock::holder(&state), None);
        // A killed one has left its id, and another program has that id now.
        fs::write(state.join(FILE), format!("{}\n", std::process::id())).unwrap();
        assert_eq!(DirLock::holder(&state), None);
        assert!(DirLock::take_in_existing(&state).unwrap().is_some());
    }
}
