//! The pause image, which containerd pulls by itself, without any CRI call that a policy could meet.
//!
//! Before: `attend` when containerd has started or the image was removed, `router` before a RunPodSandbox.
//! After: `pull`, as a client's PullImage would go.
//! Holds: where the policy routes the pause image, it is on the node under the name that containerd
//! looks for, so that containerd has no reason to pull it. Where the policy leaves it alone, so does this.

use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use crate::call::Call;
use crate::node::Node;
use crate::policy::{Decision, Name};
use crate::pull::{denied, pull_image};
use crate::wire;
use crate::wire::cri::pull_image_request::IMAGE;

/// The method by which the pause image is pulled.
const PULL_IMAGE: &str = "/runtime.v1.ImageService/PullImage";

/// How long a RunPodSandbox waits to learn which image containerd would pull.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sees to it that the pause image is there, before containerd would pull it.
///
/// # Errors
/// The policy denies it, or no mirror has it, or containerd does not answer.
pub async fn before_sandbox(node: &Arc<Node>) -> Result<(), Status> {
    if node.generation().policy.passes_all() {
        return Ok(());
    }
    if tokio::time::timeout(PATIENCE, node.known_facts()).await.is_err() {
        return Err(Status::unavailable("containerd has not told yet which pause image it would pull"));
    }
    ensure(node).await.map(drop)
}

/// Pulls the pause image where the policy routes it and it is not there. Says whether it was pulled.
///
/// # Errors
/// The policy denies it, or no mirror has it, or containerd does not answer.
pub async fn ensure(node: &Arc<Node>) -> Result<bool, Status> {
    let Some(name) = name(node) else { return Ok(false) };
    let generation = node.generation();
    let decision = generation.policy.decide(&name);
    if matches!(decision, Decision::Pass { .. }) || node.cri.image(name.as_str()).await?.is_some() {
        return Ok(false);
    }
    if let Decision::Deny { rule, reason } = decision {
        let refusal = denied(&name, &rule, &reason);
        let text = format!("the pause image of containerd is not on the node, and {}", refusal.message());
        return Err(Status::new(refusal.code(), text));
    }
    let message = wire::set(&[], IMAGE, name.as_str().as_bytes())
        .map_err(|error| Status::internal(error.to_string()))?;
    let call = Call::own(node.link.clone(), PULL_IMAGE);
    let answer = pull_image(node, &call, message.into()).await;
    let status = answer.status();
    if answer.is_ok() { Ok(true) } else { Err(status) }
}

/// The pause image's name, as far as containerd tells.
pub fn name(node: &Node) -> Option<Name> {
    node.facts().pause_image.as_deref()?.parse().ok()
}
