//! What `cri-shunt drift --write` has found last: a file in the state directory, for the daemon's metrics.
//!
//! Holds: the file has counts and a time, and no name of an image. A file that the program has not written counts as none.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::files::regular_file;
use crate::files::replace::replace;

/// The file in the state directory.
const FILE: &str = "drift.json";

/// The file while it is being written.
const NEW: &str = "drift.json.new";

/// The one form that it has.
const VERSION: u32 = 1;

/// No more is read, in bytes.
const LIMIT: u64 = 4096;

/// How many images were in which state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    version: u32,
    /// When it was looked, seconds since the Unix epoch.
    pub looked_at: u64,
    /// Images that are the same wherever they are.
    pub same: u64,
    /// Two places have different images.
    pub differs: u64,
    /// A candidate does not have it.
    pub missing: u64,
    /// A place could not be looked at.
    pub unknown: u64,
    /// The policy denies it.
    pub denied: u64,
}

impl Drift {
    /// Nothing counted yet, now.
    #[must_use]
    pub fn now() -> Self {
        let looked_at =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { version: VERSION, looked_at, ..Self::default() }
    }

    /// The counts with the word for each.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 5] {
        let Self { version: _, looked_at: _, same, differs, missing, unknown, denied } = *self;
        [("same", same), ("differs", differs), ("missing", missing), ("unknown", unknown), ("denied", denied)]
    }

    /// Whether a file of a state directory is this one, by its name.
    #[must_use]
    pub fn is_file(name: &str) -> bool {
        [FILE, NEW].contains(&name)
    }

    /// Puts it in the place of what was found before.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        replace(&dir.join(FILE), &dir.join(NEW), &serde_json::to_vec(self)?)
    }

    /// What was found last; nothing where there is no such file.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        let bytes = match regular_file::read(&dir.join(FILE), LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let drift: Self = serde_json::from_slice(&bytes)?;
        match drift.version {
            VERSION => Ok(Some(drift)),
            _ => Err(io::Error::other("another version of cri-shunt wrote it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert_eq!(Drift::read(&state).unwrap(), None);
        let drift = Drift { differs: 2, denied: 1, ..Drift::now() };
        drift.write(&state).unwrap();
        drift.write(&state).unwrap();
        assert_eq!(Drift::read(&state).unwrap(), Some(drift));
        assert!(!state.join(NEW).exists());
        let path = state.join(FILE);
        let whole = fs::read_to_string(&path).unwrap();
        let long = format!("{whole}{}", " ".repeat(5000));
        let others = ["", "[]", "{}", &whole.replace("\"version\":1", "\"version\":2"), &long];
        for text in others.into_iter().chain([whole.replace("\"differs\":2", "\"differs\":-2").as_str()]) {
            fs::write(&path, text).unwrap();
            assert_eq!(Drift::read(&state).ok(), None, "{text}");
        }
        // A pipe would wait for its writer.
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        assert_eq!(Drift::read(&state).ok(), None);
    }
}
