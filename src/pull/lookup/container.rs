//! CreateContainer, with its image volumes.
//!
//! Before: `lookup`.  After: containerd, with the message as it came.
//! Holds: the message is never edited: ids need nothing, and a name that only a mirror's record has is
//! adopted first.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::adopt_present;
use super::present::{refuse, refuse_name};
use crate::containerd::unary::{Call, malformed};
use crate::containerd::{Answer, Facts};
use crate::policy::{Checkpoint, Decision, Name, Present, is_image_id};
use crate::pull::checkpoint;
use crate::pull::forward;
use crate::state::{Generation, State};
use crate::wire::cri::{create_container_request as request, mount};
use crate::wire::{self, WireError};

/// How long CRI may go on with a name that was swept: milliseconds when it is idle.
const SWEEP_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before it is asked again.
const SWEEP_PAUSE: Duration = Duration::from_millis(10);

/// Answers a CreateContainer.
pub async fn create_container(state: &Arc<State>, call: &Call, message: Bytes) -> Answer {
    let images = match read(&message) {
        Ok(images) => images,
        Err(error) => return malformed(&error),
    };
    let generation = state.generation();
    for image in &images {
        if let Err(status) = admit(state, &generation, image).await {
            return Answer::failure(&status);
        }
    }
    let end = Instant::now() + SWEEP_PATIENCE;
    loop {
        let answer = forward(call, &message).await;
        let status = answer.status();
        // CRI finds an id's image through one of its names, and learns by an event, later, that the
        // sweeper has removed that one.
        let met_sweep = status.code() == Code::NotFound && state.ledger.speaks_of_swept(status.message());
        if !met_sweep || Instant::now() + SWEEP_PAUSE > end {
            return answer;
        }
        tracing::info!("CreateContainer met a name that was being swept; asking again");
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
}

/// One image that the container uses.
struct Image {
    text: String,
    /// What the pod says, where the client tells (kubelet 1.28 on).
    specified: Option<String>,
    /// The container's own image, which containerd may take for a file; a volume's never is.
    is_root: bool,
}

fn read(message: &[u8]) -> Result<Vec<Image>, WireError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut images = vec![Image {
        text: text(wire::get(message, request::IMAGE)?.unwrap_or_default()),
        specified: wire::get(message, request::USER_SPECIFIED_IMAGE)?.map(text),
        is_root: true,
    }];
    for range in wire::each(message, request::MOUNTS)? {
        let mount = &message[range];
        if let Some(image) = wire::get(mount, mount::IMAGE)? {
            let specified = wire::get(mount, mount::USER_SPECIFIED_IMAGE)?.map(text);
            images.push(Image { text: text(image), specified, is_root: false });
        }
    }
    Ok(images)
}

/// Whether the container may use `image`; makes it known by its name where only a mirror's is there.
async fn admit(state: &Arc<State>, generation: &Generation, image: &Image) -> Result<(), Status> {
    if image.text.is_empty() {
        return Ok(());
    }
    if image.is_root && generation.policy.has_deny() {
        // Where relative paths lead is known once containerd has answered, and before that it answers nobody.
        let containerd = state.containerd.known_facts().await;
        refuse_file(&containerd, &image.text)?;
    }
    if generation.policy.settings().present == Present::Hide {
        refuse(state, generation, &image.text).await?;
        if let Some(Ok(name)) = image.specified.as_deref().map(str::parse::<Name>) {
            refuse_name(&generation.policy, &name)?;
        }
    }
    let found = state.containerd.cri.image(&image.text).await?;
    let found = match (found, image.text.parse::<Name>()) {
        (None, Ok(name)) if !is_image_id(&image.text) && adopt_present(state, generation, &name).await? => {
            state.containerd.cri.image(&image.text).await?
        }
        (found, _) => found,
    };
    match found {
        Some(found) => refuse_checkpoint(state, generation, image, &found.id).await,
        None => Ok(()),
    }
}

/// containerd 2.1 opens a file of the image's name as a checkpoint archive, relative to its own directory
/// (`internal/cri/server/container_create.go`), and pulls the base image that it names.
fn refuse_file(containerd: &Facts, image: &str) -> Result<(), Status> {
    let relative = PathBuf::from(image);
    let path = match containerd.working_directory() {
        Some(directory) if relative.is_relative() => directory.join(relative),
        _ => relative,
    };
    let written_as_path = image.starts_with(['/', '.']);
    if !written_as_path && !path.exists() {
        return Ok(());
    }
    Err(Status::permission_denied(format!(
        "{image} is a file, which containerd would take for a checkpoint and pull its base image past every \
         rule; that is refused where images are denied"
    )))
}

async fn refuse_checkpoint(
    state: &State,
    generation: &Generation,
    image: &Image,
    id: &str,
) -> Result<(), Status> {
    let names = [image.specified.as_deref(), Some(&image.text)];
    let name =
        names.into_iter().flatten().filter(|text| !is_image_id(text)).find_map(|text| text.parse().ok());
    let name: Option<Name> = name;
    let allowed = name.as_ref().is_some_and(|name| match generation.policy.decide(name) {
        Decision::Route { rule, .. } | Decision::Pass { rule } => rule.checkpoint() == Checkpoint::Allow,
        Decision::Deny { .. } => false,
    });
    if allowed {
        return Ok(());
    }
    let failed = |error: crate::containerd::StoreError| Status::new(error.code(), error.to_string());
    let Some(target) = state.containerd.store.get(id).await.map_err(failed)?.and_then(|image| image.target)
    else {
        return Ok(());
    };
    if !checkpoint::is_checkpoint(&state.containerd.store, &target).await.map_err(failed)? {
        return Ok(());
    }
    Err(Status::permission_denied(format!(
        "{} is a checkpoint, whose base image would be pulled past every rule; no rule allows that \
         (checkpoint = \"allow\")",
        image.text
    )))
}
