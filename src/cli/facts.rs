//! How containerd is set up, for `check` and `explain --live`: where it looks for `hosts.toml`.
//!
//! Where the configuration has no `config-path`, containerd is asked. It gets little time for its answer.

use std::time::Duration;

use crate::config::Config;
use crate::containerd::{Facts, Link};

/// How long containerd may take to say how it is set up.
const PATIENCE: Duration = Duration::from_secs(2);

/// The known facts. They are empty if containerd does not answer.
pub(super) async fn facts(config: &Config) -> Facts {
    if let Some(path) = &config.containerd.config_path {
        let mut facts = Facts::default();
        facts.set_config_path(path);
        return facts;
    }
    let link = Link::new(config.containerd.socket.as_path().into());
    let learned = tokio::time::timeout(PATIENCE, Facts::learn(&link)).await;
    learned.ok().and_then(Result::ok).unwrap_or_default()
}
