//! A node for tests, without a containerd.
//!
//! Holds: there is no rule in its policy, and everything of its own is below one directory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Bypass, Extent, Generation, LoginKey, PullSettings, State};
use crate::containerd::hosts::{PrivateHosts, Transport, TransportNeed, Wanted};
use crate::containerd::{Containerd, Facts, Roots};
use crate::credentials::Credentials;
use crate::policy::{Layer, Policy, Settings, Source};

/// A node by which containerd is to be told this of a host.
pub(crate) fn state(dir: &Path, host: &str, what: Transport) -> Arc<State> {
    let containerd = Arc::new(Containerd::new(dir.join("containerd.sock").into()));
    let (hosts, key) = (PrivateHosts::of(dir), LoginKey::of(dir));
    Arc::new(State::new(generation(host, what), containerd, hosts, key, Bypass::new(dir.join("bypass"))))
}

/// The generation of such a node.
pub(crate) fn generation(host: &str, what: Transport) -> Generation {
    let source = Source { file: "c.toml".into(), line: 1 };
    let need = TransportNeed { host: host.to_owned(), what, source, layer: Layer::Native };
    let second = Duration::from_secs(1);
    Generation {
        policy: Policy::new(Vec::new(), Settings::default()).unwrap(),
        pull: PullSettings { stall_after: None, adopt_timeout: second, retry_down_after: second },
        credentials: Credentials::default(),
        transport: Wanted::new(vec![need], false),
        endpoints: Vec::new(),
        needed: Arc::default(),
        extent: Extent::default(),
        sources: Vec::new(),
        watch: None,
        loaded_at: SystemTime::UNIX_EPOCH,
    }
}

/// A containerd that looks for its files in `root`.
pub(crate) fn facts(root: &Path) -> Facts {
    let version = "v2.1.4".to_owned();
    Facts { version, roots: Roots::at(root), ..Facts::default() }
}
