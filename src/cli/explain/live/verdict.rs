//! Whether containerd takes a manifest that a registry says it has.
//!
//! The answer to HEAD does not tell: a cache may name a digest that it does not give any more, and an index may have
//! nothing for this machine. So the manifest is fetched by its digest, as a pull does.

use crate::pull::{Walk, machine};
use crate::registry::{Client, FIRST_FORMAT, Failure, INDEXES, Resolve, Resolved};

use crate::cli::explain::outcome::Outcome;

/// What a pull of it comes to; `version` is that of containerd, as far as it is known.
pub(super) async fn of(
    client: &Client,
    question: &Resolve<'_>,
    found: Resolved,
    version: &str,
) -> Result<Outcome, Outcome> {
    let host = &question.endpoint.host;
    let content = |problem: String| Outcome::failed(Failure::Content, problem);
    let takes = version.is_empty() || version.trim_start_matches('v').starts_with("1.");
    if FIRST_FORMAT.contains(&found.media_type.as_str()) && !takes {
        let since = "which containerd does not take from version 2 on";
        return Err(content(format!("{host} answers, but with a manifest of the first format, {since}")));
    }
    let endpoint = &found.endpoint;
    let manifest =
        client.manifest(&Resolve { endpoint, ..*question }, &found.digest).await.map_err(|error| {
            let problem = match error.failure() {
                Failure::NotFound => {
                    format!("{host} names {} and does not have it: {}", found.digest, error.brief())
                }
                _ => error.to_string(),
            };
            Outcome::failed(error.failure(), problem)
        })?;
    let mut walk = Walk::from(&found.digest);
    // The index itself is the first.
    let _ = walk.next_digest();
    let is_index = INDEXES.contains(&manifest.media_type.as_str());
    if is_index && walk.add_bytes(&manifest.bytes).is_ok() && walk.next_digest().is_none() {
        return Err(content(format!(
            "{host} has the image, but nothing in it is for this machine ({})",
            machine()
        )));
    }
    Ok(Outcome::found(found))
}
