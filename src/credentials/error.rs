//! Why a source of logins cannot be used.
//!
//! Holds: an error names registry and source, and has no secret in it.
//! Not here: a source without a login for a registry, which is not an error.

use std::path::PathBuf;
use std::time::Duration;

use super::program::ProgramError;

/// A source that is for a registry and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no login for {registry}: {place}: {cause}")]
pub struct CredentialsError {
    /// The registry that the login is for.
    pub registry: String,
    /// The source.
    pub place: String,
    /// The problem with it.
    pub cause: Cause,
}

/// The problem with a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A file cannot be read.
    #[error("cannot read {}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The problem.
        message: String,
    },
    /// A file has the wrong content.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The problem with it.
        message: String,
    },
    /// A disk or a network file system hangs.
    #[error("the login files could not be read within {} s", after.as_secs())]
    Late {
        /// How long it had.
        after: Duration,
    },
    /// A variable is not set or has no usable text.
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
    /// systemd has passed other credentials.
    #[error("the systemd credential {name} is not there, {others} (LoadCredential= in the unit)")]
    NoCredential {
        /// The credential.
        name: String,
        /// The names of the others, in words.
        others: String,
    },
    /// The daemon cannot open a file that this process can; in words.
    #[error("{0}")]
    Closed(String),
    /// A login that is written out cannot be used.
    #[error("{0}")]
    Login(&'static str),
    /// A program failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A program succeeded, and its answer cannot be used.
    #[error("{} gave an unusable answer: {message}", program.display())]
    Answer {
        /// The program.
        program: PathBuf,
        /// The problem with its answer.
        message: String,
    },
    /// A program is needed, and the configuration does not say where it is.
    #[error("{program} is needed, and `helper-dir` is not set: programs are not looked for anywhere else")]
    NoHelperDirectory {
        /// The program's name.
        program: String,
    },
    /// A program's name has characters that are not allowed.
    #[error("{name:?} is not the name of a credential helper")]
    HelperName {
        /// What was written.
        name: String,
    },
}

// === impl Cause ===

impl Cause {
    /// A credential that is not among those that there are.
    pub(super) fn no_credential(name: &str, there: &[String]) -> Self {
        let mut there = there.to_vec();
        there.sort();
        let others = match there.as_slice() {
            [] => "and there is no other one".to_owned(),
            [one] => format!("only {one}"),
            [first @ .., last] => format!("only {} and {last}", first.join(", ")),
        };
        Cause::NoCredential { name: name.to_owned(), others }
    }
}
