//! Where something is written.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// A file of the node, and a line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its path on the node.
    pub file: PathBuf,
    /// Counted from 1, where it is about a line.
    pub line: Option<u64>,
}

/// A setting and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// As it is written.
    pub value: String,
    /// Where.
    pub at: Place,
}

// === impl Place ===

impl Place {
    /// A whole file.
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Place { file: file.into(), line: None }
    }

    /// A line of a file.
    pub fn line(file: impl Into<PathBuf>, line: u64) -> Self {
        Place { file: file.into(), line: Some(line) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}
