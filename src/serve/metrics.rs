//! `/metrics`, `/healthz` and `/readyz`, on a listener of their own.
//!
//! Holds: no pull and no relayed call waits for this. So many connections at once, and none for longer than its time: who
//! asks and never reads holds up nobody but others who ask here.
//! Not here: what is shown (`shown`).

mod drift;
mod shown;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::drift::DriftFile;
use crate::serve::listener::socket::{Access, Socket};
use crate::state::State;

/// How many connections there may be at once. Others wait in the kernel's queue.
const MOST: usize = 8;
/// How long one may last.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long its request may take to come.
const REQUEST_WITHIN: Duration = Duration::from_secs(2);
/// When a listener that could not be had is tried again.
const AGAIN: Duration = Duration::from_secs(10);
/// The permission bits of a unix socket.
const MODE: u32 = 0o660;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsAt {
    /// At a unix socket.
    Unix(PathBuf),
    /// At an address of the loopback.
    Tcp(SocketAddr),
}

enum Listener {
    Unix(Socket),
    Tcp(TcpListener),
}

/// Serves for as long as the program. A listener that cannot be had is said, and tried again: pods must not wait for it.
/// What drift has found is in `state_dir`.
pub(super) async fn run(state: Arc<State>, at: MetricsAt, state_dir: PathBuf) {
    let drift = Arc::new(DriftFile::of(state_dir));
    let listener = loop {
        match Listener::open(&at).await {
            Ok(listener) => break listener,
            Err(why) => {
                if state.tell.note_metrics(Some(why.clone())) {
                    tracing::error!("no metrics are served: {why}");
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    };
    state.tell.note_metrics(None);
    tracing::info!("metrics are served at {at}");
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        // It is never closed.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = match &listener {
            Listener::Unix(socket) => socket.accept().await.map(|(stream, _)| Stream::boxed(stream)),
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::boxed(stream)),
        };
        match accepted {
            Ok(stream) => {
                let (state, drift) = (state.clone(), drift.clone());
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(PATIENCE, connection(stream, state, drift)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection for metrics");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Either kind of connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    fn boxed(self) -> Box<dyn Stream>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connection(stream: Box<dyn Stream>, state: Arc<State>, drift: Arc<DriftFile>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (state, drift) = (state.clone(), drift.clone());
        async move { Ok::<_, Infallible>(answer(&state, &drift, request.method(), request.uri().path()).await) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    // One answer for a connection: who keeps it open, or sends nothing, would keep the place of somebody else.
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(REQUEST_WITHIN);
    let served = server.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection for metrics ended");
    }
}

async fn answer(state: &State, drift: &DriftFile, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET only\n".to_owned());
        refused.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/metrics" => match shown::metrics(state, drift.read().await.as_ref()) {
            Ok(text) => response(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
        },
        "/healthz" => response(StatusCode::OK, PLAIN, "ok\n".to_owned()),
        "/readyz" => {
            let (is_ready, text) = shown::readiness(state).await;
            response(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, PLAIN, text)
        }
        _ => response(StatusCode::NOT_FOUND, PLAIN, "/metrics, /healthz or /readyz\n".to_owned()),
    }
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

/// The program ends, and no socket stays that nobody listens on.
impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(socket) = self
            && let Err(error) = socket.remove_file()
        {
            tracing::warn!(%error, "cannot remove the socket of the metrics");
        }
    }
}

impl Listener {
    async fn open(at: &MetricsAt) -> Result<Self, String> {
        match at {
            MetricsAt::Unix(path) => {
                let socket = Socket::bind(path, Access { mode: MODE, gid: None });
                socket.map(Self::Unix).map_err(|error| error.to_string())
            }
            MetricsAt::Tcp(address) => {
                let listener = TcpListener::bind(address).await;
                listener.map(Self::Tcp).map_err(|error| format!("cannot listen on {address}: {error}"))
            }
        }
    }
}

impl std::fmt::Display for MetricsAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}
