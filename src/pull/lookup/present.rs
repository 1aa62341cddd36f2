//! Denied images that are on the node already (`present = "hide"`).
//!
//! Before: `status` and `container` have a name or an id.  After: they answer as if it were not there.

use tonic::Status;

use crate::policy::{Decision, Name, Policy, is_image_id};
use crate::pull::denied;
use crate::state::{Generation, State};

/// Whether `text` can be a shortened id: containerd takes any start of an id's hex digits.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Whether the policy denies `name`.
pub(super) fn hidden_name(policy: &Policy, name: &Name) -> bool {
    matches!(policy.decide(name), Decision::Deny { .. })
}

/// Refuses a container from `image` where the policy denies it: as a name, or by every name that the image
/// of that id has.
///
/// # Errors
/// The refusal, or what containerd answers to a question of ours.
pub(super) async fn refuse(state: &State, generation: &Generation, image: &str) -> Result<(), Status> {
    let policy = &generation.policy;
    let name: Option<Name> = if is_image_id(image) { None } else { image.parse().ok() };
    if let Some(name) = name.as_ref().filter(|_| !is_hex(image)) {
        return refuse_name(policy, name);
    }
    let Some(found) = state.containerd.cri.image(image).await? else {
        return name.map_or(Ok(()), |name| refuse_name(policy, &name));
    };
    let names: Vec<Name> =
        found.repo_tags.iter().chain(&found.repo_digests).filter_map(|name| name.parse().ok()).collect();
    let mut refusal = None;
    for name in &names {
        match refuse_name(policy, name) {
            Ok(()) => return Ok(()),
            Err(status) => refusal = Some(status),
        }
    }
    // An image that nobody has given a name was not pulled under any that could be denied.
    refusal.map_or(Ok(()), Err)
}

/// Refuses `name` where the policy denies it.
///
/// # Errors
/// The refusal.
pub(super) fn refuse_name(policy: &Policy, name: &Name) -> Result<(), Status> {
    match policy.decide(name) {
        Decision::Deny { rule, reason } => Err(denied(name, &rule, &reason)),
        Decision::Route { .. } | Decision::Pass { .. } => Ok(()),
    }
}
