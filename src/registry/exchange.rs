//! One request and its answer.
//!
//! Before: `redirect` has a URL and what to say there.  After: the answer, its body no longer than wanted.
//! Holds: each request has a connection of its own; head and body of an answer are bounded.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;

use super::connect::{Connection, Wire, proxy_authorization};
use super::error::{RegistryError, TlsProblem};
use super::secrets::Secrets;
use super::tls::tls;
use super::url::Url;

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// The most headers of an answer.
const MAX_HEADERS: usize = 100;

/// A request. No `Debug`: its body may be a form with a password.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// How much of the answer's body is wanted.
    pub(super) limit: usize,
}

/// An answer. No `Debug`: its body may hold a token.
pub(super) struct Answer {
    /// What was asked.
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether the body was longer than was wanted.
    pub(super) cut: bool,
    /// What may not be repeated of it.
    pub(super) secrets: Arc<Secrets>,
}

/// What came of an answer. No `Debug`, for the same reason.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// As much of the body as was wanted.
    pub body: Bytes,
    /// Whether the body was longer than was wanted.
    pub cut: bool,
}

impl Answer {
    pub(super) fn new(url: Url, reply: Reply, secrets: Arc<Secrets>) -> Self {
        let Reply { status, headers, body, cut } = reply;
        Answer { url, status, headers, body, cut, secrets }
    }

    /// Its own words, as they may stand in an error.
    pub(super) fn quote(&self, words: &str) -> String {
        self.secrets.quote(words)
    }

    /// A header as text; none where it has other bytes.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Asks, and reads the answer.
pub(super) async fn ask(wire: &Wire, question: &Question) -> Result<Answer, RegistryError> {
    let url = &question.url;
    let Connection { stream, plain_proxy } = wire.open(url).await?;
    wire.now(format!("waiting for the answer of {}", url.authority()));
    let target = match &plain_proxy {
        Some(_) => url.to_string(),
        None => url.target.clone(),
    };
    let mut request = Request::new(Full::new(question.body.clone()));
    *request.method_mut() = question.method.clone();
    *request.uri_mut() = target.parse().map_err(|_| RegistryError::Url { url: url.to_string() })?;
    *request.headers_mut() = question.headers.clone();
    let host = HeaderValue::from_str(&url.authority());
    let host = host.map_err(|_| RegistryError::Url { url: url.to_string() })?;
    request.headers_mut().insert(header::HOST, host);
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(login) = plain_proxy.as_ref().and_then(proxy_authorization) {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, login);
    }
    let broken = |error: hyper::Error| broken(wire, url, &error);
    let (mut sender, connection) = http1().handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let asking = async {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let (body, cut) = read(body, question.limit).await.map_err(broken)?;
        let secrets = Arc::clone(&wire.secrets);
        Ok(Answer { url: url.clone(), status: head.status, headers: head.headers, body, cut, secrets })
    };
    drive(connection, asking).await
}

/// The bounds of what may come back.
pub(super) fn http1() -> Builder {
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    builder
}

/// Runs a connection for as long as something is asked on it. Its own end is told to the one who asks.
pub(super) async fn drive<T>(
    connection: impl Future<Output = Result<(), hyper::Error>>,
    asking: impl Future<Output = T>,
) -> T {
    let driven = async {
        drop(connection.await);
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        biased;
        asked = asking => asked,
        never = driven => match never {},
    }
}

async fn read(mut body: Incoming, limit: usize) -> Result<(Bytes, bool), hyper::Error> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = limit - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((read.freeze(), true));
        }
    }
    Ok((read.freeze(), false))
}

/// Why there is no whole answer.
fn broken(wire: &Wire, url: &Url, error: &hyper::Error) -> RegistryError {
    let host = url.authority();
    if url.https {
        // Up to TLS 1.2 it is told in the handshake, from 1.3 on only here.
        if let Some(problem) = wire.tls.problem(error) {
            return tls(&host, problem);
        }
        if wire.tls.lacks_client_certificate() {
            return tls(&host, TlsProblem::ClientCertificateWanted);
        }
    }
    let problem = if error.is_parse_too_large() {
        format!("answers with a head of more than {MAX_HEAD} bytes or {MAX_HEADERS} headers")
    } else if error.is_parse() {
        "answers something that is not HTTP".to_owned()
    } else if error.is_incomplete_message() {
        "hangs up before its answer is whole".to_owned()
    } else {
        match std::error::Error::source(error) {
            Some(source) => format!("breaks the connection: {source}"),
            None => format!("breaks the connection: {error}"),
        }
    };
    RegistryError::Broken { host, problem }
}
