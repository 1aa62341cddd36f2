//! After containerd has pulled: the name asked for, its provenance, and the ledger.
//!
//! Before: `route` has a candidate's answer.  After: the client has the answer.
//! Holds: what is begun here is finished, also when the client goes away meanwhile. A pull from a mirror
//! whose image can't be found afterwards under its name is no success.

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use crate::containerd::Answer;
use crate::policy::{Checkpoint, Name, Role};
use crate::pull::adopt::{self, AdoptError};
use crate::pull::checkpoint;
use crate::pull::provenance::{self, Provenance};
use crate::state::State;
use crate::state::Ticket;
use crate::wire::{self, cri};

/// One image as a candidate served it.
pub(super) struct Served {
    pub(super) state: Arc<State>,
    /// What the client asked for.
    pub(super) name: Name,
    /// What it was pulled as.
    pub(super) from: Name,
    pub(super) role: Role,
    /// The rule, in words.
    pub(super) rule: String,
    pub(super) checkpoint: Checkpoint,
    pub(super) adopt_timeout: Duration,
    /// containerd's answer, which goes to the client untouched.
    pub(super) answer: Answer,
}

/// The image was removed before it had its name.
#[derive(Debug, thiserror::Error)]
#[error("the image was removed before it had its name")]
pub(super) struct Gone;

/// Finishes a pull of the name itself.
pub(super) async fn settle(served: Served, ticket: Ticket) -> Answer {
    finish(served, ticket).await.unwrap_or_else(|gone| Answer::failure(&Status::aborted(gone.to_string())))
}

/// Finishes a pull from a mirror.
///
/// # Errors
/// [`Gone`]: it is worth pulling once more.
pub(super) async fn adopted(served: Served, ticket: Ticket) -> Result<Answer, Gone> {
    finish(served, ticket).await
}

/// Runs to its end on its own, so that a client that leaves does not leave half of it behind.
async fn finish(served: Served, ticket: Ticket) -> Result<Answer, Gone> {
    match tokio::spawn(run(served, ticket)).await {
        Ok(result) => result,
        Err(error) => Ok(Answer::failure(&Status::internal(format!("adoption did not end: {error}")))),
    }
}

async fn run(served: Served, mut ticket: Ticket) -> Result<Answer, Gone> {
    // Both at once: a claim that came late would take what others pull meanwhile for ours. The ticket
    // lives on, so that nothing is swept under the adoption.
    let (result, claimed) = tokio::join!(complete(&served), ticket.claim(&served.state.containerd.store));
    if let Err(error) = claimed {
        tracing::warn!(%error, image = %served.from, "cannot note what a pull brought");
    }
    match result {
        Ok(()) => Ok(served.answer),
        // What containerd pulled as it was asked is its own success, whatever we could not note of it.
        Err(error) if served.role == Role::Origin && !matches!(error, AdoptError::Checkpoint { .. }) => {
            tracing::warn!(image = %served.name, %error, "cannot note where it came from");
            Ok(served.answer)
        }
        Err(AdoptError::Gone) => Err(Gone),
        Err(error) => {
            tracing::error!(image = %served.name, from = %served.from, %error, "pulled, but not usable");
            Ok(Answer::failure(&error.status(&served.name)))
        }
    }
}

async fn complete(served: &Served) -> Result<(), AdoptError> {
    let state = &served.state;
    let target = adopt::target(state, &served.from, id(&served.answer).as_deref()).await?;
    if served.checkpoint == Checkpoint::Refuse
        && checkpoint::is_checkpoint(&state.containerd.store, &target).await?
    {
        return Err(AdoptError::Checkpoint { rule: served.rule.clone() });
    }
    let provenance = Provenance::now(&served.from, &served.rule, &state.containerd.facts());
    match served.role {
        Role::Origin => {
            provenance::write(&state.containerd.store, &served.name, &target, &provenance).await?
        }
        Role::Mirror => {
            let id = id(&served.answer);
            adopt::adopt(state, &served.name, &target, id.as_deref(), &provenance, served.adopt_timeout)
                .await?;
        }
    }
    Ok(())
}

/// The image's id in containerd's answer.
fn id(answer: &Answer) -> Option<String> {
    let payload = answer.payload()?;
    let id = wire::get(&payload, cri::pull_image_response::IMAGE_REF).ok()??;
    String::from_utf8(id.to_vec()).ok()
}
