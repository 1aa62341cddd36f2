//! Whether containerd takes a manifest that a registry says it has.
//!
//! The answer to HEAD does not tell: a cache may name a digest that it does not give any more, and an index may have
//! nothing for this machine. So the manifest is fetched by its digest, as a pull does.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::policy::is_digest;
use crate::pull::{Walk, machine};
use crate::registry::{Client, FIRST_FORMAT, Failure, INDEXES, Manifest, Resolve, Resolved};

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
    let manifest = manifest(client, question, &found).await?;
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

/// As [`of`], with the digests of all platforms, and whatever this machine is.
pub(super) async fn with_platforms(
    client: &Client,
    question: &Resolve<'_>,
    found: Resolved,
) -> Result<Outcome, Outcome> {
    let manifest = manifest(client, question, &found).await?;
    let is_index = INDEXES.contains(&manifest.media_type.as_str());
    let platforms = if is_index { platforms(&manifest.bytes) } else { BTreeMap::new() };
    Ok(Outcome::found(found).with_platforms(platforms))
}

/// The manifest itself, by its digest.
async fn manifest(client: &Client, question: &Resolve<'_>, found: &Resolved) -> Result<Manifest, Outcome> {
    let (endpoint, host) = (&found.endpoint, &question.endpoint.host);
    client.manifest(&Resolve { endpoint, ..*question }, &found.digest).await.map_err(|error| {
        let problem = match error.failure() {
            Failure::NotFound => {
                format!("{host} names {} and does not have it: {}", found.digest, error.brief())
            }
            _ => error.to_string(),
        };
        Outcome::failed(error.failure(), problem)
    })
}

/// How many platforms of an index are taken. The largest known images have about twenty.
const MOST_PLATFORMS: usize = 100;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
    variant: String,
    #[serde(rename = "os.version")]
    os_version: String,
}

/// The digests of an index by platform: `linux/arm64/v8`. What is for none is left out, such as attestations; of two for
/// one platform the first counts.
fn platforms(index: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(Index { manifests }) = serde_json::from_slice(index) else { return found };
    for Entry { digest, platform } in manifests {
        let Some(Platform { os, architecture, variant, os_version }) = platform else { continue };
        if !is_digest(&digest) || os.is_empty() || os == "unknown" || found.len() >= MOST_PLATFORMS {
            continue;
        }
        let parts = [os, architecture, variant, os_version].into_iter().filter(|part| !part.is_empty());
        found.entry(parts.collect::<Vec<_>>().join("/")).or_insert(digest);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_one_digest_for_each_platform() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let entry = |letter: &str, platform: &str| {
            format!("{{\"digest\":\"{}\",\"platform\":{platform}}}", digest(letter))
        };
        let entries = [
            entry("a", r#"{"os":"linux","architecture":"amd64"}"#),
            entry("b", r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#),
            entry("c", r#"{"os":"linux","architecture":"amd64"}"#),
            entry("d", r#"{"os":"unknown","architecture":"unknown"}"#),
            entry("e", "null"),
        ];
        let found = platforms(format!("{{\"manifests\":[{}]}}", entries.join(",")).as_bytes());
        let expected = [("linux/amd64", "a"), ("linux/arm64/v8", "b")];
        assert_eq!(found, expected.map(|(platform, letter)| (platform.to_owned(), digest(letter))).into());
        assert_eq!(platforms(b"nonsense").len(), 0);
    }
}
