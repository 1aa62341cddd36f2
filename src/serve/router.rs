//! Which RPC goes where, by its path.
//!
//! Before: the listener accepts a request.  After: a handler that looks into it, or `relay`.
//! Holds: whatever is not named here is relayed untouched; both CRI versions take the same way.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use tonic::Status;

use super::relay::{relay, reply};
use super::{admin, startup_retry};
use crate::containerd::unary::{Call, read_message};
use crate::containerd::{Answer, Link};
use crate::pull::{self, lookup, pause_image};
use crate::state::State;

/// What is done with a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    PullImage,
    ImageStatus,
    CreateContainer,
    RunPodSandbox,
    /// Answered late rather than not at all while containerd is away.
    Held,
    Admin,
    Relay,
}

impl Handler {
    fn of(path: &str) -> Self {
        // grpc-go takes a path without its leading slash as well; so a rule must hold for it.
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(method) = path.strip_prefix(admin::SERVICE_PREFIX) {
            return if method == admin::STATUS { Self::Admin } else { Self::Relay };
        }
        let Some(method) =
            path.strip_prefix("runtime.v1.").or_else(|| path.strip_prefix("runtime.v1alpha2."))
        else {
            return Self::Relay;
        };
        match method {
            "ImageService/PullImage" => Self::PullImage,
            "ImageService/ImageStatus" => Self::ImageStatus,
            "RuntimeService/CreateContainer" => Self::CreateContainer,
            "RuntimeService/RunPodSandbox" => Self::RunPodSandbox,
            "RuntimeService/Version" | "RuntimeService/Status" | "ImageService/ImageFsInfo" => Self::Held,
            _ => Self::Relay,
        }
    }
}

/// Answers one request of a client whose calls go to containerd over `link`.
pub async fn route(
    state: Arc<State>,
    link: Link,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let handler = Handler::of(request.uri().path());
    let handler = match handler {
        Handler::Relay | Handler::Held | Handler::Admin => handler,
        _ if state.bypassed() => Handler::Relay,
        _ => handler,
    };
    match handler {
        Handler::Relay => relay(request, respond, &link).await,
        Handler::RunPodSandbox => match Box::pin(pause_image::before_sandbox(&state)).await {
            Ok(()) => relay(request, respond, &link).await,
            Err(status) => reply(respond, Answer::failure(&status)),
        },
        // Boxed, for what a pull needs along its way would be copied about with every relayed call.
        handler => Box::pin(answer(handler, state, link, request, respond)).await,
    }
}

async fn answer(
    handler: Handler,
    state: Arc<State>,
    link: Link,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (head, mut body) = request.into_parts();
    let call = Call::new(link, &head.uri, head.headers);
    let work = async {
        let message = match read_message(&mut body).await {
            Ok(message) => message,
            Err(status) => return Answer::failure(&status),
        };
        match handler {
            Handler::PullImage => pull::pull_image(&state, &call, message).await,
            Handler::ImageStatus => lookup::image_status(&state, &call, message).await,
            Handler::CreateContainer => lookup::create_container(&state, &call, message).await,
            Handler::Held => startup_retry::held(&call, message).await,
            Handler::Admin => admin::status(&state).await,
            Handler::RunPodSandbox | Handler::Relay => {
                Answer::failure(&Status::internal("this method is relayed"))
            }
        }
    };
    let answer = tokio::select! {
        biased;
        answer = work => answer,
        // The client is gone: dropping the work cancels what it asked of containerd.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    reply(respond, answer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_told_apart_by_their_whole_path() {
        let cases = [
            ("/runtime.v1.ImageService/PullImage", Handler::PullImage),
            ("/runtime.v1alpha2.ImageService/PullImage", Handler::PullImage),
            ("runtime.v1.ImageService/PullImage", Handler::PullImage),
            ("//runtime.v1.ImageService/PullImage", Handler::Relay),
            ("/runtime.v1.ImageService/PullImages", Handler::Relay),
            ("/runtime.v2.ImageService/PullImage", Handler::Relay),
            ("/runtime.v1.RuntimeService/PullImage", Handler::Relay),
            ("/runtime.v1.ImageService/ListImages", Handler::Relay),
            ("/runtime.v1.ImageService/ImageFsInfo", Handler::Held),
            ("/crishunt.v1.Admin/Status", Handler::Admin),
            ("/crishunt.v1.Admin/Else", Handler::Relay),
            ("/containerd.services.images.v1.Images/List", Handler::Relay),
        ];
        for (path, handler) in cases {
            assert_eq!(Handler::of(path), handler, "{path}");
        }
    }
}
