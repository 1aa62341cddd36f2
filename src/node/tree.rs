//! Reads the files of a node: of this machine, or of one whose disk is mounted somewhere.
//!
//! Holds: a link leads to where it leads on the node, and never out of its tree. Only regular files of a bounded length
//! are read. What cannot be read is kept, to be told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::finding::Finding;
use super::place::Place;
use crate::files::regular_file;

/// More than any of these files has.
const MAX_FILE: u64 = 1 << 20;

/// More names than any of these directories has.
const MAX_NAMES: usize = 10_000;

/// More links than the kernel follows.
const MAX_LINKS: usize = 40;

/// The files of a node.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
    /// Texts that count as if they were there, by where the files are for this process.
    planned: BTreeMap<PathBuf, String>,
    /// What could not be read, and why.
    unread: RefCell<BTreeMap<PathBuf, String>>,
}

// === impl Tree ===

impl Tree {
    /// The tree below a directory.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn at(root: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        fs::read_dir(&root)?;
        Ok(Tree { root, planned: BTreeMap::new(), unread: RefCell::default() })
    }

    /// The same tree with these texts in the place of files, as if they were written.
    ///
    /// # Errors
    /// As [`Tree::way`].
    pub fn with<'a>(&self, texts: impl IntoIterator<Item = (&'a Path, &'a str)>) -> io::Result<Self> {
        let mut planned = self.planned.clone();
        for (path, text) in texts {
            planned.insert(self.way(path)?, text.to_owned());
        }
        Ok(Tree { root: self.root.clone(), planned, unread: RefCell::default() })
    }

    /// Whether these are the files of the machine that this process runs on.
    pub fn is_own(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The user to whom the files of root belong here.
    pub fn root_user(&self) -> u32 {
        if self.is_own() { 0 } else { fs::metadata(&self.root).map_or(0, |found| found.uid()) }
    }

    /// The text of a file, if it is there and can be read. A link to /dev/null is an empty file: so one is masked.
    pub fn text(&self, path: &Path) -> Option<String> {
        let read = self.way(path).and_then(|real| match self.planned.get(&real) {
            Some(text) => Ok(text.clone().into_bytes()),
            None if real == self.root.join("dev/null") => Ok(Vec::new()),
            None => regular_file::read(&real, MAX_FILE),
        });
        let text = read.and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
        });
        self.kept(path, text)
    }

    /// The names in a directory in their order; none if it is not there.
    pub fn names(&self, path: &Path) -> Vec<OsString> {
        let real = self.way(path);
        let planned = real.as_deref().map(|real| self.planned_in(real)).unwrap_or_default();
        let names = real.and_then(|real| {
            let entries = fs::read_dir(real)?.take(MAX_NAMES);
            entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()
        });
        let mut names = self.kept(path, names).unwrap_or_default();
        names.extend(planned);
        names.sort();
        names.dedup();
        names
    }

    /// What the system says of a file, or of the one that a link leads to.
    pub fn metadata(&self, path: &Path) -> Option<Metadata> {
        self.way(path).and_then(fs::metadata).ok()
    }

    /// Whether something is there.
    pub fn has(&self, path: &Path) -> bool {
        self.metadata(path).is_some()
    }

    fn planned_in(&self, directory: &Path) -> Vec<OsString> {
        let inside = self.planned.keys().filter(|path| path.parent() == Some(directory));
        inside.filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect()
    }

    /// Where a link leads, as it is written.
    pub fn link(&self, path: &Path) -> Option<PathBuf> {
        let above = self.way(path.parent()?).ok()?;
        fs::read_link(above.join(path.file_name()?)).ok()
    }

    /// Where a file of the node is for this process.
    ///
    /// # Errors
    /// There are too many links on the way.
    pub fn way(&self, path: &Path) -> io::Result<PathBuf> {
        let mut found = self.root.clone();
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                // No link is in `found`, so this is the directory above it. Above the root is the root.
                if found != self.root {
                    found.pop();
                }
                continue;
            }
            let next = found.join(part);
            let Ok(target) = fs::read_link(&next) else {
                found = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(io::Error::other("too many links"));
            }
            if target.is_absolute() {
                found.clone_from(&self.root);
            }
            rest.extend(parts(&target));
        }
        Ok(found)
    }

    /// A finding for each file and directory that is there and cannot be read.
    pub fn unread(&self) -> Vec<Finding> {
        let found = |(path, why): (&PathBuf, &String)| {
            Finding::warning("cannot-read", format!("{} cannot be read: {why}", path.display()))
                .at(&Place::file(path))
                .advice("nothing that it may say is looked at: make it a file that root can read")
        };
        self.unread.borrow().iter().map(found).collect()
    }

    fn kept<T>(&self, path: &Path, read: io::Result<T>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => {
                self.unread.borrow_mut().insert(path.to_owned(), error.to_string());
                None
            }
        }
    }
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        _ => None,
    });
    parts.rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_in_the_tree() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "x").unwrap();
        fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        fs::write(dir.path().join("usr/lib/file"), "inside").unwrap();
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        symlink("/usr/lib/file", dir.path().join("absolute")).unwrap();
        symlink("../../../../../usr/lib/file", dir.path().join("up")).unwrap();
        symlink(outside.path().join("secret"), dir.path().join("out")).unwrap();
        symlink("round", dir.path().join("round")).unwrap();
        let tree = Tree::at(dir.path()).unwrap();
        for path in ["/lib/file", "/absolute", "/up", "/lib/../lib/file", "/../usr/lib/file"] {
            assert_eq!(tree.text(Path::new(path)).as_deref(), Some("inside"), "{path}");
        }
        assert_eq!(tree.text(Path::new("/out")), None);
        assert_eq!(tree.text(Path::new("/none")), None);
        assert!(tree.unread().is_empty());
        assert_eq!(tree.text(Path::new("/round")), None);
        assert_eq!(tree.unread().len(), 1);
    }

    #[test]
    fn planned_texts_count_as_written() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("real/d")).unwrap();
        fs::write(dir.path().join("real/d/a"), "old").unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        let tree = Tree::at(dir.path()).unwrap();
        let planned =
            tree.with([(Path::new("/link/d/a"), "new"), (Path::new("/link/none/b"), "more")]).unwrap();
        assert_eq!(planned.text(Path::new("/real/d/a")).as_deref(), Some("new"));
        assert_eq!(planned.text(Path::new("/real/none/b")).as_deref(), Some("more"));
        assert_eq!(planned.names(Path::new("/link/d")), ["a"]);
        assert_eq!(planned.names(Path::new("/real/none")), ["b"]);
        assert_eq!(tree.text(Path::new("/real/d/a")).as_deref(), Some("old"));
        assert!(planned.unread().is_empty());
    }

    #[test]
    fn a_masked_file_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/dev/null", dir.path().join("masked")).unwrap();
        // Of a tree without devices as of this machine.
        let trees = [(dir.path(), PathBuf::from("/masked")), (Path::new("/"), dir.path().join("masked"))];
        for (root, path) in trees {
            let tree = Tree::at(root).unwrap();
            assert_eq!((tree.text(&path).as_deref(), tree.unread()), (Some(""), Vec::new()), "{root:?}");
        }
    }

    #[test]
    fn what_is_no_file_of_a_bounded_length_is_a_finding() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
        fs::create_dir(at("directory")).unwrap();
        fs::write(at("binary"), [0xff, 0xfe]).unwrap();
        fs::File::create(at("huge")).unwrap().set_len(MAX_FILE + 1).unwrap();
        let tree = Tree::at(dir.path()).unwrap();
        for name in ["pipe", "directory", "binary", "huge"] {
            assert_eq!(tree.text(&Path::new("/").join(name)), None);
        }
        let told: Vec<String> = tree.unread().into_iter().map(|finding| finding.what).collect();
        assert_eq!(
            told,
            [
                "/binary cannot be read: it is not UTF-8",
                "/directory cannot be read: it is a directory",
                "/huge cannot be read: it is longer than 1024 KiB",
                "/pipe cannot be read: it is not a regular file",
            ]
        );
    }
}
