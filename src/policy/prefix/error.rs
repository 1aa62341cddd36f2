//! What is wrong with a text that is no prefix, and what to write instead.
//!
//! Before: `prefix` finds the mistake.  After: `config` prints the fact and the hint at the text's place.
//! Holds: a hint that proposes a prefix proposes one that parses.
//! Not here: where in a file the text stands (`config`).

use super::super::name::NameError;
use super::Prefix;

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Nothing there.
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
    /// A `*` where none is understood.
    #[error("prefix {text:?} has a wildcard where none is understood")]
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
        /// The host in it.
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
    /// One component on Docker Hub with a tag or digest: an official image without its namespace, which
    /// would match no name, for containerd puts `library/` in.
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
        /// The host in it.
        host: String,
    },
    /// The rest is malformed.
    #[error("prefix {text:?} is not the beginning of an image reference")]
    Format {
        /// The prefix as written.
        text: String,
    },
    /// The path or the digest can't stand in a reference.
    #[error("prefix {text:?} can't match")]
    Invalid {
        /// The prefix as written.
        text: String,
        /// What is wrong with it.
        #[source]
        cause: NameError,
    },
}

impl PrefixError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Empty => Some("write \"*\" for everything".to_owned()),
            Self::Scheme { text } => {
                let bare = text.rsplit("://").next().unwrap_or(text).trim_end_matches('/');
                Some(instead("leave the scheme out", &[bare.to_owned()]))
            }
            Self::NoHost { text } => {
                let lower = text.to_ascii_lowercase();
                let official = (!text.contains('/')).then(|| format!("docker.io/library/{lower}"));
                let hub = official.unwrap_or_else(|| format!("docker.io/{lower}"));
                Some(instead("begin with a host", &[hub, "docker.io/library/nginx".to_owned()]))
            }
            Self::TrailingSlash { text } => {
                let bare = text.trim_end_matches('/').to_owned();
                Some(instead("prefixes match whole components, so leave the slash out", &[bare]))
            }
            Self::UpperCase { text } => Some(instead("repositories are lower case", &[lower_path(text)])),
            Self::Wildcard { .. } => {
                Some("a wildcard stands alone, \"*\", or before a domain, \"*.dev.de\"".to_owned())
            }
            Self::WildcardPort { text } => {
                let bare = text.split(':').next().unwrap_or(text).to_owned();
                Some(instead("a wildcard covers every port", &[bare]))
            }
            Self::NoRepository { host, .. } => {
                Some(instead("name the whole host or put a repository behind it", std::slice::from_ref(host)))
            }
            Self::TagAndDigest { digest_only, .. } => {
                Some(format!("the tag is gone before rules are asked: {digest_only}"))
            }
            Self::Official { full, .. } => Some(format!("write {full}")),
            Self::Host { .. } => {
                Some("write a host and, where it has one, its port: mirror.dev.de:5000".to_owned())
            }
            Self::Format { .. } | Self::Invalid { .. } => None,
        }
    }
}

/// The advice, with the first proposal that would do.
fn instead(advice: &str, proposals: &[String]) -> String {
    match proposals.iter().find(|text| text.parse::<Prefix>().is_ok()) {
        Some(text) => format!("{advice}: {text}"),
        None => advice.to_owned(),
    }
}

/// The path in lower case; host and tag as they were.
fn lower_path(text: &str) -> String {
    let (host, rest) = text.split_once('/').unwrap_or(("", text));
    let path_end = rest.find('@').unwrap_or(rest.len());
    let last = rest[..path_end].rfind('/').map_or(0, |slash| slash + 1);
    let path_end = rest[last..path_end].find(':').map_or(path_end, |colon| last + colon);
    format!("{host}/{}{}", rest[..path_end].to_ascii_lowercase(), &rest[path_end..])
}
