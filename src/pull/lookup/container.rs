//! CreateContainer, with its image volumes, and RestorePod.
//!
//! Holds: the message is never edited: ids need nothing, and a name that only a mirror's record has is
//! adopted first.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tonic::Status;

use super::adopt_present;
use super::other::refuse_other;
use super::present::{refuse, refuse_name, refuse_unsigned, tell_would};
use crate::containerd::unary::{Call, forward, malformed};
use crate::containerd::{Answer, Facts};
use crate::policy::{Checkpoint, Decision, Mode, Name, Policy, Present, is_image_id, tag_beside_digest};
use crate::pull::contents;
use crate::state::{Request, State};
use crate::wire::cri::{container_config, create_container_request as paths, mount, restore_pod_request};
use crate::wire::{self, WireError};

/// Why a pod from a checkpoint is refused.
const RESTORED: &str = "the images of a checkpoint are known to containerd alone, which would pull them past every rule; \
                        that is refused where images are denied or have to be signed";

/// Answers a CreateContainer.
pub async fn create_container(
    state: &Arc<State>,
    request: &Arc<Request>,
    call: &Call,
    message: Bytes,
) -> Answer {
    let images = match read(&message) {
        Ok(images) => images,
        Err(error) => return malformed(&error),
    };
    for image in &images {
        if let Err(status) = admit(state, request, image).await {
            return Answer::failure(&status);
        }
    }
    forward(call, &message).await
}

/// Answers a RestorePod. (No containerd has it yet.)
pub async fn restore_pod(state: &Arc<State>, request: &Arc<Request>, call: &Call, message: Bytes) -> Answer {
    if refuses(&request.generation.policy) {
        return Answer::failure(&Status::permission_denied(RESTORED));
    }
    if would_refuse(request) {
        tell_observed(state, request, RESTORED);
    }
    let images = match read_restored(&message) {
        Ok(images) => images,
        Err(error) => return malformed(&error),
    };
    for image in &images {
        if let Err(status) = admit(state, request, image).await {
            return Answer::failure(&status);
        }
    }
    forward(call, &message).await
}

/// Whether a policy refuses images, so that none may come past it.
fn refuses(policy: &Policy) -> bool {
    policy.has_deny() || policy.asks_for_signatures()
}

/// Whether the policy would refuse images if nothing of it were only observed.
fn would_refuse(request: &Request) -> bool {
    !refuses(&request.generation.policy) && refuses(request.generation.written())
}

/// Tells of a request that goes on, and that would be refused if the policy were not only observed.
fn tell_observed(state: &State, request: &Request, why: &str) {
    state.tell.metrics.would_refuse(request.method);
    tracing::info!(would = why, "{} is passed on, because the policy is only observed", request.method);
}

/// One image that the container uses.
struct Image {
    bytes: Vec<u8>,
    text: String,
    /// What the pod says, where the client tells (kubelet 1.28 on).
    specified: Option<String>,
    /// The container's own image, which containerd may take for a file; a volume's never is.
    is_root: bool,
}

impl Image {
    fn new(name: &[u8], specified: Option<&[u8]>, is_root: bool) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { bytes: name.to_vec(), text: text(name), specified: specified.map(text), is_root }
    }
}

fn read(message: &[u8]) -> Result<Vec<Image>, WireError> {
    let name = wire::get(message, paths::IMAGE)?.unwrap_or_default();
    let mut images = vec![Image::new(name, wire::get(message, paths::USER_SPECIFIED_IMAGE)?, true)];
    read_mounts(message, paths::MOUNTS, &mut images)?;
    Ok(images)
}

fn read_mounts(message: &[u8], mounts: &[u32], images: &mut Vec<Image>) -> Result<(), WireError> {
    for range in wire::each(message, mounts)? {
        let mount = &message[range];
        if let Some(image) = wire::get(mount, mount::IMAGE)? {
            images.push(Image::new(image, wire::get(mount, mount::USER_SPECIFIED_IMAGE)?, false));
        }
    }
    Ok(())
}

/// The images of a RestorePod, as far as it names them.
fn read_restored(message: &[u8]) -> Result<Vec<Image>, WireError> {
    let mut images = Vec::new();
    for range in wire::each(message, restore_pod_request::CONTAINERS)? {
        let container = &message[range];
        if let Some(image) = wire::get(container, container_config::IMAGE)? {
            let specified = wire::get(container, container_config::USER_SPECIFIED_IMAGE)?;
            images.push(Image::new(image, specified, false));
        }
        read_mounts(container, container_config::MOUNTS, &mut images)?;
    }
    Ok(images)
}

/// Whether the container may use `image`; makes it known by its name where only a mirror's is there.
async fn admit(state: &Arc<State>, request: &Arc<Request>, image: &Image) -> Result<(), Status> {
    if image.text.is_empty() {
        return Ok(());
    }
    let policy = &request.generation.policy;
    if image.is_root
        && would_refuse(request)
        && let Err(status) = refuse_file(state.containerd.facts(), image).await
    {
        tell_observed(state, request, status.message());
    }
    if policy.settings().mode == Mode::Observe && policy.rules().is_empty() {
        // It goes on as it came.
        tell_would(state, request, &image.text, image.specified.as_deref()).await;
        return Ok(());
    }
    if image.is_root && refuses(policy) {
        // Where relative paths lead is known once containerd has answered, and before that it answers no client.
        refuse_file(state.containerd.known_facts().await, image).await?;
    }
    if policy.settings().present == Present::Hide {
        refuse(state, request, &image.text).await?;
        if let Some(Ok(name)) = image.specified.as_deref().map(str::parse::<Name>) {
            let tag = image.specified.as_deref().and_then(tag_beside_digest);
            refuse_name(state, request, &name, tag.as_deref())?;
            refuse_other(state, request, &image.text, &name).await?;
        }
        if let (false, Ok(name)) = (is_image_id(&image.text), image.text.parse()) {
            refuse_other(state, request, &image.text, &name).await?;
        }
        refuse_unsigned(state, request, &image.text, image.specified.as_deref()).await?;
    }
    tell_would(state, request, &image.text, image.specified.as_deref()).await;
    let found = state.containerd.cri.image(&image.text).await?;
    let found = match (found, image.text.parse::<Name>()) {
        (None, Ok(name)) if !is_image_id(&image.text) && adopt_present(state, request, &name).await? => {
            state.containerd.cri.image(&image.text).await?
        }
        (found, _) => found,
    };
    match found {
        Some(found) => refuse_checkpoint(state, request, image, &found.id).await,
        None => Ok(()),
    }
}

/// containerd 2.1 opens a file of the image's name as a checkpoint archive, relative to its own directory
/// (`internal/cri/server/container_create.go`), and pulls the base image that it names.
async fn refuse_file(containerd: Arc<Facts>, image: &Image) -> Result<(), Status> {
    let path = OsString::from_vec(image.bytes.clone());
    // No image has a name that begins like this, or that is no UTF-8.
    let written_as_path = image.bytes.starts_with(b"/") || image.bytes.starts_with(b".");
    if !written_as_path && std::str::from_utf8(&image.bytes).is_ok() {
        // The disk may be slow. What cannot be looked at counts as a file.
        let looking = tokio::task::spawn_blocking(move || containerd.has_file(Path::new(&path)));
        if !looking.await.unwrap_or(true) {
            return Ok(());
        }
    }
    Err(Status::permission_denied(format!(
        "{} is a file, which containerd would take for a checkpoint and pull its base image past every \
         rule; that is refused where images are denied or have to be signed",
        image.text
    )))
}

async fn refuse_checkpoint(
    state: &Arc<State>,
    request: &Request,
    image: &Image,
    id: &str,
) -> Result<(), Status> {
    let names = [image.specified.as_deref(), Some(&image.text)];
    let name =
        names.into_iter().flatten().filter(|text| !is_image_id(text)).find_map(|text| text.parse().ok());
    let name: Option<Name> = name;
    let policy = &request.generation.policy;
    let allowed = name.as_ref().is_some_and(|name| match policy.decide(&request.asks(name)) {
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
    let forbids = "no rule allows that";
    let refused = contents::refused_checkpoint(state, &target, Checkpoint::Refuse, forbids).await;
    match refused.map_err(failed)? {
        Some(refused) => Err(Status::permission_denied(format!("{}: {refused}", image.text))),
        None => Ok(()),
    }
}
