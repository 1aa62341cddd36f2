//! Files for code that reads files: a directory of this thread, on a file system in memory where there is one.
//!
//! Holds: every file and directory looks as if it had been at rest for long, so that no reader waits for a
//! writer to finish; nothing is left of what an earlier input has put there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A directory that goes with its owner.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// An empty one.
    pub(crate) fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let below = std::env::var_os("TMPDIR").map(PathBuf::from);
        let below =
            below.unwrap_or_else(|| if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() });
        let thread = format!("{:?}", std::thread::current().id());
        let thread: String = thread.chars().filter(char::is_ascii_digit).collect();
        let directory = below.join(format!("cri-shunt-{name}-{}-{thread}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The directory's own name.
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// Takes everything away.
    pub(crate) fn clear(&self) {
        for entry in fs::read_dir(&self.0).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    }

    /// Writes one file; its directories are made.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        let directory = path.parent().unwrap();
        fs::create_dir_all(directory).unwrap();
        fs::write(&path, content).unwrap();
        for path in path.ancestors().take_while(|path| path.starts_with(&self.0)) {
            at_rest(path);
        }
        path
    }
}

fn at_rest(path: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    File::open(path).unwrap().set_modified(long_ago).unwrap();
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
