//! Finds the signatures of a digest at a registry, one after the other.
//!
//! They are looked for in the list of referrers, or behind the tag `sha256-…` that stands in for such a list; then behind
//! cosign's own tag `sha256-….sig`.
//! Holds: whoever looks can stop at the first that is enough. How much is read is bounded, in number and in length; what is
//! more than that is an error, because a signature that counts could be in the rest.
//!
//! Facts: OCI distribution-spec 1.1, "Referrers Tag Schema"; cosign `specs/SIGNATURE_SPEC.md`, `specs/BUNDLE_SPEC.md`.

use std::collections::VecDeque;

use super::bundle;
use super::claim::shown;
use super::listed;
use super::simple::{self, Simple};
use crate::policy::is_digest;
use crate::registry::{Client, Manifest, OCI_INDEX, Refusal, Resolve};

/// How many entries lists may have, all parts of one together.
const MOST_LISTED: usize = 1000;
/// In how many parts one list may come.
const MOST_PARTS: usize = 20;
/// How many signatures are looked at.
const MOST_SIGNATURES: usize = 128;

/// Something that is attached to an image, and may be its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Where it is, for a message.
    pub place: String,
    /// What it is.
    pub what: What,
}

/// The kinds of signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// As cosign 2 writes it.
    Simple(Simple),
    /// A Sigstore bundle, as cosign 3 writes it.
    Bundle(Vec<u8>),
}

/// Why nothing can be said of an image's signatures.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The registry does not give them.
    #[error("{0}")]
    Registry(#[from] Refusal),
    /// What it gives is not what it should be, or too much.
    #[error("{place}: {problem}")]
    Content {
        /// The part of the registry.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

/// A search for the signatures of one digest.
pub struct Search<'s> {
    client: &'s Client,
    question: Resolve<'s>,
    /// `sha256-<hex>`.
    tag: String,
    steps: VecDeque<Step>,
    listed: usize,
    found: usize,
}

/// What is looked at next.
enum Step {
    /// A part of the list of referrers, which is empty or as the part before has said, and its number.
    Referrers(String, usize),
    /// The tag that stands in for the list.
    Fallback,
    /// cosign's own tag.
    Sig,
    /// One entry of a list.
    Entry(String),
    /// One layer, and the signature beside it if it has one there.
    Layer { place: String, layer: listed::Layer },
}

impl<'s> Search<'s> {
    /// Begins to look for the signatures of the digest `question.reference`, at that registry and repository.
    pub fn new(client: &'s Client, question: &Resolve<'s>) -> Self {
        let steps = VecDeque::from([Step::Referrers(String::new(), 1), Step::Sig]);
        let tag = question.reference.replacen(':', "-", 1);
        Search { client, question: *question, tag, steps, listed: 0, found: 0 }
    }

    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// Why nothing can be said of what is left.
    pub async fn next(&mut self) -> Result<Option<Attached>, Lost> {
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::Referrers(part, number) => self.referrers(&part, number).await?,
                Step::Fallback => {
                    let tag = self.tag.clone();
                    if let Some(index) = self.manifest(&tag).await?
                        && index.media_type == OCI_INDEX
                    {
                        self.list(&format!("tag {tag}"), &index.bytes)?;
                    }
                }
                Step::Sig => {
                    let tag = format!("{}.sig", self.tag);
                    if let Some(manifest) = self.manifest(&tag).await? {
                        self.layers(&format!("tag {tag}"), &manifest)?;
                    }
                }
                Step::Entry(digest) => {
                    checked("a list of signatures", &digest)?;
                    if let Some(manifest) = self.manifest(&digest).await? {
                        self.layers(&format!("referrer {digest}"), &manifest)?;
                    }
                }
                Step::Layer { place, layer } => {
                    return self.layer(place, layer).await.map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Reads a part of the list, and puts what it has before all other steps, in its order.
    async fn referrers(&mut self, part: &str, number: usize) -> Result<(), Lost> {
        let place = "the list of referrers";
        let Some(listed) = self.client.referrers(&self.question, part).await? else {
            self.steps.push_front(Step::Fallback);
            return Ok(());
        };
        if let Some(next) = listed.next {
            if number >= MOST_PARTS {
                return Err(content(place, format!("it comes in more than {MOST_PARTS} parts")));
            }
            self.steps.push_front(Step::Referrers(next, number + 1));
        }
        self.list(place, &listed.bytes)
    }

    fn list(&mut self, place: &str, bytes: &[u8]) -> Result<(), Lost> {
        let listed::Entries { entries, count } =
            listed::entries(bytes).map_err(|error| content(place, error))?;
        self.listed += count;
        if self.listed > MOST_LISTED {
            return Err(content(place, format!("it has more than {MOST_LISTED} entries")));
        }
        for digest in entries.into_iter().rev() {
            self.steps.push_front(Step::Entry(digest));
        }
        Ok(())
    }

    fn layers(&mut self, place: &str, manifest: &Manifest) -> Result<(), Lost> {
        let layers = listed::layers(&manifest.bytes).map_err(|error| content(place, error))?;
        self.found += layers.len();
        if self.found > MOST_SIGNATURES {
            return Err(content(place, format!("with it there are more than {MOST_SIGNATURES} signatures")));
        }
        for layer in layers.into_iter().rev() {
            self.steps.push_front(Step::Layer { place: place.to_owned(), layer });
        }
        Ok(())
    }

    async fn layer(&self, place: String, layer: listed::Layer) -> Result<Attached, Lost> {
        checked(&place, &layer.digest)?;
        let limit = if layer.signature.is_some() { simple::LONGEST } else { bundle::LONGEST };
        let bytes = self.client.blob(&self.at(&layer.digest), limit).await?.to_vec();
        let what = match layer.signature {
            Some((signature, witness)) => What::Simple(Simple { payload: bytes, signature, witness }),
            None => What::Bundle(bytes),
        };
        Ok(Attached { place, what })
    }

    async fn manifest(&self, reference: &str) -> Result<Option<Manifest>, Lost> {
        Ok(self.client.attached(&self.at(reference)).await?)
    }

    fn at<'r>(&self, reference: &'r str) -> Resolve<'r>
    where
        's: 'r,
    {
        Resolve { reference, ..self.question }
    }
}

/// Whether a registry's word is a digest: it becomes part of a path, and of messages.
fn checked(place: &str, digest: &str) -> Result<(), Lost> {
    match is_digest(digest) {
        true => Ok(()),
        false => Err(content(place, format!("\"{}\" in it is not a digest", shown(digest)))),
    }
}

fn content(place: &str, problem: String) -> Lost {
    Lost::Content { place: place.to_owned(), problem }
}
