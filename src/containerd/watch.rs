//! Learns how containerd is set up, again after each of its restarts.
//!
//! Holds: a restart of containerd is noticed by the end of its event stream, and everything is learned again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{ImageDelete, SubscribeRequest};
use prost::Message;
use tonic::Status;

use super::{Containerd, Facts, MAX_MESSAGE};

/// How long to wait before containerd is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// What the shunt's configuration says of containerd. It overrules what containerd says itself.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The pause image.
    pub pause_image: Option<String>,
    /// Where it looks for `hosts.toml`.
    pub config_path: Option<PathBuf>,
}

/// Watches for as long as it is polled.
pub async fn run(containerd: Arc<Containerd>, overrides: Overrides) {
    let mut reported = false;
    loop {
        match learn_and_follow(&containerd, &overrides).await {
            Ok(()) => {
                tracing::info!("containerd ended its event stream; asking again how it is set up");
                reported = false;
            }
            Err(status) => {
                if !std::mem::replace(&mut reported, true) {
                    tracing::warn!(error = status.message(), "containerd does not answer yet");
                }
            }
        }
        // Also after a stream that ended well: otherwise a containerd that ends each stream at once would be asked
        // without a pause.
        tokio::time::sleep(RETRY).await;
    }
}

async fn learn_and_follow(containerd: &Containerd, overrides: &Overrides) -> Result<(), Status> {
    let mut facts = Facts::learn(&containerd.link).await?;
    if let Some(image) = &overrides.pause_image {
        facts.pause_image = Some(image.clone());
    }
    if let Some(path) = &overrides.config_path {
        facts.set_config_path(path);
    }
    tracing::info!(version = facts.version, pause_image = facts.pause_image, "containerd answers");
    if facts.pause_image.is_none() {
        tracing::warn!(
            "containerd does not say which pause image it uses; set pause-image under [containerd]"
        );
    }
    containerd.learned(facts);
    let ended = follow_events(containerd).await;
    containerd.forget_facts();
    ended
}

/// Notes when the pause image's name is deleted. Returns when containerd ends.
async fn follow_events(containerd: &Containerd) -> Result<(), Status> {
    let request = SubscribeRequest { filters: vec![r#"topic=="/images/delete""#.to_owned()] };
    let mut client = EventsClient::new(containerd.link.clone()).max_decoding_message_size(MAX_MESSAGE);
    // containerd sends the head of its answer with the first event: this may take until then.
    let mut events = client.subscribe(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        let deleted = event.event.and_then(|any| ImageDelete::decode(any.value.as_slice()).ok());
        let pause = containerd.pause_image();
        if deleted.is_some_and(|image| pause.is_some_and(|pause| pause.as_str() == image.name)) {
            containerd.pause_image_removed.notify_one();
        }
    }
    Ok(())
}
