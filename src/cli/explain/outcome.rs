//! What a registry answers for a candidate, with `explain --live`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::registry::{Failure, Resolved};

/// What a registry says of a candidate. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) digest: Option<String>,
    media_type: Option<String>,
    size: Option<u64>,
    failure: Option<Failure>,
    error: Option<String>,
    /// The digests of an index by their platforms, if they were asked for.
    #[serde(skip)]
    pub(super) platforms: BTreeMap<String, String>,
}

impl Outcome {
    pub(super) fn found(found: Resolved) -> Self {
        let Resolved { digest, media_type, size, .. } = found;
        let (digest, media_type, platforms) = (Some(digest), Some(media_type), BTreeMap::new());
        Outcome { digest, media_type, size, failure: None, error: None, platforms }
    }

    pub(super) fn failed(failure: Failure, error: String) -> Self {
        let (failure, error, platforms) = (Some(failure), Some(error), BTreeMap::new());
        Outcome { digest: None, media_type: None, size: None, failure, error, platforms }
    }

    /// The same with the digests of its platforms.
    pub(super) fn with_platforms(self, platforms: BTreeMap<String, String>) -> Self {
        Outcome { platforms, ..self }
    }

    /// Why there is no manifest.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The failure, and why.
    pub(super) fn failed_by(&self) -> Option<(Failure, &str)> {
        Some((self.failure?, self.error()?))
    }

    /// Whether a login is missing.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.failure == Some(Failure::Unauthorized)
    }

    /// Whether the registry says that it does not have it.
    pub(super) fn is_missing(&self) -> bool {
        self.failure == Some(Failure::NotFound)
    }

    /// One line.
    pub(super) fn text(&self) -> String {
        match (&self.digest, &self.media_type, &self.error) {
            (Some(digest), Some(media_type), _) => format!("{digest} ({media_type})"),
            (_, _, error) => format!("error: {}", error.as_deref().unwrap_or_default()),
        }
    }
}
