//! The relay without the rest of the daemon, for tests and for the fuzz target.

use std::path::Path;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::Spare;
use crate::containerd::Containerd;
use crate::containerd::hosts::PrivateHosts;
use crate::policy::{Policy, Settings};
use crate::serve::listener::limits::Limits;
use crate::state::{Bypass, Client, Generation, LoginKey, State};

/// Serves `client` before the containerd at `socket`, by a policy without rules. If it is greeted before, it has had a
/// connection to it when the client came.
pub async fn serve_alone(client: UnixStream, socket: &Path, is_greeted: bool) {
    // No rules contradict each other.
    let Ok(policy) = Policy::new(Vec::new(), Settings::default()) else { return };
    let generation = Generation::of_policy(policy);
    let nowhere = Path::new("/nonexistent");
    let containerd = Arc::new(Containerd::new(socket.into()));
    let (hosts, key) = (PrivateHosts::of(nowhere), LoginKey::of(nowhere));
    let state = State::new(generation, containerd, hosts, key, Bypass::new(nowhere.join("bypass")));
    let Some(admitted) = Limits::new().admit(None) else { return };
    let spare = if is_greeted { Spare::to(socket) } else { Spare::none() };
    spare.fill();
    let (state, last) = (Arc::new(state), CancellationToken::new());
    super::serve(client, Client::new(None, 0, 0), admitted, state, Arc::new(spare), last).await;
}
