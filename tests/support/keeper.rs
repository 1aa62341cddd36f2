//! A folder whose processes, mounts and files end with the test.
//!
//! `keeper.sh` does the ending, from outside, so that a killed or panicking test process and a `static` that is never
//! dropped leave nothing behind.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// A private folder under /tmp, watched by a process that tidies it when this one is gone.
pub struct Keeper {
    dir: PathBuf,
    watcher: Mutex<Child>,
}

impl Keeper {
    pub fn new(name: &str) -> Keeper {
        // Short, because unix socket paths end at 107 bytes.
        let dir =
            tempfile::Builder::new().prefix(&format!("shunt-{name}-")).tempdir_in("/tmp").unwrap().keep();
        std::fs::write(dir.join("pids"), "").unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/keeper.sh");
        let watcher = Command::new("setsid")
            .args(["sh", script])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("setsid and sh are on every Debian");
        Keeper { dir, watcher: Mutex::new(watcher) }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes `child` one of those that end with this folder. Its command line must name the folder.
    pub fn keep(&self, child: &Child) {
        let mut pids = std::fs::OpenOptions::new().append(true).open(self.dir.join("pids")).unwrap();
        writeln!(pids, "{}", child.id()).unwrap();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let watcher = self.watcher.get_mut().unwrap();
        drop(watcher.stdin.take());
        drop(watcher.wait());
    }
}
