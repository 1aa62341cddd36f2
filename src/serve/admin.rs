//! The program's own service on its socket: what it is doing.
//!
//! Before: `router`, for `crishunt.v1.Admin`.  After: `cri-shunt status`.

use std::time::Duration;

use prost::Message;

use crate::containerd::Answer;
use crate::state::State;

/// How long containerd may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The generated types and client of `proto/admin.proto`.
#[allow(missing_docs, unreachable_pub, reason = "generated code")]
pub mod proto {
    tonic::include_proto!("crishunt.v1");
}

/// The start of the service's paths, without the leading slash.
pub const SERVICE_PREFIX: &str = "crishunt.v1.Admin/";
/// Its one method.
pub const STATUS: &str = "Status";

/// Answers `Status`.
pub async fn status(state: &State) -> Answer {
    let generation = state.generation();
    let containerd_error = match tokio::time::timeout(PATIENCE, state.containerd.cri.version()).await {
        Ok(Ok(_)) => String::new(),
        Ok(Err(status)) => status.message().to_owned(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let loaded_at = generation.loaded_at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let transport = state.transport();
    let response = proto::StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        bypass: state.bypassed(),
        containerd_socket: state.containerd.link.socket().display().to_string(),
        containerd_error,
        policy_sources: generation.sources.iter().map(|path| path.display().to_string()).collect(),
        policy_loaded_at: i64::try_from(loaded_at.as_secs()).unwrap_or(i64::MAX),
        reload_error: state.reload_error().unwrap_or_default(),
        mirrors_down: state.health.down(),
        sweep_pending: state.ledger.pending() as u64,
        config_path: transport.root.as_ref().map(|root| root.display().to_string()).unwrap_or_default(),
        hosts_kept: transport.kept.clone(),
        hosts_problems: transport.problems.clone(),
    };
    Answer::message(&response.encode_to_vec())
}
