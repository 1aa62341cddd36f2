//! Finds out that a mirror swallows packets, before containerd does.
//!
//! Before: `route`, for a candidate that has a successor.  After: `route` cancels the candidate.
//! Holds: a candidate is given up only while containerd has begun no download since its start, has
//! nothing from that host, and a connection to host and port fails as well. Once anything has come it is
//! never given up: unpacking and pull-through caches are silent for long.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;

use crate::node::Node;
use crate::upstream::StoreError;

/// How long the connection of our own may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns why the candidate at `host` is to be given up; never returns for one that shows life. `connected` is
/// whether containerd speaks TLS with it, and the host that it connects to for it.
pub(super) async fn watch(
    node: &Arc<Node>,
    host: &str,
    (tls, connected): (bool, &str),
    after: Duration,
) -> String {
    let start = SystemTime::now();
    loop {
        tokio::time::sleep(after).await;
        match shows_life(node, host, start).await {
            Ok(true) => return std::future::pending().await,
            Ok(false) => {}
            Err(error) => {
                // Without knowledge nothing is cancelled.
                tracing::debug!(%error, host, "cannot tell whether a pull is alive");
                continue;
            }
        }
        let address = node.facts().connects_to(tls, connected);
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&address)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return format!("{address} can't be connected to: {error}"),
            Err(_) => {
                return format!("{address} can't be connected to within {} s", CONNECT_TIMEOUT.as_secs());
            }
        }
    }
}

async fn shows_life(node: &Node, host: &str, start: SystemTime) -> Result<bool, StoreError> {
    Ok(node.store.ingest_since(start).await? || node.store.content_since(host, start).await?)
}
