//! What a question to a registry is about, and its path.
//!
//! Holds: no part of a name leads out of its place in the path.

use super::answer::MAX_MANIFEST;
use super::error::RegistryError;
use super::secrets::one_line;

/// How much of a name that is none is told, in characters.
const MOST_WORDS: usize = 200;

/// What is asked for at a repository.
pub(super) struct Place<'p> {
    /// The part of the API.
    pub(super) kind: &'static str,
    /// A tag or a digest.
    pub(super) reference: &'p str,
    /// A query with its question mark, or nothing.
    pub(super) query: &'p str,
    /// The most bytes that are read.
    pub(super) limit: usize,
}

impl<'p> Place<'p> {
    /// The manifest of a tag or a digest.
    pub(super) fn manifest(reference: &'p str) -> Self {
        Place { kind: "manifests", reference, query: "", limit: MAX_MANIFEST }
    }

    /// The path below the API root.
    ///
    /// # Errors
    /// If the parts could make another path.
    pub(super) fn path(&self, repository: &str) -> Result<String, RegistryError> {
        let Place { kind, reference, query, .. } = self;
        let letters = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || more.contains(char))
        };
        let is_path =
            letters(repository, "._-/") && repository.split('/').all(|part| !matches!(part, "" | "." | ".."));
        match is_path && letters(reference, "._-+:") {
            true => Ok(format!("{repository}/{kind}/{reference}{query}")),
            false => {
                let [repository, reference] = [repository, reference].map(|text| one_line(text, MOST_WORDS));
                let text = "are not a repository and its tag or digest";
                Err(RegistryError::Config(format!("\"{repository}\" and \"{reference}\" {text}")))
            }
        }
    }
}
