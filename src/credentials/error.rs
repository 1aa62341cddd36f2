//! Why there are no credentials where there should be some.
//!
//! Before: a source that could not be asked.  After: the candidate fails with these words.
//! Holds: registry and source are named, and nothing secret is in it.
//! Not here: a source that has nothing for a registry, which is no error.

use std::path::PathBuf;
use std::time::Duration;

use super::program::ProgramError;

/// A source that is for a registry and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no login for {registry}: {place}: {cause}")]
pub struct CredentialsError {
    /// The registry that they were for.
    pub registry: String,
    /// The source, as it is shown everywhere.
    pub place: String,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A file cannot be read.
    #[error("cannot read {}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words, or ours.
        message: String,
    },
    /// A file can be read, and is not what it should be.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The disk, or a network file system, hangs.
    #[error("the files of logins were not read within {} s", after.as_secs())]
    Late {
        /// How long it had.
        after: Duration,
    },
    /// A variable has no text.
    #[error("the environment variable {name} is {what}")]
    Variable {
        /// The variable.
        name: String,
        /// What it is.
        what: &'static str,
    },
    /// systemd has passed no credentials.
    #[error(
        "the systemd credential {name} is not there: CREDENTIALS_DIRECTORY is not set (LoadCredential= in the unit)"
    )]
    NoCredentialsDirectory {
        /// The credential.
        name: String,
    },
    /// A login that is written out has nothing in it that can be used.
    #[error("{0}")]
    Login(&'static str),
    /// A program failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A program ended well, and its answer is none.
    #[error("{} answers nothing that can be used: {message}", program.display())]
    Answer {
        /// The program.
        program: PathBuf,
        /// What is wrong with its answer.
        message: String,
    },
    /// A program is needed, and it is not said where to look for it.
    #[error("{program} is needed, and `helper-dir` is not set: programs are not looked for anywhere else")]
    NoHelperDirectory {
        /// The program's name.
        program: String,
    },
    /// A program's name would lead elsewhere.
    #[error("{name:?} is no name of a credential helper")]
    HelperName {
        /// What was written.
        name: String,
    },
}
