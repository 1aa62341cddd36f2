//! The prefix of a rule: which names it is for.
//!
//! Before: `config` reads the text.  After: `decide` finds rules by the prefix's text.
//! Holds: the text is folded as keys are, so equal prefixes have equal texts.
//! Not here: which of several matching rules wins (`decide`).

use std::fmt;
use std::str::FromStr;

use super::grammar;
use super::key::{HUB, fold_host, split_port};

/// The names that a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    text: String,
    kind: Kind,
}

/// The sorts of prefix, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `host/repository@digest` or `host/repository:tag`.
    Exact,
    /// `host/path`: that repository and every one below.
    Path,
    /// `host`, with its port if it has one.
    Host,
    /// `*.domain`: every host below the domain, on any port.
    Domain,
    /// `*`: everything.
    Any,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Nothing there.
    #[error("a prefix can't be empty")]
    Empty,
    /// Something like `https://` in front.
    #[error("{text:?} begins with a scheme")]
    Scheme {
        /// The prefix as written.
        text: String,
    },
    /// No host in front.
    #[error("{text:?} does not begin with a host")]
    NoHost {
        /// The prefix as written.
        text: String,
    },
    /// A slash at the end.
    #[error("{text:?} ends with a slash")]
    TrailingSlash {
        /// The prefix as written.
        text: String,
    },
    /// Upper case in the path.
    #[error("upper case in the path of {text:?}")]
    UpperCase {
        /// The prefix as written.
        text: String,
    },
    /// A `*` where none is understood.
    #[error("{text:?} has a wildcard where none is understood")]
    Wildcard {
        /// The prefix as written.
        text: String,
    },
    /// `*.domain:port`.
    #[error("{text:?} is a wildcard with a port")]
    WildcardPort {
        /// The prefix as written.
        text: String,
    },
    /// A tag or digest right behind a host.
    #[error("{text:?} has a tag or a digest but no repository")]
    NoRepository {
        /// The prefix as written.
        text: String,
        /// The host in it.
        host: String,
    },
    /// Tag and digest.
    #[error("{text:?} has both a tag and a digest")]
    TagAndDigest {
        /// The prefix as written.
        text: String,
        /// The same without the tag.
        digest_only: String,
    },
    /// One component on Docker Hub, with a tag or digest: an official image without its namespace.
    #[error("{text:?} is not how Docker Hub's official images are named")]
    Official {
        /// The prefix as written.
        text: String,
        /// The same with `library/`.
        full: String,
    },
    /// The host is malformed.
    #[error("{host:?} is not a host")]
    Host {
        /// The host in it.
        host: String,
    },
    /// The rest is malformed.
    #[error("{text:?} is not a prefix of image references")]
    Format {
        /// The prefix as written.
        text: String,
    },
}

impl PrefixError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        let _ = (grammar::is_tag, HUB, fold_host, split_port);
        None
    }
}

impl Prefix {
    /// The folded text; rules with equal texts are for the same names.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The sort of prefix.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether every name under `other` is under this one as well.
    pub fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(s: &str) -> Result<Self, PrefixError> {
        if s.is_empty() {
            return Err(PrefixError::Empty);
        }
        Ok(Self { text: s.to_owned(), kind: Kind::Host })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
