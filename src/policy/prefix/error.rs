//! Why a text is not a prefix.
//!
//! Not here: what to write instead (`hint`), where in a file the text stands (`config`).

use super::super::name::NameError;

/// Why a text is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The text is empty.
    #[error("a prefix can't be empty")]
    Empty,
    /// Something like `https://` in front.
    #[error("prefix {text:?} begins with a scheme")]
    Scheme {
        /// The prefix as written.
        text: String,
    },
    /// No host in front.
    #[error("prefix {text:?} does not begin with a host")]
    NoHost {
        /// The prefix as written.
        text: String,
    },
    /// A slash at the end.
    #[error("prefix {text:?} ends with a slash")]
    TrailingSlash {
        /// The prefix as written.
        text: String,
    },
    /// Upper case in the path.
    #[error("prefix {text:?} has upper case in its path")]
    UpperCase {
        /// The prefix as written.
        text: String,
    },
    /// A `*` in a place where it has no meaning.
    #[error("prefix {text:?} has a wildcard where it has no meaning")]
    Wildcard {
        /// The prefix as written.
        text: String,
    },
    /// `*.domain:port`.
    #[error("prefix {text:?} is a wildcard with a port")]
    WildcardPort {
        /// The prefix as written.
        text: String,
    },
    /// A tag or digest right behind a host.
    #[error("prefix {text:?} has a tag or a digest but no repository")]
    NoRepository {
        /// The prefix as written.
        text: String,
        /// The host in it; empty where it may be a login.
        host: String,
    },
    /// Tag and digest.
    #[error("prefix {text:?} has both a tag and a digest")]
    TagAndDigest {
        /// The prefix as written.
        text: String,
        /// The same without the tag.
        digest_only: String,
    },
    /// One component on Docker Hub with a tag or digest: an official image without its namespace. It would
    /// match nothing, because containerd adds `library/`.
    #[error("prefix {text:?} leaves out the namespace of Docker Hub's official images")]
    Official {
        /// The prefix as written.
        text: String,
        /// The same with `library/`.
        full: String,
    },
    /// The host is malformed.
    #[error("{host:?} is not a registry host")]
    Host {
        /// The host in it; the whole text where that may hold a login.
        host: String,
    },
    /// The path, the tag or the digest can't stand in a reference.
    #[error("prefix {text:?} can't match")]
    Invalid {
        /// The prefix as written.
        text: String,
        /// The problem with it.
        #[source]
        cause: NameError,
    },
}
