//! What a registry answers for a candidate, with `explain --live`.

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
}

impl Outcome {
    pub(super) fn found(found: Resolved) -> Self {
        let Resolved { digest, media_type, size, .. } = found;
        Outcome { digest: Some(digest), media_type: Some(media_type), size, failure: None, error: None }
    }

    pub(super) fn failed(failure: Failure, error: String) -> Self {
        Outcome { digest: None, media_type: None, size: None, failure: Some(failure), error: Some(error) }
    }

    /// One line.
    pub(super) fn text(&self) -> String {
        match (&self.digest, &self.media_type, &self.error) {
            (Some(digest), Some(media_type), _) => format!("{digest} ({media_type})"),
            (_, _, error) => format!("error: {}", error.as_deref().unwrap_or_default()),
        }
    }
}
