//! Lists of tags with the digest that each of them is held to.
//!
//! Holds: a tag is found by its key, so every spelling of a registry has the same digest. Nothing here depends on how a
//! list was written down.
//! Not here: reading the file (`config::lock`), what a decision makes of it (`decide`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::asked::Asked;
use super::name::Name;

/// What a rule, or the policy as a whole, says of locks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The list.
    pub list: Option<Arc<LockList>>,
    /// What happens to an image that is not in it.
    pub unlisted: Option<Unlisted>,
}

/// What happens to an image that a lock does not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// The lock says nothing of it.
    #[default]
    Pass,
    /// It is refused.
    Deny,
}

/// All tags of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockList {
    file: Arc<str>,
    /// By their keys.
    tags: BTreeMap<String, Digests>,
    /// All digests of the tags of a repository, by its key.
    repositories: BTreeMap<String, BTreeSet<String>>,
}

/// The digests of one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Digests {
    /// That of the index, or of the manifest if there is no index.
    whole: String,
    /// Those in the index.
    platforms: BTreeSet<String>,
}

/// A tag that a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin<'p> {
    file: &'p str,
    digests: &'p Digests,
}

/// Why a lock refuses an image; `Display` is shown to people behind the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused<'p> {
    /// The list does not have it.
    Unlisted {
        /// The lock.
        file: &'p str,
        /// The image.
        name: Name,
    },
    /// The list has another digest for the tag that is written beside the digest.
    OtherDigest {
        /// The lock.
        file: &'p str,
        /// The tag, with its repository.
        tag: String,
        /// The digest in the lock.
        digest: &'p str,
    },
}

/// What a list says of a request.
pub(super) enum Found<'p> {
    /// Nothing against it.
    Free,
    /// It is a tag with this digest.
    Pinned(Pin<'p>),
    /// It is refused.
    Refused(Refused<'p>),
}

/// What `list` says of a request.
pub(super) fn find<'p>(list: &'p LockList, unlisted: Unlisted, asked: &Asked<'_>) -> Found<'p> {
    let key = asked.name.key();
    let Some(digest) = key.digest() else {
        return match list.tags.get(key.as_str()) {
            Some(digests) => Found::Pinned(Pin { file: &list.file, digests }),
            None => unlisted.say(|| Refused::Unlisted { file: &list.file, name: asked.name.clone() }),
        };
    };
    let tag = asked.beside.map(|tag| format!("{}:{tag}", key.repository()));
    if let Some(digests) = tag.as_ref().and_then(|tag| list.tags.get(tag)) {
        let pin = Pin { file: &list.file, digests };
        return match pin.accepts(digest) {
            true => Found::Free,
            false => Found::Refused(Refused::OtherDigest {
                file: &list.file,
                tag: tag.unwrap_or_default(),
                digest: pin.digest(),
            }),
        };
    }
    match list.repositories.get(key.repository()).is_some_and(|digests| digests.contains(digest)) {
        true => Found::Free,
        false => unlisted.say(|| Refused::Unlisted { file: &list.file, name: asked.name.clone() }),
    }
}

// === impl Unlisted ===

impl Unlisted {
    fn say<'p>(self, reason: impl FnOnce() -> Refused<'p>) -> Found<'p> {
        match self {
            Unlisted::Pass => Found::Free,
            Unlisted::Deny => Found::Refused(reason()),
        }
    }

    /// The word for it in a file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Unlisted::Pass => "pass",
            Unlisted::Deny => "deny",
        }
    }
}

// === impl LockList ===

impl LockList {
    /// The empty list of a file.
    pub fn of(file: &str) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    /// Adds a tag with its digest, and the digests of its platforms. Says whether it was there already with another digest.
    pub fn add(&mut self, tag: &Name, digest: &str, platforms: impl Iterator<Item = String>) -> bool {
        let key = tag.key();
        let digests = Digests { whole: digest.to_owned(), platforms: platforms.collect() };
        let of_repository = self.repositories.entry(key.repository().to_owned()).or_default();
        of_repository.extend(digests.platforms.iter().cloned().chain([digests.whole.clone()]));
        let before = self.tags.insert(key.as_str().to_owned(), digests);
        before.is_some_and(|before| before.whole != digest)
    }

    /// The file that it was read from.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The file without its directory: what two configurations have in common.
    pub fn file_name(&self) -> String {
        self.file.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// The keys of all tags, which are names, with the digest of each.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.tags.iter().map(|(tag, digests)| (tag.as_str(), digests.whole.as_str()))
    }

    /// What it decides by.
    pub(super) fn essence(&self) -> impl fmt::Debug + '_ {
        &self.tags
    }
}

// === impl Pin ===

impl<'p> Pin<'p> {
    /// The digest that is pulled.
    pub fn digest(&self) -> &'p str {
        &self.digests.whole
    }

    /// The file that says so.
    pub fn file(&self) -> &'p str {
        self.file
    }

    /// Whether an image with this digest is the one: as a whole, or one platform of it.
    pub fn accepts(&self, digest: &str) -> bool {
        self.digests.whole == digest || self.digests.platforms.contains(digest)
    }
}

impl fmt::Display for Pin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "locked to {} by {}", self.digest(), self.file)
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlisted { file, name } if name.digest().is_some() => {
                let repository = name.repository();
                write!(
                    f,
                    "no tag of {repository} has this digest in the lock {file}; lock one that has it: "
                )?;
                write!(f, "cri-shunt lock --update -o {file} {repository}:TAG")
            }
            Self::Unlisted { file, name } => write!(
                f,
                "the lock {file} does not list it; to add it: cri-shunt lock --update -o {file} {name}"
            ),
            Self::OtherDigest { file, tag, digest } => {
                write!(f, "{tag} is locked to {digest} by {file}, and another digest is asked for")
            }
        }
    }
}
