//! A node for tests, without a containerd.
//!
//! Holds: there is no rule in its policy, and everything of its own is below one directory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use super::{Bypass, Generation, LoginKey, State};
use crate::containerd::hosts::{PrivateHosts, Transport, TransportNeed, Wanted};
use crate::containerd::{Containerd, Facts, Roots};
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
    let policy = Policy::new(Vec::new(), Settings::default()).unwrap();
    Generation { transport: Wanted::new(vec![need], false), ..Generation::of_policy(policy) }
}

/// A containerd that looks for its files in `root`.
pub(crate) fn facts(root: &Path) -> Facts {
    let version = "v2.1.4".to_owned();
    Facts { version, roots: Roots::at(root), ..Facts::default() }
}
