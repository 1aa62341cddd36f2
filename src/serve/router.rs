//! Which RPC goes where, by its path.
//!
//! Holds: whatever is not named here is relayed untouched; both CRI versions take the same way.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use tokio::time::Instant;
use tonic::Status;
use tracing::Instrument;

use super::relay::{relay, reply};
use super::{admin, startup_retry};
use crate::containerd::unary::{Call, malformed, read_message};
use crate::containerd::{Answer, Link};
use crate::pull::{self, lookup, pause_image};
use crate::state::{Client, CriVersion, Pod, Request, State};
use crate::wire::cri::{self, PodPaths};

/// How a method is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handler {
    PullImage,
    ImageStatus,
    CreateContainer,
    RunPodSandbox,
    /// Answered late rather than with an error while containerd starts.
    Held,
    Admin,
    Explain,
    Relay,
}

impl Handler {
    fn of(path: &str) -> (Self, CriVersion) {
        // grpc-go takes a path without its leading slash as well; so a rule must hold for it.
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(method) = path.strip_prefix(admin::SERVICE_PREFIX) {
            let handler = match method {
                admin::STATUS => Self::Admin,
                admin::EXPLAIN => Self::Explain,
                _ => Self::Relay,
            };
            return (handler, CriVersion::V1);
        }
        let versions = [("runtime.v1.", CriVersion::V1), ("runtime.v1alpha2.", CriVersion::V1Alpha2)];
        let found =
            versions.into_iter().find_map(|(prefix, version)| Some((path.strip_prefix(prefix)?, version)));
        let Some((method, version)) = found else { return (Self::Relay, CriVersion::V1) };
        let handler = match method {
            "ImageService/PullImage" => Self::PullImage,
            "ImageService/ImageStatus" => Self::ImageStatus,
            "RuntimeService/CreateContainer" => Self::CreateContainer,
            "RuntimeService/RunPodSandbox" => Self::RunPodSandbox,
            "RuntimeService/Version" | "RuntimeService/Status" | "ImageService/ImageFsInfo" => Self::Held,
            _ => Self::Relay,
        };
        (handler, version)
    }

    /// The method, and where its message has the pod, for handlers that the policy concerns.
    fn method(self) -> Option<(&'static str, Option<&'static PodPaths>)> {
        match self {
            Self::PullImage => Some(("PullImage", Some(&cri::pull_image_request::POD))),
            Self::ImageStatus => Some(("ImageStatus", None)),
            Self::CreateContainer => Some(("CreateContainer", Some(&cri::create_container_request::POD))),
            Self::RunPodSandbox | Self::Held | Self::Admin | Self::Explain | Self::Relay => None,
        }
    }
}

/// Answers one request of `client`, whose calls go to containerd over `link`.
pub async fn route(
    state: Arc<State>,
    client: Client,
    link: Link,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (handler, version) = Handler::of(request.uri().path());
    let handler = match handler {
        Handler::Relay | Handler::Held | Handler::Admin | Handler::Explain => handler,
        _ if state.bypass.is_there() => Handler::Relay,
        _ => handler,
    };
    match handler {
        Handler::Relay => relay(request, respond, &link).await,
        Handler::RunPodSandbox => match Box::pin(pause_image::before_sandbox(&state)).await {
            Ok(()) => relay(request, respond, &link).await,
            Err(status) => reply(respond, Answer::failure(&status)),
        },
        // Boxed, for what a pull needs along its way would be copied about with every relayed call.
        handler => Box::pin(answer((handler, version), state, client, link, request, respond)).await,
    }
}

async fn answer(
    (handler, version): (Handler, CriVersion),
    state: Arc<State>,
    client: Client,
    link: Link,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (head, mut body) = request.into_parts();
    let call = Call::new(link, &head.uri, head.headers);
    let work = async {
        let message = match read_message(&mut body).await {
            Ok(message) => message,
            Err(status) => return Answer::failure(&status),
        };
        match handler.method() {
            Some((method, pod)) => {
                let pod = pod.map(|paths| Pod::read(&message, paths)).transpose();
                let pod = match pod {
                    Ok(pod) => pod.flatten(),
                    Err(error) => return malformed(&error),
                };
                let request = Arc::new(Request {
                    id: state.request_ids.next(),
                    client,
                    method,
                    version,
                    pod,
                    generation: state.generation(),
                    deadline: call.deadline(),
                    started: Instant::now(),
                });
                let span = tracing::info_span!("request", id = %request.id);
                decide(handler, &state, &request, &call, message).instrument(span).await
            }
            None if handler == Handler::Admin => admin::status(&state).await,
            None if handler == Handler::Explain => admin::explain(&state, &message).await,
            None => startup_retry::held(&call, message).await,
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

async fn decide(
    handler: Handler,
    state: &Arc<State>,
    request: &Arc<Request>,
    call: &Call,
    message: Bytes,
) -> Answer {
    match handler {
        Handler::PullImage => pull::pull_image(state, request, call, message).await,
        Handler::ImageStatus => lookup::image_status(state, request, call, message).await,
        Handler::CreateContainer => lookup::create_container(state, request, call, message).await,
        Handler::RunPodSandbox | Handler::Held | Handler::Admin | Handler::Explain | Handler::Relay => {
            Answer::failure(&Status::internal("the policy does not concern this method"))
        }
    }
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
            ("/crishunt.v1.Admin/Explain", Handler::Explain),
            ("/crishunt.v1.Admin/Else", Handler::Relay),
            ("/containerd.services.images.v1.Images/List", Handler::Relay),
        ];
        for (path, handler) in cases {
            assert_eq!(Handler::of(path).0, handler, "{path}");
        }
    }
}
