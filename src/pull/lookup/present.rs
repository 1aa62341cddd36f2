//! Hides denied images that are on the node already (`present = "hide"`): answers as if they were not there.

use std::sync::Arc;

use tonic::Status;

use crate::policy::{Name, is_image_id};
use crate::pull::record::{Denial, Record};
use crate::pull::recorder::report;
use crate::state::{Request, State};

/// Whether `text` can be a shortened id: containerd takes any start of an id's hex digits.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Refuses a container from `image` where the policy denies it: as a name, or by every name that the image
/// of that id has.
///
/// # Errors
/// The refusal, or what containerd answers to a question of ours.
pub(super) async fn refuse(state: &State, request: &Arc<Request>, image: &str) -> Result<(), Status> {
    let name: Option<Name> = if is_image_id(image) { None } else { image.parse().ok() };
    if let Some(name) = name.as_ref().filter(|_| !is_hex(image)) {
        return refuse_name(state, request, name);
    }
    let Some(found) = state.containerd.cri.image(image).await? else {
        return name.map_or(Ok(()), |name| refuse_name(state, request, &name));
    };
    let names = found.repo_tags.iter().chain(&found.repo_digests);
    let names: Vec<Name> = names.filter_map(|name| name.parse().ok()).collect();
    let policy = &request.generation.policy;
    if names.iter().any(|name| Denial::of(policy, name).is_none()) {
        return Ok(());
    }
    // An image without a name was not pulled under one that could be denied.
    names.last().map_or(Ok(()), |name| refuse_name(state, request, name))
}

/// Refuses `name` where the policy denies it.
///
/// # Errors
/// The refusal.
pub(super) fn refuse_name(state: &State, request: &Arc<Request>, name: &Name) -> Result<(), Status> {
    let Some(denial) = Denial::of(&request.generation.policy, name) else { return Ok(()) };
    let record = Record::denied(request, name, denial);
    report(&state.tell, &record);
    Err(record.status())
}
