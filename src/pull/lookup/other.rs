//! Images on the node that are not what a lock has for their tag.
//!
//! Holds: an image is the right one if containerd has it by a digest of the lock, or has that digest for the tag itself: an
//! image that was imported has no other. `present` says what happens to others, as for denied images.

use std::sync::Arc;

use tonic::Status;

use crate::policy::{Name, Pin};
use crate::pull::record::{Denial, Record, RuleText};
use crate::pull::recorder::report;
use crate::state::{Request, State};

/// Whether the image is another one; `digests` are its names that have a digest.
///
/// # Errors
/// What containerd answers to a question of ours.
pub(super) async fn is_other(
    state: &State,
    pin: Pin<'_>,
    name: &Name,
    digests: &[String],
) -> Result<bool, Status> {
    let digest_of = |name: &String| name.rsplit_once('@').is_some_and(|(_, digest)| pin.accepts(digest));
    if digests.iter().any(digest_of) {
        return Ok(false);
    }
    let record = state.containerd.store.get(name.as_str()).await;
    let record = record.map_err(|error| Status::new(error.code(), error.to_string()))?;
    let target = record.and_then(|record| record.target);
    Ok(!target.is_some_and(|target| pin.accepts(&target.digest)))
}

/// Refuses a container from `image`, which is asked for as `name`, where that is another image than a lock has for it.
///
/// # Errors
/// The refusal, or what containerd answers to a question of ours.
pub(super) async fn refuse_other(
    state: &State,
    request: &Arc<Request>,
    image: &str,
    name: &Name,
) -> Result<(), Status> {
    let decision = request.generation.policy.decide(&request.asks(name));
    let Some(pin) = decision.locked() else { return Ok(()) };
    let Some(found) = state.containerd.cri.image(image).await? else { return Ok(()) };
    if !is_other(state, pin, name, &found.repo_digests).await? {
        return Ok(());
    }
    let reason = format!("the image on the node is another one: the tag is {pin}");
    let denial = Denial { rule: RuleText::of(decision.rule()), reason };
    let record = Record::denied(request, name, denial);
    report(&state.tell, &record);
    Err(record.status())
}
