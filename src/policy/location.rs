//! The location of a mirror: a host and a path in front of repositories.
//!
//! Before: `config` reads the text.  After: `decide` puts candidates together from it.
//! Holds: the host's spelling is kept, and containerd reads it as a host.
//! Not here: TLS and credentials of the mirror, which go by host (`credentials`, `hosts.toml`).

use std::fmt;
use std::str::FromStr;

/// Stands in a location's path for the host of the name that is asked for.
pub(super) const PLACEHOLDER: &str = "{host}";

/// A mirror: `host[:port][/path]`; the path may hold `{host}` once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    text: String,
    host_end: usize,
}

/// Why a text is no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing there.
    #[error("a mirror can't be empty")]
    Empty,
}

impl LocationError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        None
    }
}

impl Location {
    /// The host, as spelled.
    pub fn host(&self) -> &str {
        &self.text[..self.host_end]
    }

    /// The path behind the host; empty where there is none.
    pub fn path(&self) -> &str {
        self.text.get(self.host_end + 1..).unwrap_or("")
    }

    /// Whether the path holds `{host}`.
    pub fn has_placeholder(&self) -> bool {
        self.path().contains(PLACEHOLDER)
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(s: &str) -> Result<Self, LocationError> {
        if s.is_empty() {
            return Err(LocationError::Empty);
        }
        Ok(Self { text: s.to_owned(), host_end: s.find('/').unwrap_or(s.len()) })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
