//! How containerd is set up, as far as can be known at once.
//!
//! Before: `check` and `explain --live` have a configuration.  After: they know where containerd looks for
//! `hosts.toml`.
//! Holds: where the configuration gives no `config-path`, containerd is asked, and not waited for.
//! Not here: asking it (`upstream`).

use std::time::Duration;

use crate::config::Config;
use crate::containerd::{Facts, Link};

/// How long containerd may take to say how it is set up.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known; nothing where containerd does not answer.
pub(super) async fn facts(config: &Config) -> Facts {
    if let Some(path) = &config.containerd.config_path {
        return Facts { config_path: vec![path.clone()], ..Facts::default() };
    }
    let link = Link::new(config.containerd.socket.as_path().into());
    let learned = tokio::time::timeout(PATIENCE, Facts::learn(&link)).await;
    learned.ok().and_then(Result::ok).unwrap_or_default()
}
