//! How the name that was signed is held against the name that was asked for.
//!
//! It is always the original name, never that of a mirror: a signature that is good for one image must not stand for
//! another one.
//!
//! Facts: containers-policy.json(5), "signedIdentity"; containers/image `signature/policy_reference_match.go`.

use std::fmt;

use super::claim::shown;
use crate::policy::{Name, tag_beside_digest};

/// What the signed name has to be. Names of repositories have no tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The same name with the same tag or digest.
    Exact,
    /// The same, or the same repository where the image is asked for by a digest. Where nothing is said this is what
    /// holds in policy.json.
    RepoDigestOrExact,
    /// The same repository, whatever the tag.
    Repository,
    /// This name.
    ExactReference(String),
    /// A name of this repository.
    ExactRepository(String),
    /// As with `RepoDigestOrExact`, after `prefix` was replaced by `signed` in the name that was asked for.
    Remap {
        /// How the names begin that are asked for: a registry, or with some of a path.
        prefix: String,
        /// How they begin where they are signed.
        signed: String,
    },
}

/// A name, and whether it has a tag or digest in the text.
struct Read {
    name: Name,
    is_whole: bool,
}

impl Identity {
    /// [`Identity::ExactReference`].
    ///
    /// # Errors
    /// Why the text is no name with a tag or digest.
    pub fn exact_reference(text: &str) -> Result<Self, String> {
        let name = parsed(text)?;
        if !text.ends_with(&name.as_str()[name.repository().len()..]) {
            return Err(format!("\"{}\" has no tag", shown(text)));
        }
        Ok(Self::ExactReference(text.to_owned()))
    }

    /// [`Identity::ExactRepository`].
    ///
    /// # Errors
    /// Why the text is no name.
    pub fn exact_repository(text: &str) -> Result<Self, String> {
        parsed(text).map(|_| Self::ExactRepository(text.to_owned()))
    }

    /// [`Identity::Remap`].
    ///
    /// # Errors
    /// Which of the two is neither a registry nor a repository.
    pub fn remap(prefix: &str, signed: &str) -> Result<Self, String> {
        for text in [prefix, signed] {
            let below = format!("{text}/a");
            if parsed(&below)?.repository() != below {
                return Err(format!("\"{}\" is no registry, nor a repository in full", shown(text)));
            }
        }
        Ok(Self::Remap { prefix: prefix.to_owned(), signed: signed.to_owned() })
    }

    /// Whether an image that was signed under the name `signed` is the one that was asked for as `asked`.
    pub fn accepts(&self, signed: &str, asked: &Name) -> bool {
        let Some(signed) = Read::of(signed) else { return false };
        match self {
            Self::Exact => signed.is(asked),
            Self::RepoDigestOrExact => signed.is_or_has_digest_of(asked),
            Self::Repository => signed.name.repository() == asked.repository(),
            Self::ExactReference(reference) => {
                Read::of(reference).is_some_and(|reference| reference.is_whole && signed.is(&reference.name))
            }
            Self::ExactRepository(repository) => Read::of(repository)
                .is_some_and(|repository| repository.name.repository() == signed.name.repository()),
            Self::Remap { prefix, signed: signed_prefix } => match below(asked.repository(), prefix) {
                None => signed.is_or_has_digest_of(asked),
                Some(_) => {
                    let text = format!("{signed_prefix}{}", &asked.as_str()[prefix.len()..]);
                    // Only a name that says all of itself.
                    let mapped = text.parse::<Name>().ok().filter(|name| name.as_str() == text);
                    mapped.is_some_and(|mapped| signed.is_or_has_digest_of(&mapped))
                }
            },
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("the same name"),
            Self::RepoDigestOrExact => f.write_str("the same name, or for a digest the same repository"),
            Self::Repository => f.write_str("the same repository"),
            Self::ExactReference(reference) => write!(f, "the name {reference}"),
            Self::ExactRepository(repository) => write!(f, "the repository {repository}"),
            Self::Remap { prefix, signed } => write!(f, "the same name with {signed} in place of {prefix}"),
        }
    }
}

impl Read {
    fn of(text: &str) -> Option<Self> {
        let name: Name = text.parse().ok()?;
        // With both, containerd drops the tag; the text says more than the name then.
        let has_both = tag_beside_digest(text).is_some();
        let suffix = &name.as_str()[name.repository().len()..];
        let is_whole = text.ends_with(suffix) && !has_both;
        Some(Read { name, is_whole })
    }

    fn is(&self, asked: &Name) -> bool {
        self.is_whole && self.name == *asked
    }

    fn is_or_has_digest_of(&self, asked: &Name) -> bool {
        let same_repository = self.name.repository() == asked.repository();
        self.is(asked) || (self.is_whole && asked.digest().is_some() && same_repository)
    }
}

fn parsed(text: &str) -> Result<Name, String> {
    text.parse::<Name>().map_err(|error| format!("\"{}\": {error}", shown(text)))
}

/// What of a repository comes after a prefix of whole components.
fn below<'r>(repository: &'r str, prefix: &str) -> Option<&'r str> {
    let rest = repository.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(identity: &Identity, asked: &str, signed: &[&str]) -> Vec<String> {
        let asked: Name = asked.parse().unwrap();
        let accepts = |signed: &&&str| identity.accepts(signed, &asked);
        signed.iter().filter(accepts).map(|signed| (*signed).to_owned()).collect()
    }

    #[test]
    fn each_kind_accepts_what_its_name_says() {
        let digest = format!("r.dev/a@sha256:{}", "0".repeat(64));
        let both = format!("r.dev/a:1@sha256:{}", "0".repeat(64));
        let signed = [
            "r.dev/a:1",
            "r.dev/a:2",
            "r.dev/a",
            &digest,
            &both,
            "r.dev/b:1",
            "r.dev/a/b:1",
            "docker.io/a:1",
            "%",
        ];
        let remap =
            |prefix: &str, signed: &str| Identity::Remap { prefix: prefix.into(), signed: signed.into() };
        let rows: [(Identity, &str, &[&str]); 12] = [
            (Identity::Exact, "r.dev/a:1", &["r.dev/a:1"]),
            (Identity::Exact, &digest, &[&digest]),
            (Identity::RepoDigestOrExact, "r.dev/a:1", &["r.dev/a:1"]),
            (Identity::RepoDigestOrExact, &digest, &["r.dev/a:1", "r.dev/a:2", &digest]),
            (Identity::Repository, "r.dev/a:1", &["r.dev/a:1", "r.dev/a:2", "r.dev/a", &digest, &both]),
            (Identity::ExactReference("r.dev/b:1".into()), "r.dev/a:1", &["r.dev/b:1"]),
            (Identity::ExactReference("r.dev/b".into()), "r.dev/a:1", &[]),
            (Identity::ExactRepository("r.dev/b".into()), "r.dev/a:1", &["r.dev/b:1"]),
            (remap("m.dev/r", "r.dev"), "m.dev/r/a:1", &["r.dev/a:1"]),
            (remap("m.dev", "r.dev"), "m.dev.de/a:1", &[]),
            (remap("m.dev", "r.dev"), "r.dev/a:1", &["r.dev/a:1"]),
            (remap("m.dev", ""), "m.dev/a:1", &[]),
        ];
        for (identity, asked, expected) in rows {
            assert_eq!(accepted(&identity, asked, &signed), expected, "{identity:?} {asked}");
        }
        // What an image is called without a tag is `latest`, but a signature without a tag is for none.
        assert_eq!(accepted(&Identity::Exact, "nginx", &["nginx", "nginx:latest"]), ["nginx:latest"]);
        assert_eq!(accepted(&Identity::Repository, "nginx:1", &["nginx", "library/nginx"]).len(), 2);
    }
}
