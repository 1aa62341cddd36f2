//! The name of an image: what containerd makes of a string in PullImage, spelling kept.
//!
//! Before: `router` reads the string from a request.  After: `decide` takes the name's key; `adopt` and
//! `pull` use the name itself.
//! Holds: a `Name` is a fixed point, so parsing its text gives it again; tag and digest never come together.
//! Not here: the aliases of one registry (`key`).
//!
//! Facts: `ParseDockerRef`, which containerd's PullImage calls on every version from 1.6 on.

use std::fmt;
use std::str::FromStr;

use super::grammar::{self, Parts};
use super::key::{HUB, Key};

#[cfg(test)]
mod tests;

/// A name that Docker Hub's registry had in its first protocol; the grammar itself folds it.
pub(super) const LEGACY_HUB: &str = "index.docker.io";

/// The namespace of Docker Hub for names of one component.
const OFFICIAL: &str = "library/";

/// A normalised image reference, e.g. `docker.io/library/nginx:1.25`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    text: String,
    host_end: usize,
    path_end: usize,
}

/// Why a string is no image name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("an image reference can't be empty")]
    Empty,
    /// It does not follow the grammar.
    #[error("not an image reference")]
    Format,
    /// It would follow the grammar in lower case.
    #[error("upper case in the repository")]
    UpperCase,
    /// The repository path is too long.
    #[error("a repository path of {length} characters, where 255 are the most")]
    TooLong {
        /// How long it is.
        length: usize,
    },
    /// 64 hex digits are an image id, never a name.
    #[error("64 hex digits are an image id, not a name")]
    Identifier,
    /// The digest is not as long as its algorithm says.
    #[error("a digest of the wrong length")]
    DigestLength,
    /// The digest is not lower-case hex.
    #[error("a digest that is not lower-case hex")]
    DigestFormat,
    /// The digest's algorithm is none that containerd knows.
    #[error("a digest of an unknown algorithm")]
    DigestAlgorithm,
}

/// Whether containerd reads the string as an image id wherever ids exist (ImageStatus, RemoveImage,
/// CreateContainer): a digest, or 64 hex digits. PullImage knows no ids.
///
/// Facts: `LocalResolve` in containerd's CRI plugin tries the digest first.
pub fn is_image_id(s: &str) -> bool {
    grammar::check_digest(s).is_ok() || (s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Upstream's `ParseNormalizedNamed`: the host made explicit; `text` takes the full spelling.
pub(super) fn normalize<'t>(s: &str, text: &'t mut String) -> Result<Parts<'t>, NameError> {
    if grammar::is_identifier(s) {
        return Err(NameError::Identifier);
    }
    let (host, rest) = grammar::split_host(s);
    let host = host.filter(|&host| host != LEGACY_HUB).unwrap_or(HUB);
    let official = host == HUB && !rest.contains('/');
    let remote = rest.split(':').next().unwrap_or(rest);
    if grammar::has_upper_case(remote) {
        return Err(NameError::UpperCase);
    }
    text.push_str(host);
    text.push('/');
    text.push_str(if official { OFFICIAL } else { "" });
    text.push_str(rest);
    grammar::parse(text)
}

impl Name {
    /// The whole normalised reference.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The registry as spelled, e.g. `docker.io` or `mirror.dev.de:443`.
    pub fn host(&self) -> &str {
        &self.text[..self.host_end]
    }

    /// The repository without the registry, e.g. `library/nginx`.
    pub fn path(&self) -> &str {
        &self.text[self.host_end + 1..self.path_end]
    }

    /// Registry and repository.
    pub fn repository(&self) -> &str {
        &self.text[..self.path_end]
    }

    /// The tag; none where there is a digest.
    pub fn tag(&self) -> Option<&str> {
        self.suffix().strip_prefix(':')
    }

    /// The digest.
    pub fn digest(&self) -> Option<&str> {
        self.suffix().strip_prefix('@')
    }

    /// What rules see of this name.
    pub fn key(&self) -> Key {
        Key::new(self.host(), self.path(), self.suffix())
    }

    /// Takes a full reference whose parts are known to be well-formed; gives it back where containerd would
    /// read it in another way or not at all.
    pub(super) fn from_parts(text: String, host_end: usize, path_end: usize) -> Result<Self, String> {
        let name = Self { text, host_end, path_end };
        let as_it_stands = name.host() != HUB || name.path().contains('/');
        if !as_it_stands || grammar::check_length(name.path()).is_err() {
            return Err(name.text);
        }
        debug_assert_eq!(name.text.parse(), Ok(name.clone()), "its parts are well-formed");
        Ok(name)
    }

    /// Tag or digest with the sign before it.
    pub(super) fn suffix(&self) -> &str {
        &self.text[self.path_end..]
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let mut text = String::with_capacity(HUB.len() + 1 + OFFICIAL.len() + s.len() + ":latest".len());
        let parts = normalize(s, &mut text)?;
        // Where the first component looked like a host but has no host's form (`a_b.io/x`), upstream sees a
        // name without a domain; containerd still asks that first component, so it is the host here.
        let path_end = match parts.domain {
            "" => parts.path.len(),
            domain => domain.len() + 1 + parts.path.len(),
        };
        match (parts.tag.map(str::len), parts.digest.map(str::len)) {
            (Some(tag), Some(_)) => drop(text.drain(path_end..path_end + 1 + tag)),
            (None, None) => text.push_str(":latest"),
            (Some(_), None) | (None, Some(_)) => {}
        }
        let host_end = text.find('/').ok_or(NameError::Format)?;
        Ok(Self { text, host_end, path_end })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
