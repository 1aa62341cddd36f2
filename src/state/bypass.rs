//! The break-glass file, which suspends every policy while it exists.
//!
//! Holds: its coming and its going are logged once each, not at each call.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often it is looked at without a call.
const LOOK: Duration = Duration::from_secs(2);

/// The file, and since when it is there.
#[derive(Debug)]
pub struct Bypass {
    file: PathBuf,
    since: Mutex<Option<Instant>>,
}

impl Bypass {
    /// This file.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file, since: Mutex::default() }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether it is there. Looked up at each call that a policy would touch, so that it acts at once.
    pub fn is_there(&self) -> bool {
        let is_there = self.file.exists();
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.file.display();
        match *since {
            None if is_there => {
                *since = Some(Instant::now());
                tracing::warn!("the bypass file {file} is there: no policy is applied until it is removed");
            }
            Some(begun) if !is_there => {
                *since = None;
                let lasted = Duration::from_secs(begun.elapsed().as_secs());
                tracing::warn!(
                    "the bypass file {file} is gone: the policy is applied again, after {lasted:?}"
                );
            }
            _ => {}
        }
        is_there
    }

    /// Looks at it now and then, so that the log has its times also where no call comes.
    pub async fn watch(&self) {
        loop {
            self.is_there();
            tokio::time::sleep(LOOK).await;
        }
    }
}
