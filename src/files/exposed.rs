//! What every user of the node may do with a file, by its mode and the modes of the directories on the way to it.
//!
//! Holds: what nobody else can reach is not exposed, whatever its own mode is.
//! Not here: groups, access control lists, and what the daemon itself may do (`access`).

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const READ: u32 = 0o004;
const WRITE: u32 = 0o002;
const ENTER: u32 = 0o001;
/// Only the owner of a file may remove or replace it in such a directory.
const STICKY: u32 = 0o1000;

/// What every user of the node may do with a file or a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposed {
    /// Read it, or list it.
    pub can_read: bool,
    /// Change it, or add files to it.
    pub can_change: bool,
    /// The directory in which it can be replaced.
    pub replaced_in: Option<PathBuf>,
}

/// Looks at files; each directory once.
#[derive(Debug, Default)]
pub struct Exposure {
    directories: HashMap<PathBuf, Directory>,
}

#[derive(Clone, Debug)]
struct Directory {
    /// Whether everybody can enter it.
    is_entered: bool,
    /// It, or the first one on the way to it, in which everybody can replace files.
    open: Option<PathBuf>,
}

impl Exposure {
    /// What everybody may do with a file. Where it is a link, or a directory on the way to it is one, that counts to
    /// which it leads, and the link can be replaced as well.
    ///
    /// # Errors
    /// It is not there, or this process may not look at it.
    pub fn of(&mut self, path: &Path) -> io::Result<Exposed> {
        let path = std::path::absolute(path)?;
        let exposed = self.by_way(&path)?;
        let real = std::fs::canonicalize(&path)?;
        if real == path {
            return Ok(exposed);
        }
        let real = self.by_way(&real)?;
        Ok(Exposed { replaced_in: real.replaced_in.or(exposed.replaced_in), ..real })
    }

    fn by_way(&mut self, path: &Path) -> io::Result<Exposed> {
        let mode = path.metadata()?.mode();
        let Some(directory) = path.parent().map(|directory| self.directory(directory)) else {
            return Ok(Exposed::default());
        };
        Ok(Exposed {
            can_read: directory.is_entered && mode & READ != 0,
            can_change: directory.is_entered && mode & WRITE != 0,
            replaced_in: directory.open,
        })
    }

    fn directory(&mut self, path: &Path) -> Directory {
        if let Some(known) = self.directories.get(path) {
            return known.clone();
        }
        let above = path.parent().map(|above| self.directory(above));
        let above = above.unwrap_or(Directory { is_entered: true, open: None });
        // What cannot be looked at is closed to others as well.
        let mode = path.metadata().map_or(0, |found| found.mode());
        let is_entered = above.is_entered && mode & ENTER != 0;
        let is_open = is_entered && mode & WRITE != 0 && mode & STICKY == 0;
        let open = above.open.or_else(|| is_open.then(|| path.to_owned()));
        let found = Directory { is_entered, open };
        self.directories.insert(path.to_owned(), found.clone());
        found
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_modes_of_a_file_and_of_the_directories_on_the_way_count() {
        let dir = tempfile::tempdir().unwrap();
        let (inner, link) = (dir.path().join("d"), dir.path().join("link"));
        let file = inner.join("f");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(&file, "x").unwrap();
        symlink(&file, &link).unwrap();
        set(dir.path(), 0o755);
        let told = |path: &Path| {
            let Exposed { can_read, can_change, replaced_in } = Exposure::default().of(path).unwrap();
            (can_read, can_change, replaced_in.is_some())
        };
        let rows = [
            // The directory, the file; what everybody can do: read, change, replace.
            (0o755, 0o644, (true, false, false)),
            (0o755, 0o666, (true, true, false)),
            (0o755, 0o640, (false, false, false)),
            (0o711, 0o646, (true, true, false)),
            (0o777, 0o600, (false, false, true)),
            (0o1777, 0o600, (false, false, false)),
            (0o776, 0o666, (false, false, false)),
        ];
        for (directory, mode, expected) in rows {
            set(&inner, directory);
            set(&file, mode);
            assert_eq!(told(&file), expected, "{directory:o} {mode:o}");
            assert_eq!(told(&link), expected, "the link, {directory:o} {mode:o}");
        }
        // Links among the directories: into an open one, into a closed one, and beside an open one.
        let (linked, apart) = (dir.path().join("linked"), dir.path().join("apart"));
        std::fs::create_dir(&apart).unwrap();
        symlink(&apart, &linked).unwrap();
        std::fs::create_dir(apart.join("sub")).unwrap();
        std::fs::write(apart.join("sub/f"), "x").unwrap();
        symlink(apart.join("sub"), inner.join("sub")).unwrap();
        let rows = [
            // The directory that a link is in, the real one above the file; reached by either link.
            (0o755, 0o755, (true, false, false), (true, false, false)),
            (0o755, 0o777, (true, false, true), (true, false, true)),
            (0o755, 0o700, (false, false, false), (false, false, false)),
            (0o777, 0o755, (true, false, true), (true, false, false)),
            (0o700, 0o755, (true, false, false), (true, false, false)),
        ];
        for (of_link, of_file, by_inner, by_linked) in rows {
            set(&inner, of_link);
            set(&apart, of_file);
            set(&apart.join("sub/f"), 0o644);
            assert_eq!(told(&inner.join("sub/f")), by_inner, "{of_link:o} {of_file:o}");
            assert_eq!(told(&linked.join("sub/f")), by_linked, "{of_link:o} {of_file:o}");
        }
        set(&inner, 0o777);
        set(dir.path(), 0o700);
        assert_eq!(told(&file), (false, false, false));
        Exposure::default().of(&dir.path().join("none")).unwrap_err();
    }
}
