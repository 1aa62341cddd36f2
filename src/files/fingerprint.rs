//! What files and directories were like when they were read, and whether they still are.
//!
//! Before: `config` notes the state of each path before it reads it.  After: `config` tells by it whether all
//! that it has read was there at one moment, `credentials` whether a file has changed while it was read, and
//! `app` whether something has changed since.
//! Holds: two equal states mean the same content. A file's times are no finer than the kernel's clock, so a
//! state is trusted only once it has been at rest for longer than a tick of it ([`REST`]).
//! Not here: what is in the files.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::files::parallel;

/// How long ago the last change must be for the next one to have another time: the kernel stamps files by a
/// clock that ticks every 10 ms at the slowest. It is also what a start may have to wait for a new file.
pub const REST: Duration = Duration::from_millis(12);

/// What a path was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Something is there, behind all symbolic links.
    There(Stamp),
    /// Nothing is there, or it cannot be reached: why.
    Away(io::ErrorKind),
    /// It changed while it was looked at. No later state is equal.
    Moving,
}

/// One content of one file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    /// Set by the kernel alone, so it tells of a change whose author has set the time of modification back.
    changed: (i64, i64),
    links: u64,
}

/// Paths, each with its state when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(Vec<(PathBuf, State)>);

// === impl State ===

impl State {
    /// The state of a path now.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(metadata) => State::There(Stamp::of(&metadata)),
            Err(error) => State::Away(error.kind()),
        }
    }
}

// === impl Stamp ===

impl Stamp {
    /// The stamp in what the system says of a file.
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

    /// Whether an open file has the content that it had. One that was replaced meanwhile has lost a link, and
    /// the kernel notes that as a change; its content is what it was.
    #[must_use]
    pub fn is_content_of(&self, later: &Stamp) -> bool {
        let replaced = later.links < self.links;
        self.modified == later.modified
            && self.length == later.length
            && (replaced || self.changed == later.changed)
    }

    /// How long one has to wait until a further change would show.
    #[must_use]
    pub fn unrest(&self) -> Duration {
        // Of a change whose author sets the time of modification back only the kernel's own time tells.
        let now = SystemTime::now();
        unrest_of(self.modified, now).max(unrest_of(self.changed, now))
    }
}

fn unrest_of((seconds, nanos): (i64, i64), now: SystemTime) -> Duration {
    let since_epoch = u64::try_from(seconds).unwrap_or(0);
    let at = Duration::new(since_epoch, u32::try_from(nanos).unwrap_or(0));
    let Some(at) = SystemTime::UNIX_EPOCH.checked_add(at) else { return Duration::ZERO };
    // A time to come is not the clock's, and the next change will have the clock's.
    let age = now.duration_since(at).unwrap_or(REST);
    REST.saturating_sub(age)
}

// === impl Snapshot ===

impl Snapshot {
    /// Notes what a path was like.
    pub fn note(&mut self, path: &Path, state: State) {
        self.0.push((path.to_path_buf(), state));
    }

    /// The paths, in the order in which they were noted.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }

    /// What the same paths are like now.
    #[must_use]
    pub fn again(&self) -> Self {
        Snapshot(parallel::map(&self.0, |(path, _)| (path.clone(), State::of(path))))
    }

    /// The first path that is no longer what it was. What was read of a single thing was there at one moment,
    /// whatever became of it since; and nothing was read of what moved.
    #[must_use]
    pub fn torn(&self) -> Option<&Path> {
        let there = self.0.iter().filter(|(_, state)| !matches!(state, State::Away(_)));
        if there.take(2).count() < 2 {
            return None;
        }
        let differs = |(path, state): &(PathBuf, State)| *state != State::Moving && State::of(path) != *state;
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
            snapshot.note(path, State::of(path));
        }
        snapshot
    }

    /// Lets a further change have another time.
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
