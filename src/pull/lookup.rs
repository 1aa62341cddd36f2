//! ImageStatus, CreateContainer and RestorePod: images that are on the node already.
//!
//! Holds: nothing here ever asks a registry. Ids pass untouched. Answers are not rewritten, but for the
//! one entry in a verbose ImageStatus that tells where the image came from.

mod container;
mod other;
mod present;
mod status;

pub use container::{create_container, restore_pod};
pub use status::{INFO_KEY, image_status};

use std::sync::Arc;

use tonic::{Code, Status};

use super::adopt::{self, AdoptError};
use super::contents;
use super::provenance::Provenance;
use super::record::{End, Record, RuleText, Served, Verdict};
use super::recorder::report;
use super::verify;
use crate::policy::{Candidate, Decision, Name, Role, RuleRef};
use crate::signature::Must;
use crate::state::{Request, State};

/// Gives `name` to an image that is on the node under the name of one of its mirrors. Says whether one was
/// found.
///
/// Such images were pulled before the shunt was there, or beside it. Their other names stay.
///
/// # Errors
/// What containerd answers to a question of ours.
async fn adopt_present(state: &Arc<State>, request: &Arc<Request>, name: &Name) -> Result<bool, Status> {
    let generation = &request.generation;
    let asked = request.asks(name);
    let decision = generation.policy.decide(&asked);
    let must = generation.must(&generation.policy, &asked, &decision);
    let Decision::Route { rule, candidates, .. } = decision else { return Ok(false) };
    // containerd reads another name from one that no image reference can be.
    let mirrors = |candidate: &&Candidate| candidate.role == Role::Mirror && !candidate.needs_private_host;
    for candidate in candidates.iter().filter(mirrors) {
        let Some(image) = state.containerd.cri.image(candidate.name.as_str()).await? else { continue };
        match adopt_from(state, request, (&rule, &must), name, candidate, &image.id).await {
            Ok(()) => {
                report(&state.tell, &found(request, &rule, name, candidate));
                return Ok(true);
            }
            // Removed meanwhile, or not allowed by this name: as if it were not there.
            Err(AdoptError::Gone | AdoptError::Refused(_)) => {}
            Err(error) => return Err(Status::new(error.code(), format!("{name}: {error}"))),
        }
    }
    Ok(false)
}

async fn adopt_from(
    state: &Arc<State>,
    request: &Request,
    (rule, must): (&RuleRef<'_>, &[Must]),
    name: &Name,
    candidate: &Candidate,
    id: &str,
) -> Result<(), AdoptError> {
    let target = adopt::target(state, &candidate.name, Some(id)).await?;
    let rule_text = RuleText::of(rule).to_string();
    if !verify::is_sealed(state, must, name, &[&target.digest]) {
        return Err(AdoptError::Refused("it was not found signed as it has to be".to_owned()));
    }
    let forbids = format!("{rule_text} does not allow that");
    let refused = contents::refused_checkpoint(state, &target, rule.checkpoint(), &forbids).await?;
    if let Some(refused) = refused {
        return Err(AdoptError::Refused(refused));
    }
    let registry = candidate.name.host();
    let provenance = Provenance::now(&candidate.name, registry, &format!("{rule_text}, found on the node"));
    let timeout = request.generation.pull.adopt_timeout;
    let (tasks, state, name, id) = (state.tasks.clone(), state.clone(), name.clone(), id.to_owned());
    // A task of its own, so that a client that leaves does not leave half of it behind.
    let adopted = tasks
        .spawn(async move { adopt::adopt(&state, &name, &target, Some(&id), &provenance, timeout).await });
    adopted
        .await
        .unwrap_or_else(|error| Err(Status::internal(format!("the adoption did not end: {error}")).into()))
}

fn found(request: &Arc<Request>, rule: &RuleRef<'_>, name: &Name, candidate: &Candidate) -> Record {
    let mut record = Record::new(request, name.as_str());
    record.name = Some(name.clone());
    record.rule = Some(RuleText::of(rule));
    record.verdict = Verdict::Route;
    let (reference, registry) = (candidate.name.clone(), candidate.name.host().to_owned());
    record.served = Some(Served { reference, registry, digest: None, size: None });
    record.finish(End::Containerd(Code::Ok));
    record
}
