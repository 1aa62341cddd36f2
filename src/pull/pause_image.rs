//! The pause image, which containerd pulls by itself, without any CRI call that a policy could meet.
//!
//! Holds: where the policy routes the pause image, or demands signatures of it, it is on the node under the name that containerd
//! looks for, so that containerd has no reason to pull it. Where the policy leaves it alone, so does this.

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use super::image::pull_image;
use super::record::Denial;
use super::{own, verify};
use crate::policy::{Asked, Decision, Name, Policy, Present};
use crate::state::State;
use crate::wire;
use crate::wire::cri::pull_image_request::IMAGE;

/// How long a RunPodSandbox waits to learn which image containerd would pull.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long until the pause image is looked for again without any sign.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A policy that denies the image which containerd needs for every pod.
#[derive(Debug, PartialEq, Eq)]
pub struct Denied {
    /// The image.
    pub image: Name,
    /// Which image, and which rule.
    pub message: String,
    /// What to write.
    pub hint: String,
}

/// Whether a policy denies the pause image.
#[must_use]
pub fn denied(policy: &Policy, name: &Name) -> Option<Denied> {
    let Denial { rule, reason } = Denial::of(policy, &Asked::of(name))?;
    let repository = format!("{}/{}", name.host(), name.path());
    let hint = if rule.prefix.starts_with(&repository) {
        "allow it in that rule, or name another image in containerd's config".to_owned()
    } else {
        format!("add a [[policy.rule]] with prefix = \"{repository}\", and with mirrors or with pass = true")
    };
    Some(Denied {
        image: name.clone(),
        message: format!("no pod can start without {name}, and it is denied by {rule}: {reason}"),
        hint,
    })
}

/// Sees to it that the pause image is there, before containerd would pull it.
///
/// # Errors
/// The policy denies it, or no mirror has it, or containerd does not answer.
pub async fn before_sandbox(state: &Arc<State>) -> Result<(), Status> {
    if state.generation().policy.passes_all() {
        return Ok(());
    }
    if tokio::time::timeout(PATIENCE, state.containerd.known_facts()).await.is_err() {
        return Err(Status::unavailable("containerd has not told yet which pause image it would pull"));
    }
    ensure(state).await.map(drop)
}

/// Pulls the pause image where the policy routes it and it is not there. Says whether it was pulled.
///
/// # Errors
/// The policy denies it, or no mirror has it, or containerd does not answer.
pub async fn ensure(state: &Arc<State>) -> Result<bool, Status> {
    let Some(name) = state.containerd.pause_image() else { return Ok(false) };
    let generation = state.generation();
    let asked = Asked::of(&name);
    let decision = generation.policy.decide(&asked);
    let must = generation.must(&generation.policy, &asked, &decision);
    if matches!(decision, Decision::Pass { .. }) && must.is_empty() {
        return Ok(false);
    }
    if let Some(image) = state.containerd.cri.image(name.as_str()).await? {
        let hides = generation.policy.settings().present == Present::Hide;
        if !hides || verify::is_sealed(state, &must, &name, &verify::digests(&image.repo_digests)) {
            return Ok(false);
        }
    }
    if let Some(Denied { message, hint, .. }) = denied(&generation.policy, &name) {
        return Err(Status::permission_denied(format!("{message} ({hint})")));
    }
    let message = wire::set(&[], IMAGE, name.as_str().as_bytes())
        .map_err(|error| Status::internal(error.to_string()))?;
    let (request, call) = own::request(state, generation);
    let answer = pull_image(state, &Arc::new(request), &call, message.into()).await;
    let status = answer.status();
    if answer.is_ok() { Ok(true) } else { Err(status) }
}

/// Keeps the pause image on the node for as long as it is polled: whenever containerd answers again, after each
/// removal, and now and then.
pub async fn keep(state: Arc<State>) {
    let mut facts = state.containerd.watch_facts();
    while facts.wait_for(Option::is_some).await.is_ok() {
        tokio::select! {
            () = keep_while_up(&state) => {}
            _ = facts.wait_for(Option::is_none) => {}
        }
    }
}

async fn keep_while_up(state: &Arc<State>) {
    let mut reported = false;
    let (mut generations, mut said) = (state.generations(), None);
    loop {
        generations.mark_unchanged();
        let name = state.containerd.pause_image();
        let denied = name.and_then(|name| denied(&state.generation().policy, &name));
        // containerd pulls it by itself then.
        let denied = denied.filter(|_| !state.bypass.is_there());
        if let Some(Denied { message, hint, .. }) = denied.as_ref().filter(|_| denied != said) {
            tracing::warn!("{message} ({hint})");
        }
        match ensure(state).await {
            // That has been said.
            Err(_) if denied.is_some() => {}
            Ok(pulled) => {
                if pulled {
                    tracing::info!("the pause image was not there; pulled");
                }
                reported = false;
            }
            Err(status) if !reported => {
                tracing::warn!(error = status.message(), "the pause image is not there");
                reported = true;
            }
            Err(_) => {}
        }
        said = denied;
        tokio::select! {
            () = state.containerd.pause_image_removed.notified() => {}
            _ = generations.changed() => {}
            // For what no event tells: a mirror that has the image by now.
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
