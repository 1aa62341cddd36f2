//! A small file system in the place of a directory, for disks that are full or read-only.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::skipped;

/// Mounted as long as this lives.
pub struct Mount(PathBuf);

impl Mount {
    /// A tmpfs with these options. The directory is made where it is missing. Without the rights the test is skipped.
    pub fn tmpfs(at: &Path, options: &str) -> Option<Mount> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            skipped("no tmpfs can be mounted here");
            return None;
        }
        Some(Mount(at.to_owned()))
    }

    /// Changes its options.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let output = Command::new("mount").args(["-o", &options]).arg(&self.0).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).output());
    }
}
