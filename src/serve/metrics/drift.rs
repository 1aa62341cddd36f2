//! What `cri-shunt drift` has found last, read when somebody asks for the numbers.
//!
//! Holds: a disk that does not answer holds up one thread and no page. Then these numbers are missing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::state::Drift;

/// How long a page waits for the disk.
const WITHIN: Duration = Duration::from_secs(1);

/// The file in the state directory.
pub(super) struct DriftFile {
    dir: PathBuf,
    /// One reads at a time.
    reading: Arc<Semaphore>,
}

impl DriftFile {
    /// That of this state directory.
    pub(super) fn of(dir: PathBuf) -> Self {
        Self { dir, reading: Arc::new(Semaphore::new(1)) }
    }

    /// What is in it, if it can be used.
    pub(super) async fn read(&self) -> Option<Drift> {
        let found = async {
            let alone = Arc::clone(&self.reading).acquire_owned().await.ok()?;
            let dir = self.dir.clone();
            let reads = move || {
                let found = Drift::read(&dir);
                drop(alone);
                found
            };
            tokio::task::spawn_blocking(reads).await.ok()
        };
        match tokio::time::timeout(WITHIN, found).await.ok()?? {
            Ok(drift) => drift,
            Err(error) => {
                tracing::debug!(%error, "cannot read what drift has found");
                None
            }
        }
    }
}
