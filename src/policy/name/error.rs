//! Why a string is not an image reference.

use std::fmt;

/// Why a string is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The string is empty.
    #[error("an image reference can't be empty")]
    Empty,
    /// It begins as a path of the file system does.
    #[error("a path, not an image reference")]
    Path,
    /// It begins with something like `https://`.
    #[error("an image reference has no scheme: remove \"{scheme}://\"")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// A character that is not allowed there.
    #[error("{} in the {part}", shown(*found))]
    Character {
        /// The first such character.
        found: char,
        /// Where it is.
        part: Part,
    },
    /// The part that would be the host is not one.
    #[error("{host:?} is not a registry host")]
    Host {
        /// What was taken for it.
        host: String,
    },
    /// A host with nothing behind it.
    #[error("the repository is missing")]
    NoRepository,
    /// Two slashes in a row, or one at the beginning or the end.
    #[error("an empty part in the repository: remove one slash")]
    EmptyPart,
    /// Upper case in the repository.
    #[error("upper case in the repository")]
    UpperCase,
    /// A part of the repository has its separators in the wrong place.
    #[error(
        "{text:?} in the repository: letters and digits can be joined by \".\", \"_\", \"__\" or dashes only"
    )]
    RepositoryPart {
        /// The part between two slashes.
        text: String,
    },
    /// The repository path is too long.
    #[error("a repository path of {length} characters; at most 255 are allowed")]
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// 64 hex digits are an image id.
    #[error("64 hex digits are an image id, not a name")]
    Identifier,
    /// Nothing is behind the colon.
    #[error("the tag after the colon is missing")]
    NoTag,
    /// The tag is too long.
    #[error("a tag of {length} characters; at most 128 are allowed")]
    TagLength {
        /// How long it is.
        length: usize,
    },
    /// A tag begins with a letter, a digit or `_`.
    #[error("the tag begins with {first:?}")]
    TagStart {
        /// Its first character.
        first: char,
    },
    /// What follows the `@` is not a digest.
    #[error("{text:?} is not a digest: write \"sha256:\" and 64 hex digits")]
    Digest {
        /// What follows the `@`.
        text: String,
    },
    /// More than one `@`.
    #[error("more than one digest")]
    TwoDigests,
    /// The digest is not as long as its algorithm says.
    #[error("a {algorithm} digest has {digits} hex digits, not {found}")]
    DigestLength {
        /// Its algorithm.
        algorithm: &'static str,
        /// How many hex digits it must have.
        digits: usize,
        /// How many characters it has.
        found: usize,
    },
    /// Digests are lower case.
    #[error("upper case in the digest")]
    DigestUpperCase,
    /// containerd does not know the digest's algorithm.
    #[error("containerd knows no digest algorithm {algorithm:?}: use sha256")]
    DigestAlgorithm {
        /// What was written.
        algorithm: String,
    },
    /// It does not follow the grammar.
    #[error("not an image reference")]
    Format,
}

/// A part of an image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The registry.
    Host,
    /// The repository's path.
    Repository,
    /// What follows the colon.
    Tag,
    /// What follows the `@`.
    Digest,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Repository => "repository",
            Self::Tag => "tag",
            Self::Digest => "digest",
        })
    }
}

/// A character in words, where it can't be seen.
fn shown(found: char) -> String {
    match found {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\n' | '\r' => "a line break".to_owned(),
        found if found.is_control() => "a control character".to_owned(),
        found => format!("{found:?}"),
    }
}
