//! The name of an image: what containerd makes of a string in PullImage, spelling kept.
//!
//! Holds: a `Name` is a fixed point, so parsing its text gives it again, unless its host is one that no image
//! reference can say (`Candidate::needs_private_host`); tag and digest never come together.
//! Not here: other spellings of a registry (`key`).
//!
//! Facts: `ParseDockerRef`, which containerd's PullImage calls on every version from 1.6 on.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use super::diagnosis::diagnose;
use super::grammar::{self, Parts};
use super::key::{HUB, Key};
use super::reference::Reference;

pub(super) mod error;
#[cfg(test)]
mod tests;

pub use error::NameError;

/// The name of Docker Hub's registry in its first protocol; containerd replaces it while it reads a reference.
pub(super) const LEGACY_HUB: &str = "index.docker.io";

/// The namespace of Docker Hub for names of one component.
const OFFICIAL: &str = "library/";

/// A normalised image reference, e.g. `docker.io/library/nginx:1.25`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Reference);

/// Whether containerd reads the string as an image id: a digest, or 64 hex digits. ImageStatus, RemoveImage
/// and CreateContainer take ids; PullImage does not.
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

/// The tag of `name:tag@digest`: containerd asks for the digest alone, and a [`Name`] has no tag then.
pub fn tag_beside_digest(s: &str) -> Option<String> {
    let mut text = String::with_capacity(HUB.len() + 1 + OFFICIAL.len() + s.len());
    let parts = normalize(s, &mut text).ok()?;
    parts.digest.and(parts.tag).map(str::to_owned)
}

impl Name {
    /// What rules see of this name.
    pub fn key(&self) -> Key {
        Key::new(self.host(), self.path(), self.suffix())
    }

    /// The same repository with this digest in place of the tag.
    pub(super) fn with_digest(&self, digest: &str) -> Self {
        let text = format!("{}@{digest}", self.repository());
        Self(Reference::new(text, self.host().len(), self.repository().len()))
    }

    /// Takes a full reference whose parts are well-formed; gives it back where containerd would read it
    /// differently or refuse it.
    pub(super) fn from_parts(text: String, host_end: usize, path_end: usize) -> Result<Self, String> {
        let name = Self(Reference::new(text, host_end, path_end));
        let as_it_stands = name.host() != HUB || name.path().contains('/');
        if !as_it_stands || grammar::check_length(name.path()).is_err() {
            return Err(name.0.into_text());
        }
        debug_assert_eq!(name.as_str().parse(), Ok(name.clone()), "its parts are well-formed");
        Ok(name)
    }

    /// Takes a full reference whose host no image reference can say (`nexus/library/nginx:1`). Path, tag and
    /// digest must follow the grammar.
    pub(super) fn at_unsayable_host(text: &str, host_end: usize, path_end: usize) -> Result<Self, NameError> {
        let path = text.get(host_end + 1..path_end).unwrap_or_default();
        let suffix = text.get(path_end..).unwrap_or_default();
        grammar::check_rest(path, suffix).map_err(|error| match error {
            NameError::Format => diagnose(&format!("{HUB}/{path}{suffix}")),
            other => other,
        })?;
        Ok(Self(Reference::new(text.to_owned(), host_end, path_end)))
    }
}

impl Deref for Name {
    type Target = Reference;

    fn deref(&self) -> &Reference {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let mut text = String::with_capacity(HUB.len() + 1 + OFFICIAL.len() + s.len() + ":latest".len());
        let parts = normalize(s, &mut text).map_err(|error| match error {
            // Upstream's two catch-alls: the second is also what it says of `@SHA256:`.
            NameError::Format | NameError::UpperCase => diagnose(s),
            other => other,
        })?;
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
        Ok(Self(Reference::new(text, host_end, path_end)))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
