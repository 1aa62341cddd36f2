//! Attends to containerd while it runs: learns how it is set up, and keeps what it needs in place.
//!
//! Before: `app` starts it.  After: `node` has the facts; `pause` is asked when it may be needed.
//! Holds: everything is learned anew after containerd was restarted, which its event stream tells by
//! ending.
//! Not here: containerd's `hosts.toml` files, which `hosts` keeps.

pub mod hosts;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{ImageDelete, SubscribeRequest};
use prost::Message;
use tokio::sync::Notify;
use tonic::Status;

use crate::node::Node;
use crate::pause;
use crate::upstream::{Facts, MAX_MESSAGE};

/// How long to wait before containerd is asked again.
const RETRY: Duration = Duration::from_millis(250);
/// How long until the pause image is looked for again without any sign.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What the administrator says of containerd, which holds over what containerd says.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The pause image.
    pub pause_image: Option<String>,
    /// Where it looks for `hosts.toml`.
    pub config_path: Option<PathBuf>,
}

/// Attends for as long as it is polled.
pub async fn run(node: Arc<Node>, said: Said) {
    let mut told = false;
    loop {
        match attend(&node, &said).await {
            Ok(()) => {
                tracing::info!("containerd ended its events; asking again how it is set up");
                told = false;
            }
            Err(status) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(error = status.message(), "containerd does not answer yet");
                }
            }
        }
        // Also behind a stream that ended well: what ends each one at once would be asked without a pause.
        tokio::time::sleep(RETRY).await;
    }
}

async fn attend(node: &Arc<Node>, said: &Said) -> Result<(), Status> {
    let mut facts = Facts::learn(&node.link).await?;
    if let Some(image) = &said.pause_image {
        facts.pause_image = Some(image.clone());
    }
    if let Some(path) = &said.config_path {
        facts.config_path = vec![path.clone()];
    }
    tracing::info!(version = facts.version, pause_image = facts.pause_image, "containerd answers");
    if facts.pause_image.is_none() {
        tracing::warn!("containerd does not tell its pause image; set pause-image under [containerd]");
    }
    node.learned(facts);
    let removed = Notify::new();
    let outcome = tokio::select! {
        outcome = watch_removals(node, &removed) => outcome,
        () = keep_pause_image(node, &removed) => Ok(()),
    };
    node.forget_facts();
    outcome
}

/// Tells `removed` when the pause image's name is deleted, by whomever. Returns when containerd ends.
async fn watch_removals(node: &Node, removed: &Notify) -> Result<(), Status> {
    let request = SubscribeRequest { filters: vec![r#"topic=="/images/delete""#.to_owned()] };
    let mut client = EventsClient::new(node.link.clone()).max_decoding_message_size(MAX_MESSAGE);
    // containerd sends the head of its answer with the first event: this may take until then.
    let mut events = client.subscribe(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        let deleted = event.event.and_then(|any| ImageDelete::decode(any.value.as_slice()).ok());
        let pause = pause::name(node);
        if deleted.is_some_and(|image| pause.is_some_and(|pause| pause.as_str() == image.name)) {
            removed.notify_one();
        }
    }
    Ok(())
}

/// Looks after the pause image at once, after each removal, and now and then.
async fn keep_pause_image(node: &Arc<Node>, removed: &Notify) {
    let mut told = false;
    loop {
        match pause::ensure(node).await {
            Ok(pulled) => {
                if pulled {
                    tracing::info!("the pause image was not there; pulled");
                }
                told = false;
            }
            Err(status) if !told => {
                tracing::warn!(error = status.message(), "the pause image is not there");
                told = true;
            }
            Err(_) => {}
        }
        // The time is for what no event tells: a mirror that has the image by now, another policy.
        let _ = tokio::time::timeout(LOOK_AGAIN, removed.notified()).await;
    }
}
