//! ImageStatus and CreateContainer: images that are on the node already.
//!
//! Before: `router`.  After: containerd, asked for the name as it came first.
//! Holds: nothing here ever asks a registry. Ids pass untouched. Answers are not rewritten, but for the
//! one entry in a verbose ImageStatus that tells where the image came from.

mod container;
mod present;
mod status;

pub use container::create_container;
pub use status::image_status;

use std::sync::Arc;

use tonic::Status;

use crate::policy::{Checkpoint, Decision, Name, Role};
use crate::pull::adopt::{self, AdoptError};
use crate::pull::checkpoint;
use crate::pull::provenance::Provenance;
use crate::pull::rule_text;
use crate::state::{Generation, State};

/// Gives `name` to an image that is on the node under the name of one of its mirrors. Says whether one was
/// found.
///
/// Such images were pulled before the shunt was there, or beside it. Their other names stay.
///
/// # Errors
/// What containerd answers to a question of ours.
async fn adopt_present(state: &Arc<State>, generation: &Generation, name: &Name) -> Result<bool, Status> {
    let Decision::Route { rule, candidates } = generation.policy.decide(name) else { return Ok(false) };
    for candidate in candidates.into_iter().filter(|candidate| candidate.role == Role::Mirror) {
        let Some(image) = state.containerd.cri.image(candidate.name.as_str()).await? else { continue };
        let adopted = async {
            let target = adopt::target(state, &candidate.name, Some(&image.id)).await?;
            if rule.checkpoint() == Checkpoint::Refuse
                && checkpoint::is_checkpoint(&state.containerd.store, &target).await?
            {
                return Err(AdoptError::Checkpoint { rule: rule_text(&rule) });
            }
            let rule = format!("{}, found on the node", rule_text(&rule));
            let provenance = Provenance::now(&candidate.name, &rule, &state.containerd.facts());
            let timeout = generation.pull.adopt_timeout;
            adopt::adopt(state, name, &target, Some(&image.id), &provenance, timeout).await
        };
        match adopted.await {
            Ok(()) => {
                tracing::info!(image = %name, from = %candidate.name, "found on the node by its mirror's name");
                return Ok(true);
            }
            // Removed meanwhile, or not to be had by this name: as if it were not there.
            Err(AdoptError::Gone | AdoptError::Checkpoint { .. }) => {}
            Err(error) => return Err(error.status(name)),
        }
    }
    Ok(false)
}
