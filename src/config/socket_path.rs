//! The path of a unix socket.
//!
//! Holds: the path is absolute and short enough for the kernel, see unix(7).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The path of a unix socket: absolute, and short enough for the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPath(PathBuf);

/// What is wrong with the path of a socket.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketPathError {
    /// A relative path means nothing to a daemon.
    #[error("\"{0}\" is not an absolute path")]
    Relative(String),
    /// `sun_path` of unix(7) holds 107 bytes and a terminating NUL.
    #[error("a socket path of {0} bytes is too long: a unix socket can have 107 at most")]
    TooLong(usize),
    /// The kernel ends the path there.
    #[error("the path of a socket must not contain a NUL byte")]
    Nul,
    /// A path that ends in a slash names a directory.
    #[error("\"{0}\" names a directory, not a socket")]
    Directory(String),
}

// === impl SocketPath ===

impl SocketPath {
    /// One of `defaults`, which a test checks.
    pub(super) fn known(path: &'static str) -> Self {
        SocketPath(PathBuf::from(path))
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for SocketPath {
    type Err = SocketPathError;

    fn from_str(text: &str) -> Result<Self, SocketPathError> {
        if !text.starts_with('/') {
            return Err(SocketPathError::Relative(text.to_owned()));
        }
        if text.contains('\0') {
            return Err(SocketPathError::Nul);
        }
        if text.ends_with('/') {
            return Err(SocketPathError::Directory(text.to_owned()));
        }
        // unix(7): 108 bytes of sun_path, the last one for the terminator.
        if text.len() > 107 {
            return Err(SocketPathError::TooLong(text.len()));
        }
        Ok(SocketPath(PathBuf::from(text)))
    }
}

impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::defaults;
    use super::*;

    #[test]
    fn the_defaults_are_good_paths() {
        for path in [defaults::LISTEN_SOCKET, defaults::CONTAINERD_SOCKET] {
            assert_eq!(path.parse::<SocketPath>().unwrap(), SocketPath::known(path));
        }
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        let longest = format!("/{}", "x".repeat(106));
        assert_eq!(longest.parse::<SocketPath>().unwrap().as_path(), Path::new(&longest));
        let rows = [
            ("run/x.sock", "\"run/x.sock\" is not an absolute path"),
            ("", "\"\" is not an absolute path"),
            ("/run/", "\"/run/\" names a directory, not a socket"),
            ("/a\0b", "the path of a socket must not contain a NUL byte"),
        ];
        for (path, message) in rows {
            assert_eq!(path.parse::<SocketPath>().unwrap_err().to_string(), message);
        }
        let error = format!("{longest}x").parse::<SocketPath>().unwrap_err();
        assert_eq!(error, SocketPathError::TooLong(108));
    }
}
