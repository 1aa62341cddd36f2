//! Finds out that a mirror swallows packets, before containerd does.
//!
//! Before: `route`, for a candidate that has a successor.  After: `route` cancels the candidate.
//! Holds: a candidate is given up only while containerd has begun no download since its start, has
//! nothing from that host, and a connection to host and port fails as well. Once anything has come it is
//! never given up: unpacking and pull-through caches are silent for long.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;

use crate::containerd::StoreError;
use crate::state::State;

/// How long the connection of our own may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Returns why the candidate at `host` is to be given up; never returns for one that shows life. `connected` is
/// whether containerd speaks TLS with it, and the host that it connects to for it.
pub(super) async fn watch(
    state: &Arc<State>,
    host: &str,
    (tls, connected): (bool, &str),
    after: Duration,
) -> String {
    let start = SystemTime::now();
    loop {
        tokio::time::sleep(after).await;
        match shows_life(state, host, start).await {
            Ok(true) => return std::future::pending().await,
            Ok(false) => {}
            Err(error) => {
                // Without knowledge nothing is cancelled.
                tracing::debug!(%error, host, "cannot tell whether a pull is alive");
                continue;
            }
        }
        let address = state.containerd.facts().connects_to(tls, connected);
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&address)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return format!("{address} can't be connected to: {error}"),
            Err(_) => {
                return format!("{address} can't be connected to within {} s", CONNECT_TIMEOUT.as_secs());
            }
        }
    }
}

async fn shows_life(state: &State, host: &str, start: SystemTime) -> Result<bool, StoreError> {
    Ok(state.containerd.store.ingest_since(start).await?
        || state.containerd.store.content_since(host, start).await?)
}
