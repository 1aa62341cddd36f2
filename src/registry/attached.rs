//! Asks a registry for what belongs to an image beside the image: signatures are stored so.
//!
//! Holds: what has a digest is hashed, and no answer is longer than its bound. Whether something is missing is told apart
//! from all other failures: only the first means that the next place may have it.
//!
//! Facts: OCI distribution-spec 1.1, "Listing Referrers": an index, in parts if the registry wants that (`Link`), or
//! 404 where the registry does not know the question.

use bytes::Bytes;

use super::answer::{self, MAX_MANIFEST, OCI_INDEX};
use super::client::{Client, Manifest, Resolve};
use super::error::{Failure, Refusal, RegistryError};
use super::exchange::Answer;
use super::place::Place;

/// One part of the list of what refers to a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The index as the registry has sent it.
    pub bytes: Bytes,
    /// What to ask with for the next part; `None` after the last one.
    pub next: Option<String>,
}

impl Client {
    /// The manifest that the question's tag or digest leads to; `None` where it is not there.
    ///
    /// # Errors
    /// Why the registry does not tell.
    pub async fn attached(&self, question: &Resolve<'_>) -> Result<Option<Manifest>, Refusal> {
        let asked = Some(question.reference).filter(|reference| answer::is_digest(reference));
        let place = Place::manifest(question.reference);
        match self.get(question, &place, |answer| Manifest::read(answer, asked)).await {
            Err(refusal) if refusal.failure() == Failure::NotFound => Ok(None),
            manifest => manifest.map(Some),
        }
    }

    /// The manifests that refer to the question's digest; `None` where the registry does not know this question.
    /// `part` is empty, or what the part before has said.
    ///
    /// # Errors
    /// Why the registry does not tell.
    pub async fn referrers(&self, question: &Resolve<'_>, part: &str) -> Result<Option<Listed>, Refusal> {
        let place =
            Place { kind: "referrers", reference: question.reference, query: part, limit: MAX_MANIFEST };
        let listed = self.get(question, &place, read_listed).await;
        // What registries answer that do not know the question.
        match listed {
            Err(refusal) if matches!(refusal.status(), Some(400 | 404 | 405 | 406 | 501)) => Ok(None),
            listed => listed,
        }
    }

    /// The bytes of the blob with the question's digest, which are no more than `limit`.
    ///
    /// # Errors
    /// Why the registry does not give them.
    pub async fn blob(&self, question: &Resolve<'_>, limit: usize) -> Result<Bytes, Refusal> {
        let digest = question.reference;
        let read = |answer: &Answer| answer::of_blob(answer, digest, limit);
        let place = Place { kind: "blobs", reference: digest, query: "", limit };
        self.get(question, &place, read).await
    }
}

/// `None` where the answer is no list: a page for people, as a registry may send that does not know the question.
fn read_listed(answer: &Answer) -> Result<Option<Listed>, RegistryError> {
    if !answer.status.is_success() {
        return Err(answer::refused(answer));
    }
    if answer::media_type(answer).as_deref() != Some(OCI_INDEX) {
        return Ok(None);
    }
    if answer.cut {
        return Err(answer::content(answer, answer::too_large()));
    }
    Ok(Some(Listed { bytes: answer.body.clone(), next: next(answer)? }))
}

/// The query of the next part. It has to be at the same place: nothing else is asked for on a registry's word.
fn next(answer: &Answer) -> Result<Option<String>, RegistryError> {
    let Some(link) = answer.headers.get("link") else { return Ok(None) };
    let text = String::from_utf8_lossy(link.as_bytes());
    if !text.contains("rel=\"next\"") && !text.contains("rel=next") {
        return Ok(None);
    }
    let target = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let url = target.and_then(|(target, _)| answer.url.join(target));
    let path = |target: &str| target.split('?').next().map(str::to_owned);
    let here = url.filter(|url| {
        url.same_origin(&answer.url) && path(&url.target) == path(&answer.url.target) && url != &answer.url
    });
    let query = here.and_then(|url| url.target.split_once('?').map(|(_, query)| format!("?{query}")));
    let problem = || "its list goes on at another place than it began".to_owned();
    query.map(Some).ok_or_else(|| answer::content(answer, problem()))
}
