//! A node for tests, without a containerd.
//!
//! Before: a test says what containerd is to be told.  After: what waits for the node or works on it is tried.
//! Holds: there is no rule in its policy, and everything of its own is below one directory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Generation, Node, PullSettings};
use crate::credentials::Credentials;
use crate::policy::{Layer, Policy, Settings, Source};
use crate::sweep::Ledger;
use crate::transport::{Transport, TransportNeed, Wanted};
use crate::upstream::{Facts, Link};

/// A node by which containerd is to be told this of a host.
pub(crate) fn node(dir: &Path, host: &str, what: Transport) -> Arc<Node> {
    let ledger = Arc::new(Ledger::open(dir.join("state")).unwrap());
    let link = Link::new(dir.join("containerd.sock").into());
    Arc::new(Node::new(generation(host, what), link, ledger, dir.join("bypass")))
}

/// The generation of such a node.
pub(crate) fn generation(host: &str, what: Transport) -> Generation {
    let source = Source { file: "c.toml".into(), line: 1 };
    let need = TransportNeed { host: host.to_owned(), what, source, layer: Layer::Native };
    let second = Duration::from_secs(1);
    Generation {
        policy: Policy::new(Vec::new(), Settings::default()).unwrap(),
        pull: PullSettings {
            stall_after: None,
            adopt_timeout: second,
            sweep_after: second,
            retry_down_after: second,
        },
        credentials: Credentials::default(),
        transport: Wanted::new(vec![need], false),
        sources: Vec::new(),
        watch: None,
        loaded_at: SystemTime::UNIX_EPOCH,
    }
}

/// A containerd that looks for its files in `root`.
pub(crate) fn facts(root: &Path) -> Facts {
    let version = "v2.1.4".to_owned();
    Facts { version, config_path: vec![root.to_owned()], config_known: true, ..Facts::default() }
}
