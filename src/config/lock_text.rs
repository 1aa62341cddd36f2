//! The text of a lock.
//!
//! Holds: it is sorted, one thing a line, so that a small change of a lock is a small change of its file.

use super::import;
use super::lock::{Lock, Locked, VERSION};

/// How the file begins.
pub const LOCK_HEAD: &str = "# Written by cri-shunt lock.";

impl Lock {
    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{LOCK_HEAD}\n# What has moved: cri-shunt lock --check. Look again: cri-shunt lock --update.\n"
        );
        text.push_str(&format!("version = {VERSION}\n"));
        let string = import::string;
        for (name, Locked { digest, asked, platforms }) in &self.images {
            text.push_str(&format!("\n[[image]]\nname = {}\n", string(name)));
            text.push_str(&format!("digest = {}\nasked = {}\n", string(digest), string(asked)));
            if !platforms.is_empty() {
                text.push_str("[image.platforms]\n");
            }
            for (platform, digest) in platforms {
                text.push_str(&format!("{} = {}\n", string(platform), string(digest)));
            }
        }
        text
    }
}
