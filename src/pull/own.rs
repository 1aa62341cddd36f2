//! A pull that the shunt asks for by itself, for no pod and without a deadline.

use std::sync::Arc;

use tokio::time::Instant;

use crate::containerd::unary::Call;
use crate::state::{Client, CriVersion, Generation, Request, State};

/// The request, under this policy, and the call that a client would make.
pub(super) fn request(state: &State, generation: Arc<Generation>) -> (Request, Call) {
    let request = Request {
        id: state.request_ids.next(),
        client: Client::own(),
        method: "PullImage",
        version: CriVersion::V1,
        pod: None,
        generation,
        deadline: None,
        started: Instant::now(),
    };
    (request, Call::own(state.containerd.link.clone(), "/runtime.v1.ImageService/PullImage"))
}
