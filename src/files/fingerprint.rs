//! The state of files and directories when they were read, and whether it has changed.
//!
//! Holds: two equal states mean the same content. A file's times are only as fine as the kernel's clock, so a
//! state is trusted only if the last change is longer ago than one tick of it (`REST`).
//! Not here: the meaning of the files.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::files::parallel;

/// How long ago the last change must be so that the next one gets another time: the kernel's clock for files
/// ticks at least every 10 ms. A start may have to wait this long for a new file.
const REST: Duration = Duration::from_millis(12);

/// The state of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Something is there; symbolic links are followed.
    There(Stamp),
    /// Nothing is there, or it cannot be reached: why.
    Away(io::ErrorKind),
    /// It changed while it was examined. No later state is equal.
    Moving,
}

/// One content of one file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    /// Only the kernel sets it, so it shows a change even if the time of modification was set back.
    changed: (i64, i64),
    links: u64,
}

/// Paths, each with its state when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(Vec<(PathBuf, FileState)>);

// === impl FileState ===

impl FileState {
    /// The state of a path now.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(metadata) => FileState::There(Stamp::of(&metadata)),
            Err(error) => FileState::Away(error.kind()),
        }
    }
}

// === impl Stamp ===

impl Stamp {
    /// The stamp in the metadata of a file.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Stamp {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            links: metadata.nlink(),
        }
    }

    /// The length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether an open file has the same content as before. A file that was replaced meanwhile has lost a link,
    /// which the kernel counts as a change, but its content is the same.
    #[must_use]
    pub fn is_content_of(&self, later: &Stamp) -> bool {
        let replaced = later.links < self.links;
        self.modified == later.modified
            && self.length == later.length
            && (replaced || self.changed == later.changed)
    }

    /// How long to wait until a further change is visible.
    #[must_use]
    pub fn unrest(&self) -> Duration {
        // If the time of modification was set back, only the kernel's own time shows the change.
        let now = SystemTime::now();
        unrest_of(self.modified, now).max(unrest_of(self.changed, now))
    }
}

fn unrest_of((seconds, nanos): (i64, i64), now: SystemTime) -> Duration {
    let since_epoch = u64::try_from(seconds).unwrap_or(0);
    let at = Duration::new(since_epoch, u32::try_from(nanos).unwrap_or(0));
    let Some(at) = SystemTime::UNIX_EPOCH.checked_add(at) else { return Duration::ZERO };
    // A time in the future is not from the clock, and the next change gets its time from the clock.
    let age = now.duration_since(at).unwrap_or(REST);
    REST.saturating_sub(age)
}

// === impl Snapshot ===

impl Snapshot {
    /// Notes the state of a path.
    pub fn note(&mut self, path: &Path, state: FileState) {
        self.0.push((path.to_path_buf(), state));
    }

    /// The paths, in the order of their notes.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }

    /// The state of the same paths now.
    #[must_use]
    pub fn again(&self) -> Self {
        Snapshot(parallel::map(&self.0, |(path, _)| (path.clone(), FileState::of(path))))
    }

    /// The first path that has changed. A single path cannot disagree with another one, whatever happened to it
    /// since; and nothing was read of a path that changed while it was examined.
    #[must_use]
    pub fn torn(&self) -> Option<&Path> {
        let there = self.0.iter().filter(|(_, state)| !matches!(state, FileState::Away(_)));
        if there.take(2).count() < 2 {
            return None;
        }
        let differs = |(path, state): &(PathBuf, FileState)| {
            *state != FileState::Moving && FileState::of(path) != *state
        };
        let differ = parallel::map(&self.0, differs);
        self.0.iter().zip(differ).find(|(_, differs)| *differs).map(|((path, _), _)| path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(paths: &[&Path]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for path in paths {
            snapshot.note(path, FileState::of(path));
        }
        snapshot
    }

    /// Waits so that a further change gets another time.
    fn rest() {
        std::thread::sleep(REST);
    }

    #[test]
    fn every_sort_of_change_shows() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        let other = dir.path().join("other");
        std::fs::write(&other, "aa").unwrap();
        let changes: [(&str, &dyn Fn()); 7] = [
            ("appears", &|| std::fs::write(&file, "aa").unwrap()),
            ("is written in place, as long as before", &|| std::fs::write(&file, "bb").unwrap()),
            ("is replaced", &|| {
                std::fs::write(dir.path().join("new"), "bb").unwrap();
                std::fs::rename(dir.path().join("new"), &file).unwrap();
            }),
            ("is deleted", &|| std::fs::remove_file(&file).unwrap()),
            ("is a link", &|| std::os::unix::fs::symlink(&other, &file).unwrap()),
            ("what the link leads to is written", &|| std::fs::write(&other, "bb").unwrap()),
            ("the link leads elsewhere", &|| {
                std::os::unix::fs::symlink(dir.path(), &link).unwrap();
                std::fs::rename(&link, &file).unwrap();
            }),
        ];
        for (what, change) in changes {
            let before = noted(&[&file]);
            assert_eq!(before, before.again(), "{what}");
            rest();
            change();
            assert_ne!(before, before.again(), "{what}");
        }
        let before = noted(&[dir.path()]);
        rest();
        std::fs::write(dir.path().join("more"), "").unwrap();
        assert_ne!(before, before.again(), "a file in a directory");
    }

    #[test]
    fn a_time_that_is_set_back_does_not_hide_a_change() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let back = SystemTime::now() - Duration::from_secs(100);
        let write = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            file.as_file().set_modified(back).unwrap();
        };
        write("aa");
        let before = noted(&[file.path()]);
        rest();
        write("bb");
        assert_ne!(before, before.again());
    }

    #[test]
    fn an_open_file_that_was_replaced_is_what_it_was_and_one_that_is_written_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "aa").unwrap();
        let open = std::fs::File::open(&path).unwrap();
        let stamp = || Stamp::of(&open.metadata().unwrap());
        let before = stamp();
        rest();
        std::fs::write(dir.path().join("new"), "bb").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(before.is_content_of(&stamp()));
        let open = std::fs::File::open(&path).unwrap();
        let stamp = || Stamp::of(&open.metadata().unwrap());
        let before = stamp();
        rest();
        std::fs::write(&path, "cc").unwrap();
        assert!(!before.is_content_of(&stamp()));
        // By one who sets the time of modification back as well.
        let modified = open.metadata().unwrap().modified().unwrap();
        let before = stamp();
        rest();
        std::fs::write(&path, "dd").unwrap();
        open.set_modified(modified).unwrap();
        assert_eq!(before.modified, stamp().modified);
        assert!(!before.is_content_of(&stamp()));
    }

    #[test]
    fn one_thing_alone_cannot_be_torn_and_two_can() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        std::fs::write(&one, "").unwrap();
        let alone = noted(&[&one, &two]);
        std::fs::write(&two, "").unwrap();
        assert_eq!(alone.torn(), None);
        let both = noted(&[&one, &two]);
        assert_eq!(both.torn(), None);
        std::fs::remove_file(&two).unwrap();
        assert_eq!(both.torn(), Some(two.as_path()));
    }

    #[test]
    fn what_was_changed_just_now_is_not_at_rest_yet() {
        let now = SystemTime::now();
        let since = |at: SystemTime| {
            let since_epoch = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            (i64::try_from(since_epoch.as_secs()).unwrap(), i64::from(since_epoch.subsec_nanos()))
        };
        assert_eq!(unrest_of(since(now), now), REST);
        assert_eq!(unrest_of(since(now - REST / 2), now), REST / 2);
        assert_eq!(unrest_of(since(now - REST), now), Duration::ZERO);
        assert_eq!(unrest_of(since(now + Duration::from_secs(1000)), now), Duration::ZERO);
    }

    #[test]
    fn a_time_that_is_set_back_does_not_bring_rest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The clock may go on between the change and the look at it, but hardly each time.
        let moves = (0..100).any(|_| {
            file.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            !Stamp::of(&file.as_file().metadata().unwrap()).unrest().is_zero()
        });
        assert!(moves);
    }
}
