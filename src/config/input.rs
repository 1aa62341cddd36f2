//! What a configuration is read from: the main file, and what the command line adds.

use std::path::{Path, PathBuf};

use super::sources::source_file::SourceFile;

/// The main file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MainFile {
    /// It must exist.
    Required(PathBuf),
    /// Where it does not exist, the built-in defaults are used.
    IfPresent(PathBuf),
    /// No main file is read; the built-in defaults are used.
    Absent,
}

/// What a configuration is read from. A reload reads the same input again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The main file, with `conf.d/*.toml` beside it.
    pub main: MainFile,
    /// `policy.default-registry` from the command line; it is an error if a file sets it too.
    pub default_registry: Option<String>,
    /// Sources from the command line; they come after those in files.
    pub sources: Vec<SourceFile>,
    /// Overrides `listen.socket`.
    pub socket: Option<String>,
    /// Overrides `containerd.socket`.
    pub containerd: Option<String>,
}

// === impl Input ===

impl Input {
    /// This main file, and nothing from the command line.
    #[must_use]
    pub fn of(main: MainFile) -> Self {
        Input { main, default_registry: None, sources: Vec::new(), socket: None, containerd: None }
    }

    /// One file that must exist, and nothing from the command line.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self::of(MainFile::Required(path.to_path_buf()))
    }
}
