//! Attends to containerd while it runs: learns how it is set up, and keeps the pause image there.
//!
//! Before: `app` starts it.  After: `node` has the facts; `pause` is asked when it may be needed.
//! Holds: everything is learned anew after containerd was restarted, which its event stream tells by
//! ending.

use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{ImageDelete, SubscribeRequest};
use prost::Message;
use tonic::Status;

use crate::node::Node;
use crate::pause;
use crate::upstream::{Facts, MAX_MESSAGE};

/// How long to wait before containerd is asked again.
const RETRY: Duration = Duration::from_millis(250);
/// How long to wait before a pause image that no mirror gave is tried again.
const PAUSE_RETRY: Duration = Duration::from_secs(30);

/// Attends for as long as it is polled. `pause_image` is the administrator's word, over containerd's.
pub async fn run(node: Arc<Node>, pause_image: Option<String>) {
    let mut told = false;
    loop {
        match attend(&node, pause_image.as_ref()).await {
            Ok(()) => {
                tracing::info!("containerd ended its events; asking again how it is set up");
                told = false;
            }
            Err(status) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(error = status.message(), "containerd does not answer yet");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn attend(node: &Arc<Node>, pause_image: Option<&String>) -> Result<(), Status> {
    let mut facts = Facts::learn(&node.link).await?;
    if let Some(image) = pause_image {
        facts.pause_image = Some(image.clone());
    }
    tracing::info!(version = facts.version, pause_image = facts.pause_image, "containerd answers");
    if facts.pause_image.is_none() {
        tracing::warn!("containerd does not tell its pause image; set pause-image under [containerd]");
    }
    node.replace_facts(facts);

    // Subscribed first: what is removed while we look is not missed.
    let request = SubscribeRequest { filters: vec![r#"topic=="/images/delete""#.to_owned()] };
    let mut client = EventsClient::new(node.link.clone()).max_decoding_message_size(MAX_MESSAGE);
    let mut events = client.subscribe(request).await?.into_inner();
    let mut missing = !ensured(node).await;
    loop {
        let event = tokio::select! {
            event = events.message() => event?,
            () = tokio::time::sleep(PAUSE_RETRY), if missing => {
                missing = !ensured(node).await;
                continue;
            }
        };
        let Some(event) = event else { return Ok(()) };
        let deleted = event.event.and_then(|any| ImageDelete::decode(any.value.as_slice()).ok());
        let name = pause::name(node);
        if deleted.is_some_and(|image| Some(image.name.as_str()) == name.as_ref().map(|name| name.as_str())) {
            missing = !ensured(node).await;
        }
    }
}

/// Whether the pause image needs nothing more at present.
async fn ensured(node: &Arc<Node>) -> bool {
    match pause::ensure(node).await {
        Ok(true) => {
            tracing::info!("the pause image was not there; pulled");
            true
        }
        Ok(false) => true,
        Err(status) => {
            tracing::warn!(error = status.message(), "the pause image is not there");
            false
        }
    }
}
