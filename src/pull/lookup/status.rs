//! ImageStatus: containerd's own answer, for the name that was asked for.
//!
//! Holds: it says nothing of a pod, so it is decided as for a client without one. But an image is hidden only if it is
//! denied in every namespace: kubelet asks here for every pod, and could not start those that may have it. Whether the
//! pod of a container may have it, CreateContainer says.

use std::sync::Arc;

use bytes::Bytes;
use tonic::Status;

use super::adopt_present;
use super::other::is_other;
use super::present::{is_hex, is_sealed};
use crate::containerd::Answer;
use crate::containerd::unary::{Call, forward, malformed};
use crate::policy::{Name, Policy, Present, is_image_id};
use crate::pull::{provenance, verify};
use crate::state::{Request, State};
use crate::wire::cri::{image_status_request, image_status_response as response};
use crate::wire::{self, WireError, cri};

/// The key of the entry in `info` that tells where an image came from.
pub const INFO_KEY: &str = "cri-shunt";

/// Answers an ImageStatus.
pub async fn image_status(state: &Arc<State>, request: &Arc<Request>, call: &Call, message: Bytes) -> Answer {
    let asked = match Question::read(&message) {
        Ok(asked) => asked,
        Err(error) => return malformed(&error),
    };
    let policy = &request.generation.policy;
    let hidden = match &asked.name {
        Some(name) if policy.settings().present == Present::Hide => policy.denies_everybody(name),
        _ => false,
    };
    if hidden && !asked.may_be_id {
        return Answer::message(&[]);
    }
    let answer = forward(call, &message).await;
    let Some(payload) = answer.payload() else { return answer };
    if !names_an_image(&payload) {
        let Some(name) = &asked.name else { return answer };
        return match adopt_present(state, request, name).await {
            Ok(false) => answer,
            Ok(true) => described(state, &asked, forward(call, &message).await).await,
            Err(status) => Answer::failure(&status),
        };
    }
    if let Some(name) = &asked.name
        && (hidden || hides_unsigned(request, name))
        && let found = Found::read(&payload)
        && found.is_named(name)
        && (hidden || !is_sealed(state, request, name, &verify::digests(&found.digests)))
    {
        return Answer::message(&[]);
    }
    match is_hidden_as_other(state, policy, &asked, &payload).await {
        Ok(false) => {}
        Ok(true) => return Answer::message(&[]),
        Err(status) => return Answer::failure(&status),
    }
    described(state, &asked, answer).await
}

/// Whether the image is hidden, as a lock has another one for the tag.
async fn is_hidden_as_other(
    state: &State,
    policy: &Policy,
    asked: &Question,
    payload: &[u8],
) -> Result<bool, Status> {
    let Some(name) = asked.name.as_ref().filter(|_| policy.settings().present == Present::Hide) else {
        return Ok(false);
    };
    let Some(pin) = policy.locks_for_everybody(name) else { return Ok(false) };
    let found = Found::read(payload);
    Ok(found.is_named(name) && is_other(state, pin, name, &found.digests).await?)
}

/// Whether an image by this name is hidden from everybody if it was not found signed as it has to be.
fn hides_unsigned(request: &Request, name: &Name) -> bool {
    let policy = &request.generation.policy;
    let hides = policy.settings().present == Present::Hide && !request.generation.demands.is_empty();
    hides && !policy.is_scoped(name)
}

/// The question.
struct Question {
    /// The name, unless it is an id or neither.
    name: Option<Name>,
    /// A name that containerd tries as a shortened id where it does not know it.
    may_be_id: bool,
    verbose: bool,
}

impl Question {
    fn read(message: &[u8]) -> Result<Self, WireError> {
        let image = wire::get(message, image_status_request::IMAGE)?.unwrap_or_default();
        let text = std::str::from_utf8(image).unwrap_or_default();
        let name = if is_image_id(text) { None } else { text.parse().ok() };
        let verbose =
            wire::get_varint(message, image_status_request::VERBOSE)?.is_some_and(|value| value != 0);
        Ok(Self { name, may_be_id: is_hex(text), verbose })
    }
}

/// Whether there is an image in an answer.
fn names_an_image(payload: &[u8]) -> bool {
    wire::get(payload, response::ID).is_ok_and(|id| id.is_some())
}

/// The names of the image in an answer: an image may have thousands, and most calls do not ask.
struct Found {
    tags: Vec<String>,
    digests: Vec<String>,
}

impl Found {
    fn read(payload: &[u8]) -> Self {
        let names = |path| {
            let ranges = wire::each(payload, path).unwrap_or_default();
            ranges.into_iter().map(|range| String::from_utf8_lossy(&payload[range]).into_owned()).collect()
        };
        Self { tags: names(response::REPO_TAGS), digests: names(response::REPO_DIGESTS) }
    }

    fn is_named(&self, name: &Name) -> bool {
        self.tags.iter().chain(&self.digests).any(|known| known == name.as_str())
    }
}

/// Adds the image's provenance to a verbose answer.
async fn described(state: &State, asked: &Question, answer: Answer) -> Answer {
    if !asked.verbose {
        return answer;
    }
    let Some(payload) = answer.payload().filter(|payload| names_an_image(payload)) else { return answer };
    let found = Found::read(&payload);
    // An id that reads as a name is not a name of this image.
    let name = asked.name.as_ref().filter(|name| found.is_named(name));
    match provenance::describe(&state.containerd.store, name, &found.tags, &found.digests).await {
        Ok(value) => {
            let entry = cri::map_entry(INFO_KEY, &value.to_string());
            answer.with_payload(&wire::append(&payload, response::INFO, &entry))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot tell where an image came from");
            answer
        }
    }
}
