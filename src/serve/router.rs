//! Which RPC goes where: `method` says how each is handled.
//!
//! Holds: a request that the policy could concern is never relayed unseen while a policy is in force.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use tokio::time::Instant;
use tonic::Status;

use super::log::of_request::for_request;
use super::method::{Handler, is_endless};
use super::relay::{relay, relay_until, reply};
use super::{admin, startup_retry};
use crate::containerd::unary::{Call, malformed};
use crate::containerd::{Answer, Link};
use crate::pull::{self, lookup, pause_image};
use crate::state::{Client, CriVersion, NativeApi, Pod, Request, State};

/// Answers one request of `client`, whose calls go to containerd over `link`.
pub async fn route(
    state: Arc<State>,
    client: Client,
    link: Link,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (asked, version) = Handler::of(&request);
    let handler = at_present(asked, &state);
    if handler == Handler::Relay {
        tell_observed(asked, &state);
    }
    if handler == Handler::Relay && is_endless(request.uri().path()) {
        let stream = state.calls.stream();
        return relay_until(request, respond, &link, stream.cancelled()).await;
    }
    let _call = state.calls.begin();
    match handler {
        Handler::Relay => {
            let begin = state.tell.metrics.relayed();
            relay(request, respond, &link).await;
            if let Some(begin) = begin {
                state.tell.metrics.relay_seconds.observe(begin.elapsed().as_secs_f64());
            }
        }
        Handler::RunPodSandbox => match Box::pin(pause_image::before_sandbox(&state)).await {
            Ok(()) => relay(request, respond, &link).await,
            Err(status) => reply(respond, Answer::failure(&status)).await,
        },
        Handler::NativeApi => reply(respond, Answer::failure(&native_api(link.socket()))).await,
        Handler::UnknownPull => {
            reply(respond, Answer::failure(&unknown_pull(request.uri().path()))).await;
        }
        // Boxed, for what a pull needs along its way would be copied about with every relayed call.
        handler => Box::pin(answer((handler, version), state, client, link, request, respond)).await,
    }
}

/// How a call is handled by what is in force now.
pub fn at_present(handler: Handler, state: &State) -> Handler {
    match handler {
        Handler::Relay | Handler::Held | Handler::Admin | Handler::Explain | Handler::Pulls => handler,
        Handler::NativeApi if state.native_api == NativeApi::Relay => Handler::Relay,
        Handler::NativeApi | Handler::UnknownPull if !state.has_policy_in_force() => Handler::Relay,
        Handler::NativeApi | Handler::UnknownPull => handler,
        _ if state.bypass.is_there() => Handler::Relay,
        _ => handler,
    }
}

/// Tells of a call that is relayed and that would be refused if the policy were not only observed.
pub fn tell_observed(asked: Handler, state: &State) {
    let (method, what) = match asked {
        Handler::NativeApi if state.native_api == NativeApi::Refuse => {
            ("native-api", "a call of containerd's own API")
        }
        Handler::UnknownPull => ("unknown-pull", "a pull of a kind that is not known"),
        _ => return,
    };
    if state.only_observes() && state.tell.metrics.would_refuse(method) {
        tracing::info!("{what} is passed on; it would be refused, but the policy is only observed");
    }
}

/// The refusal of containerd's own API. The service is there, so it is not said to be missing.
fn native_api(containerd: &Path) -> Status {
    Status::permission_denied(format!(
        "no rule of cri-shunt holds for containerd's own API, so it is refused here: use containerd's socket {}, or \
         set native-api = \"relay\" under [listen]",
        containerd.display()
    ))
}

/// Its callers take this for a method that is not there.
fn unknown_pull(path: &str) -> Status {
    Status::unimplemented(format!(
        "this version of cri-shunt does not know {path}, and does not let a pull go past its rules"
    ))
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
    let call = Call::new(link, head);
    let work = async {
        let (message, _held) = match call.message(&mut body).await {
            Ok(message) => message,
            Err(answer) => return answer,
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
                for_request(request.id, decide(handler, &state, &request, &call, message)).await
            }
            None if handler == Handler::Admin => admin::status(&state).await,
            None if handler == Handler::Explain => admin::explain(&state, &message).await,
            None if handler == Handler::Pulls => admin::pulls(&state),
            None => startup_retry::held(&call, message).await,
        }
    };
    let answer = tokio::select! {
        biased;
        answer = work => answer,
        // The client is gone: dropping the work cancels what it asked of containerd.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    reply(respond, answer).await;
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
        // It makes a sandbox as well.
        Handler::RestorePod => match pause_image::before_sandbox(state).await {
            Ok(()) => lookup::restore_pod(state, request, call, message).await,
            Err(status) => Answer::failure(&status),
        },
        _ => Answer::failure(&Status::internal("the policy does not concern this method")),
    }
}
