//! Hides denied images that are on the node already, and those that were not found signed as they have to be (`present =
//! "hide"`): answers as if they were not there.

use std::sync::Arc;

use tonic::Status;

use crate::policy::{Decision, Name, Policy, Present, is_image_id};
use crate::pull::record::{Denial, Record, RuleText, Would};
use crate::pull::recorder::report;
use crate::pull::verify;
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
    match denied(state, request, &request.generation.policy, image).await? {
        Some(name) => refuse_name(state, request, &name, None),
        None => Ok(()),
    }
}

/// The name by which a policy denies `image`.
async fn denied(
    state: &State,
    request: &Request,
    policy: &Policy,
    image: &str,
) -> Result<Option<Name>, Status> {
    let denies = |name: &Name| matches!(policy.decide(&request.asks(name)), Decision::Deny { .. });
    let name: Option<Name> = if is_image_id(image) { None } else { image.parse().ok() };
    if name.is_some() && !is_hex(image) {
        return Ok(name.filter(denies));
    }
    let Some(found) = state.containerd.cri.image(image).await? else { return Ok(name.filter(denies)) };
    let names = found.repo_tags.iter().chain(&found.repo_digests);
    let mut names: Vec<Name> = names.filter_map(|name| name.parse().ok()).collect();
    // An image without a name was not pulled under one that could be denied.
    Ok(if names.iter().all(denies) { names.pop() } else { None })
}

/// Refuses a container from `image` where it was not found signed as it has to be: as a name, by the name that the pod has,
/// or by every name that the image of that id has.
///
/// # Errors
/// The refusal, or what containerd answers to a question of ours.
pub(super) async fn refuse_unsigned(
    state: &State,
    request: &Arc<Request>,
    image: &str,
    specified: Option<&str>,
) -> Result<(), Status> {
    let policy = &request.generation.policy;
    if request.generation.demands.is_empty() {
        return Ok(());
    }
    let Some(found) = state.containerd.cri.image(image).await? else { return Ok(()) };
    let digests = verify::digests(&found.repo_digests);
    let unsealed = |name: &Name| !is_sealed(state, request, name, &digests);
    let name: Option<Name> = if is_image_id(image) { None } else { image.parse().ok() };
    let by_image = match name.filter(|_| !is_hex(image)) {
        Some(name) => Some(name).filter(unsealed),
        None => {
            let names = found.repo_tags.iter().chain(&found.repo_digests);
            let mut names: Vec<Name> = names.filter_map(|name| name.parse().ok()).collect();
            let denies = |name: &Name| matches!(policy.decide(&request.asks(name)), Decision::Deny { .. });
            if names.iter().all(|name| denies(name) || unsealed(name)) { names.pop() } else { None }
        }
    };
    let specified: Option<Name> = specified.and_then(|name| name.parse().ok()).filter(unsealed);
    let Some(name) = specified.or(by_image) else { return Ok(()) };
    let decision = policy.decide(&request.asks(&name));
    let reason = "the image on the node was not found signed as it has to be: pull it again".to_owned();
    let record = Record::denied(request, &name, Denial { rule: RuleText::of(decision.rule()), reason });
    report(&state.tell, &record);
    Err(record.status())
}

/// Whether the image with these digests was found signed as the rule of this name demands.
pub(super) fn is_sealed(state: &State, request: &Request, name: &Name, digests: &[&str]) -> bool {
    let (generation, asked) = (&request.generation, request.asks(name));
    let decision = generation.policy.decide(&asked);
    verify::is_sealed(state, &generation.must(&generation.policy, &asked, &decision), name, digests)
}

/// Tells of a container that rules which are only observed would refuse. The container is created all the same.
pub(super) async fn tell_would(state: &State, request: &Arc<Request>, image: &str, specified: Option<&str>) {
    let Some(whole) = request.generation.observed.as_ref() else { return };
    if whole.settings().present != Present::Hide {
        return;
    }
    let specified: Option<Name> = specified.and_then(|name| name.parse().ok());
    let by_image = denied(state, request, whole, image).await.unwrap_or_default();
    // The pod's own word says most.
    for name in specified.into_iter().chain(by_image) {
        let would = Would::of(&request.generation, &request.asks(&name)).filter(Would::denies);
        if let Some(would) = would {
            report(&state.tell, &Record::observed(request, &name, would));
            return;
        }
    }
}

/// Refuses `name` where the policy denies it. `tag` is written beside its digest.
///
/// # Errors
/// The refusal.
pub(super) fn refuse_name(
    state: &State,
    request: &Arc<Request>,
    name: &Name,
    tag: Option<&str>,
) -> Result<(), Status> {
    let asked = request.asks(name).with_tag(tag);
    let Some(denial) = Denial::of(&request.generation.policy, &asked) else { return Ok(()) };
    let record = Record::denied(request, name, denial);
    report(&state.tell, &record);
    Err(record.status())
}
