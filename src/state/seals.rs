//! What was found signed as it has to be: a seal for each such image, in memory and in a file of the state directory.
//!
//! Holds: a seal is for one digest, one demand and one name, and is good for nothing else. An image that is not signed has
//! none. The number of seals is bounded, and a file that is damaged, or that others can write, is as if it were not there: then
//! registries are asked again.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::files::regular_file;
use crate::files::replace::replace;
use crate::tell::moment::moment;

/// The file in the state directory, and what it is called while it is written.
const FILE: &str = "verified.json";
const NEW: &str = "verified.json.new";

/// The form of the file.
const VERSION: u32 = 1;

/// How many seals are kept. A node has a few hundred images.
const MOST: usize = 2048;

/// No file with so many is longer, in bytes.
const LONGEST: u64 = 8 << 20;

/// For how long a seal holds without another question to a registry: a signature may be taken back there.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// What a seal is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sealed {
    /// The digest that containerd is asked for.
    pub digest: String,
    /// The fingerprint of what is demanded.
    pub demand: String,
    /// The name that was asked for, as far as it counts for the demand.
    pub name: String,
}

/// That an image is signed as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// By whom: keys and identities, in words.
    pub by: Vec<String>,
    /// The repository that had the signature.
    pub found_at: String,
    /// When it was found, in seconds since 1970.
    pub time: u64,
}

/// All seals.
#[derive(Default)]
pub struct Seals {
    known: Mutex<BTreeMap<Sealed, Seal>>,
    /// The state directory; none where nothing is kept.
    dir: Option<PathBuf>,
    /// Held while the file is written.
    writing: Mutex<()>,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    seals: Vec<(Sealed, Seal)>,
}

impl Seal {
    /// One that was found now.
    pub fn now(by: Vec<String>, found_at: String) -> Self {
        Self { by, found_at, time: seconds(SystemTime::now()) }
    }

    /// When it was found.
    pub fn found(&self) -> SystemTime {
        moment(self.time)
    }

    /// Whether it holds without another question.
    pub fn is_fresh(&self) -> bool {
        self.is_within(FRESH)
    }

    /// Whether it was found no longer ago than this. A time in the future is not trusted.
    pub fn is_within(&self, age: Duration) -> bool {
        let ago = seconds(SystemTime::now()).checked_sub(self.time);
        ago.is_some_and(|ago| Duration::from_secs(ago) <= age)
    }
}

impl Seals {
    /// Those that an earlier daemon has kept in this state directory, and that are kept there from now on.
    pub fn kept_in(dir: &Path) -> Self {
        let known = match read(&dir.join(FILE)) {
            Ok(known) => known,
            Err(error) => {
                let file = dir.join(FILE);
                tracing::warn!(file = %file.display(), %error, "what was found signed before is not known any more");
                BTreeMap::new()
            }
        };
        Self { known: Mutex::new(known), dir: Some(dir.to_owned()), writing: Mutex::default() }
    }

    /// Those that a daemon keeps in this state directory, for another process: it writes nothing there.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn of_daemon(dir: &Path) -> io::Result<Self> {
        Ok(Self { known: Mutex::new(read(&dir.join(FILE))?), ..Self::default() })
    }

    /// The seal, if there is one, however old.
    pub fn get(&self, sealed: &Sealed) -> Option<Seal> {
        self.lock().get(sealed).cloned()
    }

    /// Notes a seal. It is kept with the next [`Seals::keep`].
    pub fn note(&self, sealed: Sealed, seal: Seal) {
        let mut known = self.lock();
        known.insert(sealed, seal);
        if known.len() > MOST {
            let oldest = known.iter().min_by_key(|(_, seal)| seal.time).map(|(sealed, _)| sealed.clone());
            oldest.and_then(|oldest| known.remove(&oldest));
        }
    }

    /// The image is not signed any more as it has to be. Says whether it was.
    pub fn forget(&self, sealed: &Sealed) -> bool {
        self.lock().remove(sealed).is_some()
    }

    /// Writes all seals into the state directory, if there is one. Waits for the disk.
    pub fn keep(&self) {
        let Some(dir) = &self.dir else { return };
        // One after the other, so that the last one has them all.
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let seals = self.lock().iter().map(|(sealed, seal)| (sealed.clone(), seal.clone())).collect();
        if let Err(error) = write(dir, &Kept { version: VERSION, seals }) {
            let dir = dir.display();
            tracing::warn!(%dir, %error, "what was found signed is not kept for the next start");
        }
    }

    /// Whether a file of a state directory is the file, or one that is being written, by its name.
    #[must_use]
    pub fn is_file(name: &str) -> bool {
        [FILE, NEW].contains(&name)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sealed, Seal>> {
        // Nothing panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<Sealed, Seal>> {
    let (file, metadata) = match regular_file::open(path) {
        Ok(opened) => opened,
        Err(error) => {
            let error = io::Error::from(error);
            return if error.kind() == io::ErrorKind::NotFound { Ok(BTreeMap::new()) } else { Err(error) };
        }
    };
    let is_others = ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    if is_others || metadata.permissions().mode() & 0o022 != 0 {
        return Err(io::Error::other("other users can write it"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let kept: Kept = serde_json::from_slice(&bytes)?;
    if kept.version != VERSION {
        return Err(io::Error::other("another version of the program has written it"));
    }
    Ok(kept.seals.into_iter().take(MOST).collect())
}

fn write(dir: &Path, kept: &Kept) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    replace(&dir.join(FILE), &dir.join(NEW), &serde_json::to_vec(kept)?)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sealed(digest: &str) -> Sealed {
        Sealed { digest: digest.to_owned(), demand: "d".to_owned(), name: "docker.io/a".to_owned() }
    }

    fn seal(time: u64) -> Seal {
        Seal { time, ..Seal::now(vec!["key k".to_owned()], "m.dev/a".to_owned()) }
    }

    #[test]
    fn seals_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        let seals = Seals::kept_in(&state_dir);
        seals.note(sealed("1"), seal(7));
        seals.note(sealed("2"), seal(8));
        assert!(seals.forget(&sealed("2")) && !seals.forget(&sealed("2")));
        seals.keep();
        let again = Seals::kept_in(&state_dir);
        assert_eq!((again.get(&sealed("1")), again.get(&sealed("2"))), (Some(seal(7)), None));
        // Another process can read them, and writes nothing.
        let others = Seals::of_daemon(&state_dir).unwrap();
        others.note(sealed("2"), seal(9));
        others.keep();
        let again = Seals::kept_in(&state_dir);
        assert_eq!((others.get(&sealed("1")), again.get(&sealed("2"))), (Some(seal(7)), None));
        let other = Sealed { demand: "other".to_owned(), ..sealed("1") };
        assert_eq!(again.get(&other), None);
        let names: Vec<_> =
            fs::read_dir(&state_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE]);
        let file = state_dir.join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        // What somebody else may have written says nothing.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(Seals::kept_in(&state_dir).get(&sealed("1")), None);
        assert!(Seals::of_daemon(&state_dir).is_err());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        // Only root can give it to somebody else.
        if std::os::unix::fs::chown(&file, Some(65534), None).is_ok() {
            assert_eq!(Seals::kept_in(&state_dir).get(&sealed("1")), None);
            std::os::unix::fs::chown(&file, Some(0), None).unwrap();
        }
        assert_eq!(Seals::kept_in(&state_dir).get(&sealed("1")), Some(seal(7)));
        fs::write(&file, "{\"version\":1,\"seals\":[").unwrap();
        assert_eq!(Seals::kept_in(&state_dir).get(&sealed("1")), None);
    }

    #[test]
    fn a_bounded_number_of_seals_is_kept_and_the_oldest_goes() {
        let seals = Seals::default();
        for time in 0..MOST as u64 + 2 {
            seals.note(sealed(&time.to_string()), seal(time));
        }
        let known = |time: usize| seals.get(&sealed(&time.to_string())).is_some();
        assert!(!known(0) && !known(1) && known(2) && known(MOST + 1));
        // Nothing is written where nothing is kept.
        seals.keep();
    }

    #[test]
    fn a_seal_holds_for_a_day_without_a_question() {
        let now = seconds(SystemTime::now());
        assert!(seal(now - 60).is_fresh());
        assert!(!seal(now - 25 * 3600).is_fresh());
        assert!(seal(now - 25 * 3600).is_within(Duration::from_secs(48 * 3600)));
        assert!(!seal(now + 3600).is_fresh(), "the clock was set back");
    }
}
