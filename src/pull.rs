//! PullImage: decides, tries the candidates in order, and makes the image known by the name asked for.
//!
//! Before: `router` hands over the call.  After: `adopt` and `provenance`, then the answer; `sweep` later.
//! Holds: containerd is asked for exactly what the policy allows; a denied name reaches nobody. A
//! client's credentials go to the registry they were meant for, and to no other; the node's own for a
//! mirror to that mirror.
//! Not here: how names match rules (`policy`), what an upstream failure means (`failure`).

mod adopt;
mod auth;
mod checkpoint;
mod credential_scope;
pub mod failure;
mod finish;
pub mod hosts_files;
pub mod lookup;
pub mod pause_image;
mod provenance;
mod route;
mod stall;
pub mod sweep;

use std::sync::Arc;

use bytes::Bytes;
use tonic::Status;

use crate::containerd::Answer;
use crate::containerd::unary::{Call, malformed};
use crate::policy::{Decision, DenyReason, Name, RuleRef};
use crate::state::{Generation, State};
use crate::wire::{self, cri};

/// Answers a PullImage.
pub async fn pull_image(state: &Arc<State>, call: &Call, message: Bytes) -> Answer {
    let image = match wire::get(&message, cri::pull_image_request::IMAGE) {
        Ok(image) => image.unwrap_or_default(),
        Err(error) => return malformed(&error),
    };
    let name: Result<Name, _> = std::str::from_utf8(image).unwrap_or_default().parse();
    let Ok(name) = name else {
        // containerd can't read it either, and says so in its own words.
        return forward(call, &message).await;
    };
    let generation = state.generation();
    let pull = Pull { state, call, message: &message, generation: &generation, name: &name };
    match generation.policy.decide(&name) {
        Decision::Deny { rule, reason } => {
            tracing::info!(image = %name, rule = rule.prefix(), %reason, "denied");
            Answer::failure(&denied(&name, &rule, &reason))
        }
        Decision::Pass { rule } => pull.pass(&rule).await,
        Decision::Route { rule, candidates } => pull.route(&rule, candidates).await,
    }
}

/// What a handler needs along the way of one pull.
struct Pull<'a> {
    state: &'a Arc<State>,
    call: &'a Call,
    message: &'a Bytes,
    generation: &'a Arc<Generation>,
    name: &'a Name,
}

/// The refusal of `name`, for people.
pub fn denied(name: &Name, rule: &RuleRef<'_>, reason: &DenyReason<'_>) -> Status {
    Status::permission_denied(format!("{name} is denied by {}: {reason}", rule_text(rule)))
}

/// A rule with the place where it was written: `rule "docker.io/evil" (/etc/cri-shunt/config.toml:14)`.
pub fn rule_text(rule: &RuleRef<'_>) -> String {
    match rule.source() {
        Some(source) => format!("rule \"{}\" ({source})", rule.prefix()),
        None => format!("rule \"{}\"", rule.prefix()),
    }
}

/// Passes `message` on as it came.
pub async fn forward(call: &Call, message: &[u8]) -> Answer {
    match call.forward(message).await {
        Ok(answer) => answer,
        Err(away) => Answer::failure(&Status::unavailable(away.to_string())),
    }
}
