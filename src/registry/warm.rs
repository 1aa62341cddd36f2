//! Asks a cache by a tag where it does not have the digest: some caches fetch an image only when it is asked for by
//! its tag, and answer 404 to every digest before (ECR pull-through).
//!
//! Holds: the tag only makes the cache fetch. What counts is its answer for the digest, and a tag with another digest is
//! an error. The time of the question bounds all of it.

use std::time::Duration;

use tokio::time::Instant;

use super::client::{Client, Resolve, Resolved};
use super::error::{Failure, Refusal, RegistryError};
use super::secrets::Secrets;

/// How long the cache is given, before each new question, to show what it has just fetched.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

impl Client {
    /// Asks for a manifest, by the tag as well where the question has one for that.
    ///
    /// # Errors
    /// Why the registry gives none, or none that containerd would take.
    pub async fn resolve(&self, question: &Resolve<'_>) -> Result<Resolved, Refusal> {
        let answer = self.ask(question).await;
        match question.warm {
            Some(tag) if is_missing(&answer) => resolve_by_tag(self, question, tag).await,
            _ => answer,
        }
    }
}

/// Asks for the tag, and then once more for the digest of the question.
///
/// # Errors
/// What the registry says of the tag, or that the tag has another digest, or that the digest does not come.
async fn resolve_by_tag(client: &Client, question: &Resolve<'_>, tag: &str) -> Result<Resolved, Refusal> {
    let by_tag = Resolve { reference: tag, warm: None, ..*question };
    let host = || question.endpoint.host.clone();
    let mut answer = client.ask(&by_tag).await;
    if let Ok(Resolved { digest: has, .. }) = answer {
        if has != question.reference {
            let wanted = question.reference.to_owned();
            return Err(told(&RegistryError::OtherTag { host: host(), tag: tag.to_owned(), has, wanted }));
        }
        answer = client.ask(question).await;
    }
    if is_missing(&answer) {
        // It was asked with HEAD, for which some caches fetch nothing, or with a GET that had little time.
        client.manifest_of(&by_tag, question.reference).await?;
        answer = client.ask(question).await;
    }
    for pause in PAUSES {
        if !is_missing(&answer) || Instant::now() + pause >= question.end {
            break;
        }
        tokio::time::sleep(pause).await;
        answer = client.ask(question).await;
    }
    match is_missing(&answer) {
        true => Err(told(&RegistryError::OnlyByTag { host: host(), tag: tag.to_owned() })),
        false => answer,
    }
}

fn is_missing(answer: &Result<Resolved, Refusal>) -> bool {
    answer.as_ref().is_err_and(|refusal| refusal.failure() == Failure::NotFound)
}

/// Neither a tag nor a digest holds a secret.
fn told(error: &RegistryError) -> Refusal {
    error.told(&Secrets::default())
}
