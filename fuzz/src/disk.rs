//! Files for code that reads files: a directory of this thread, on a file system in memory where there is one.
//!
//! Holds: no reader waits until a file has been unchanged for a moment, because only this thread writes here and that
//! wait takes longer than all the rest; nothing is left of what an earlier input has put there.

use std::ffi::{c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};

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
        path
    }
}

/// Takes the place of the C library's, by which `std::thread::sleep` sleeps: the kernel's time of a change can't be
/// set back. libFuzzer's own sleep is another function.
#[allow(unsafe_code, reason = "the linker takes it by its name alone")]
#[unsafe(no_mangle)]
extern "C" fn clock_nanosleep(_: c_int, _: c_int, _: *const c_void, _: *mut c_void) -> c_int {
    0
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
