//! How containerd is set up, for `check`, `explain --live` and `doctor`: where it looks for `hosts.toml`, and its pause image.
//!
//! Holds: it is learned as the daemon learns it. containerd gets little time for its answer.

use std::time::Duration;

use crate::config::Config;
use crate::containerd::{Facts, Link};

/// How long containerd may take to say how it is set up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The known facts. If containerd does not answer, they are what the configuration says, or empty.
pub(super) async fn facts(config: &Config) -> Facts {
    let link = Link::new(config.containerd.socket.as_path().into());
    let learned = tokio::time::timeout(PATIENCE, Facts::learn(&link)).await;
    let mut facts = learned.ok().and_then(Result::ok).unwrap_or_default();
    config.containerd.overrides().apply(&mut facts);
    facts
}
