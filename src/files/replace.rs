//! Puts a file whole in the place of another one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Writes `new` for this user alone, and renames it to `path`. Who reads finds the old file or the new one. Of two
/// processes that write at once each has its turn.
///
/// # Errors
/// What the disk says. Nothing has changed then.
pub fn replace(path: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = new.parent().filter(|parent| !parent.as_os_str().is_empty());
    // The kernel frees it, however this ends.
    let turn = File::open(directory.unwrap_or(Path::new(".")))?;
    turn.lock()?;
    // A crash may have left it.
    let _ = fs::remove_file(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    let replaced = written.and_then(|()| fs::rename(new, path));
    if replaced.is_err() {
        // A disk without room is not to keep half of it.
        let _ = fs::remove_file(new);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_at_once_does_not_write_into_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, new) = (dir.path().join("a"), dir.path().join("a.new"));
        std::thread::scope(|scope| {
            for letter in [b'a', b'b', b'c', b'd'] {
                let (path, new) = (&path, &new);
                scope.spawn(move || {
                    for _ in 0..20 {
                        replace(path, new, &[letter; 10_000]).unwrap();
                        let found = fs::read(path).unwrap();
                        assert!(found.len() == 10_000 && found.iter().all(|byte| *byte == found[0]));
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
