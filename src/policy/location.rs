//! The location of a mirror: a host and a path in front of repositories.
//!
//! Holds: the host's spelling is kept; containerd reads it as a host, or the location knows that it does not.
//! Not here: TLS and credentials of the mirror.

use std::fmt;
use std::str::FromStr;

use super::grammar;
use super::key::{HUB, fold_host};
use super::name::{LEGACY_HUB, Name};
use super::prefix::{is_host, is_well_formed_host};

#[cfg(test)]
mod tests;

/// Stands in a location's path for the host that is asked for.
pub(super) const PLACEHOLDER: &str = "{host}";

/// A mirror: `host[:port][/path]`; the path may hold `{host}` once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    text: String,
    host_end: usize,
    /// Where `{host}` begins.
    placeholder: Option<usize>,
    needs_private_host: bool,
}

/// Why a text is not a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing there.
    #[error("a mirror can't be empty")]
    Empty,
    /// Something like `https://` in front.
    #[error("mirror {text:?} begins with a scheme")]
    Scheme {
        /// The mirror as written.
        text: String,
    },
    /// No host in front.
    #[error("mirror {text:?} does not begin with a host")]
    NoHost {
        /// The mirror as written.
        text: String,
    },
    /// The host is malformed.
    #[error("{host:?} is not a registry host")]
    Host {
        /// The host in it; the whole text where that may hold a login.
        host: String,
    },
    /// A slash at the end.
    #[error("mirror {text:?} ends with a slash")]
    TrailingSlash {
        /// The mirror as written.
        text: String,
    },
    /// A tag or a digest behind the path.
    #[error("mirror {text:?} has a tag or a digest")]
    TagOrDigest {
        /// The mirror as written.
        text: String,
    },
    /// `{host}` twice, or something else in braces.
    #[error("mirror {text:?} has a placeholder that is not understood")]
    Placeholder {
        /// The mirror as written.
        text: String,
    },
    /// Upper case in the path.
    #[error("mirror {text:?} has upper case in its path")]
    UpperCase {
        /// The mirror as written.
        text: String,
    },
    /// The path is malformed.
    #[error("mirror {text:?} is not a host and a repository path")]
    Format {
        /// The mirror as written.
        text: String,
    },
}

impl LocationError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Empty => {
                "write a host, and a path where the mirror has one: harbor.dev.de/dockerhub".to_owned()
            }
            Self::Scheme { text } => {
                let bare = text.rsplit("://").next().unwrap_or(text).trim_end_matches('/');
                format!(
                    "leave the scheme out: {bare} (for http write `plain-http = true` in `[[transport]]`)"
                )
            }
            Self::NoHost { .. } => {
                "begin with a host that has a dot or a port: mirror.dev.de, mirror:5000".to_owned()
            }
            Self::Host { .. } => {
                "write a host and, where it has one, its port: mirror.dev.de:5000".to_owned()
            }
            Self::TrailingSlash { text } => format!("leave the slash out: {}", text.trim_end_matches('/')),
            Self::TagOrDigest { .. } => "tag and digest come from the name that is asked for".to_owned(),
            Self::Placeholder { .. } => {
                "{host} may stand once in the path, and nothing else in braces".to_owned()
            }
            Self::UpperCase { .. } => "repositories are lower case".to_owned(),
            Self::Format { .. } => return None,
        })
    }
}

impl Location {
    /// The host, as spelled.
    pub fn host(&self) -> &str {
        &self.text[..self.host_end]
    }

    /// A mirror at the host of a URL, with its port. An image reference may not be able to say that host:
    /// `nexus` would be read as a repository of Docker Hub, `my_registry:5000` is refused, and `[::1]:5000` is
    /// refused by containerd 1.6. `path` may be empty, and may hold `{host}` once.
    ///
    /// # Errors
    /// The host is not one, or the path is not one.
    pub fn of_endpoint(host: &str, path: &str) -> Result<Self, LocationError> {
        if !grammar::is_url_host(host) {
            return Err(LocationError::Host { host: grammar::with_login(host, path) });
        }
        let slash = if path.is_empty() { "" } else { "/" };
        let text = format!("{host}{slash}{path}");
        if is_host(host) && is_well_formed_host(host) && !host.starts_with('[') {
            return text.parse();
        }
        if !path.is_empty() {
            check_path(&text, path)?;
        }
        let placeholder = text.find(PLACEHOLDER);
        Ok(Self { host_end: host.len(), placeholder, text, needs_private_host: true })
    }

    /// Whether containerd cannot be asked for this host by its own name.
    pub fn needs_private_host(&self) -> bool {
        self.needs_private_host
    }

    /// The path behind the host; may be empty.
    pub fn path(&self) -> &str {
        self.text.get(self.host_end + 1..).unwrap_or("")
    }

    /// Whether the path holds `{host}`.
    pub fn has_placeholder(&self) -> bool {
        self.placeholder.is_some()
    }

    /// What has this digest in the repository that the location is by itself; `None` where it is none.
    pub fn at_digest(&self, digest: &str) -> Option<Name> {
        let reference = format!("{}@{digest}", self.text);
        match self.needs_private_host {
            true => Name::at_unsayable_host(&reference, self.host_end, self.text.len()).ok(),
            false => reference.parse().ok(),
        }
    }

    /// Writes the location with `{host}` filled in, and a slash.
    pub(super) fn write_before(&self, host: &str, reference: &mut String) {
        match self.placeholder {
            Some(at) => {
                reference.push_str(&self.text[..at]);
                reference.push_str(host);
                reference.push_str(&self.text[at + PLACEHOLDER.len()..]);
            }
            None => reference.push_str(&self.text),
        }
        reference.push('/');
    }

    /// The host as in a key: one spelling for all of a registry.
    #[must_use]
    pub fn folded_host(&self) -> String {
        fold_host(self.host()).into_owned()
    }

    /// Host and path as in a key; `{host}` stays.
    pub(super) fn folded(&self) -> String {
        let host = fold_host(self.host());
        if self.path().is_empty() { host.into_owned() } else { format!("{host}/{}", self.path()) }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(s: &str) -> Result<Self, LocationError> {
        let text = || s.to_owned();
        if s.is_empty() {
            return Err(LocationError::Empty);
        }
        if s.contains("://") {
            return Err(LocationError::Scheme { text: text() });
        }
        if s.ends_with('/') {
            return Err(LocationError::TrailingSlash { text: text() });
        }
        let (host, path) = match s.split_once('/') {
            Some((host, path)) => (host, Some(path)),
            None => (s, None),
        };
        if host.contains(['{', '}']) {
            return Err(LocationError::Placeholder { text: text() });
        }
        if !is_host(host) {
            return Err(LocationError::NoHost { text: text() });
        }
        if !is_well_formed_host(host) {
            return Err(LocationError::Host { host: grammar::with_login(host, path.unwrap_or("")) });
        }
        path.map_or(Ok(()), |path| check_path(s, path))?;
        // containerd replaces this host in every reference, so a candidate has the other one from the start.
        let host = if host == LEGACY_HUB { HUB } else { host };
        let text = path.map_or_else(|| host.to_owned(), |path| format!("{host}/{path}"));
        Ok(Self {
            host_end: host.len(),
            placeholder: text.find(PLACEHOLDER),
            text,
            needs_private_host: false,
        })
    }
}

fn check_path(s: &str, path: &str) -> Result<(), LocationError> {
    let text = || s.to_owned();
    // Whether it is a path does not depend on which host is filled in.
    let filled = path.replacen(PLACEHOLDER, HUB, 1);
    if filled.contains(['{', '}']) {
        return Err(LocationError::Placeholder { text: text() });
    }
    if filled.contains(['@', ':']) {
        return Err(LocationError::TagOrDigest { text: text() });
    }
    if filled.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(LocationError::UpperCase { text: text() });
    }
    let usable = grammar::is_path(&filled) && grammar::check_length(&filled).is_ok();
    if usable { Ok(()) } else { Err(LocationError::Format { text: text() }) }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
