//! A pull for tests, at a node without a containerd.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use k8s_cri::v1::PullImageRequest;
use prost::Message as _;

use super::own;
use super::under_way::Pull;
use crate::containerd::hosts::Transport;
use crate::containerd::unary::Call;
use crate::policy::{Asked, Name, Policy};
use crate::signature::Must;
use crate::state::{Generation, Request, Shown, State, fixture};

/// What a pull borrows.
pub(super) struct Parts {
    pub(super) state: Arc<State>,
    pub(super) request: Arc<Request>,
    pub(super) message: Bytes,
    /// Which signatures the image has to have.
    pub(super) must: Vec<Must>,
    call: Call,
    name: Name,
    shown: Shown,
}

impl Parts {
    /// A client asks for `name` under this policy. What the node has is below `dir`.
    pub(super) fn new(dir: &Path, policy: Arc<Policy>, name: &str, message: &PullImageRequest) -> Self {
        let state = fixture::state(dir, "other.test", Transport::PlainHttp);
        let other = fixture::generation("other.test", Transport::PlainHttp);
        let generation = Arc::new(Generation { policy, ..other });
        let (request, call) = own::request(&state, generation);
        let name: Name = name.parse().unwrap();
        Self {
            request: Arc::new(request.clone()),
            message: message.encode_to_vec().into(),
            must: Vec::new(),
            call,
            shown: state.pulls.begin(&request, &name),
            name,
            state,
        }
    }

    /// The pull, by the rule that is for its image.
    pub(super) fn pull(&self) -> Pull<'_> {
        let Self { state, request, message, must, call, name, shown } = self;
        let generation = &request.generation;
        Pull {
            state,
            request,
            call,
            message,
            generation,
            name,
            tag: None,
            pin: None,
            rule: *generation.policy.decide(&Asked::of(name)).rule(),
            must,
            shown,
        }
    }
}
