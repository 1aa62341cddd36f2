//! Paths as values of keys.

use std::path::{Path, PathBuf};

use super::refusal::Refusal;

/// A path, absolute or relative.
pub(super) fn path(text: &str) -> Result<PathBuf, Refusal> {
    if text.is_empty() {
        return Err(Refusal::new("the path is empty"));
    }
    Ok(PathBuf::from(text))
}

/// An absolute path.
pub(super) fn absolute(text: &str) -> Result<PathBuf, Refusal> {
    if !text.starts_with('/') {
        return Err(Refusal::new(format!("\"{text}\" is not an absolute path")));
    }
    Ok(PathBuf::from(text))
}

/// Makes a path absolute that starts at a directory: the daemon and the programs that it runs have other working
/// directories than a shell.
pub(super) fn from(directory: &Path, path: &Path) -> PathBuf {
    let joined = directory.join(path);
    std::path::absolute(&joined).unwrap_or(joined)
}
