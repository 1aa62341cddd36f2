//! What a daemon leaves on a node beside its program: removed when `install` has brought it and it goes again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::eject::node::{Done, Node, USUAL};
use crate::cli::runtime;
use crate::config::{Input, MainFile, starts_with};
use crate::install::CONFIG;

/// What systemd makes for the unit.
const OF_UNIT: [&str; 2] = ["/run/cri-shunt", "/var/log/cri-shunt"];

/// Where the daemon has something, by its configuration. It is looked at before that goes.
pub(crate) struct Left(Node);

impl Left {
    pub(crate) fn look() -> Self {
        let input = Input::of(MainFile::IfPresent(CONFIG.into()));
        Left(Node::of(starts_with(&input), Vec::new()))
    }

    /// Removes it. `missing` are directories that were not there before: they go too, if they are empty.
    pub(crate) fn remove(&self, missing: &[PathBuf]) -> Done {
        let mut done = Done::default();
        // That it cannot wait is told.
        let _ = runtime::block_on(self.0.leave_containerd(true, &mut done));
        self.0.leave_files(true, &mut done);
        let more = OF_UNIT.iter().map(Path::new);
        for directory in missing.iter().rev().map(PathBuf::as_path).chain(more) {
            // Others may have put something there.
            let _ = fs::remove_dir(directory);
        }
        done
    }
}

/// The directories that are not there and that the daemon may make, those above first.
pub(super) fn missing() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for root in USUAL.iter().filter(|root| !root.contains(':')) {
        let mut above: Vec<&Path> = Path::new(root).ancestors().filter(|path| !path.exists()).collect();
        above.reverse();
        found.extend(
            above.into_iter().map(Path::to_path_buf).filter(|path| !found.contains(path)).collect::<Vec<_>>(),
        );
    }
    found
}
