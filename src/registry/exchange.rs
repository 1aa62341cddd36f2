//! One request and its answer, on a kept connection or a new one.
//!
//! Head and body of an answer are bounded. A kept connection may have been closed by the other side just now, so
//! a request that gets no answer on one is sent again, once, on a new one. Only HEAD and GET are: they change
//! nothing. A POST always has a new connection.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::connect::{self, proxy_authorization};
use super::error::RegistryError;
use super::guard::{Reach, Special};
use super::pool::{Connection, MAX_HEAD, MAX_HEADERS};
use super::secrets::Secrets;
use super::tls::Session;
use super::url::Url;
use super::wire::Wire;

/// A request. No `Debug`: its body may be a form with a password.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// How many bytes of the answer's body are wanted.
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
    /// What must not be repeated of it; `None` where nothing at all may be.
    pub(super) words: Option<Arc<Secrets>>,
    /// What kind of address the answer comes from, where that is a special one.
    pub(super) special: Option<Special>,
}

/// What came as an answer. No `Debug`, for the same reason.
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
    /// Of the registry itself.
    pub(super) fn own(url: Url, reply: Reply, secrets: Arc<Secrets>) -> Self {
        let Reply { status, headers, body, cut } = reply;
        Answer { url, status, headers, body, cut, words: Some(secrets), special: None }
    }

    /// Its own words, as they may stand in an error; `None` from a host that a registry has led to.
    pub(super) fn quote(&self, words: &str) -> Option<String> {
        self.words.as_ref().map(|secrets| secrets.quote(words))
    }

    /// A header as text; `None` where it has other bytes.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Asks, and reads the answer.
pub(super) async fn ask(wire: &Wire, question: &Question, reach: Reach) -> Result<Answer, RegistryError> {
    let asked = asked(wire, question, reach).await;
    asked.map_err(|error| if wire.is_foreign(&question.url) { error.without_words() } else { error })
}

async fn asked(wire: &Wire, question: &Question, reach: Reach) -> Result<Answer, RegistryError> {
    let url = &question.url;
    let (key, proxy) = connect::key(wire, url);
    connect::may_ask(url, proxy.as_ref(), reach)?;
    let mut under_way = wire.asked.begin(&wire.registry);
    let is_safe = question.method == Method::GET || question.method == Method::HEAD;
    if is_safe && let Some(mut connection) = wire.pool.take(&key) {
        reach
            .allows_name(&url.host)
            .map_err(|astray| RegistryError::Astray { host: url.authority(), astray })?;
        // A new connection is judged again: the name may have other addresses as well. A server that closes an
        // unused connection may say 408, which is not about this request.
        if reach.allows(connection.special).is_ok()
            && let Ok(head) = send(wire, &mut connection, question).await?
            && head.status() != StatusCode::REQUEST_TIMEOUT
        {
            under_way.answered(head.status());
            let answer = read(wire, head, question, connection.special).await?;
            if !answer.cut {
                wire.pool.put(key, connection);
            }
            return Ok(answer);
        }
    }
    let mut connection = connect::open(wire, url, proxy, reach).await?;
    let head = send(wire, &mut connection, question).await?;
    let head = head.map_err(|error| broken(connection.session.as_ref(), url, &error))?;
    under_way.answered(head.status());
    let answer = read(wire, head, question, connection.special).await?;
    if !answer.cut {
        wire.pool.put(key, connection);
    }
    Ok(answer)
}

/// Sends the request and waits for the head of the answer.
async fn send(
    wire: &Wire,
    connection: &mut Connection,
    question: &Question,
) -> Result<Result<http::Response<Incoming>, hyper::Error>, RegistryError> {
    let url = &question.url;
    wire.doing.now(format!("waiting for the answer of {}", url.authority()));
    // A registry may have chosen the rest of the URL.
    let unfit = || RegistryError::Config(format!("the URL at {} cannot be asked", url.authority()));
    let target = match &connection.plain_proxy {
        Some(_) => url.to_string(),
        None => url.target.clone(),
    };
    let mut request = Request::new(Full::new(question.body.clone()));
    *request.method_mut() = question.method.clone();
    *request.uri_mut() = target.parse().map_err(|_| unfit())?;
    *request.headers_mut() = question.headers.clone();
    let host = HeaderValue::from_str(&url.authority()).map_err(|_| unfit())?;
    request.headers_mut().insert(header::HOST, host);
    if let Some(login) = connection.plain_proxy.as_ref().and_then(proxy_authorization) {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, login);
    }
    if let Err(error) = connection.sender.ready().await {
        return Ok(Err(error));
    }
    Ok(connection.sender.send_request(request).await)
}

async fn read(
    wire: &Wire,
    response: http::Response<Incoming>,
    question: &Question,
    special: Option<Special>,
) -> Result<Answer, RegistryError> {
    let url = question.url.clone();
    let (head, body) = response.into_parts();
    let read = body_of(body, question.limit).await;
    let cut_off = |error| RegistryError::Cut {
        host: url.authority(),
        problem: problem(&error),
        hangs_up: hangs_up(&error),
    };
    let (body, cut) = read.map_err(cut_off)?;
    let words = (!wire.is_foreign(&url)).then(|| Arc::clone(&wire.secrets));
    Ok(Answer { url, status: head.status, headers: head.headers, body, cut, words, special })
}

async fn body_of(mut body: Incoming, limit: usize) -> Result<(Bytes, bool), hyper::Error> {
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

/// Why there is no answer.
fn broken(session: Option<&Session>, url: &Url, error: &hyper::Error) -> RegistryError {
    let host = url.authority();
    // What answers something needs no certificate for that.
    if let Some(session) = session.filter(|_| !error.is_parse()) {
        // Up to TLS 1.2 it is told in the handshake, from 1.3 on only here.
        if let Some(problem) = session.problem(error).or_else(|| session.missed_certificate()) {
            return RegistryError::tls(&host, problem);
        }
    }
    RegistryError::Broken { host, problem: problem(error), hangs_up: hangs_up(error) }
}

fn problem(error: &hyper::Error) -> String {
    if error.is_parse_too_large() {
        format!("answers with a head of more than {MAX_HEAD} bytes or {MAX_HEADERS} headers")
    } else if error.is_parse() {
        "answers something that is not HTTP".to_owned()
    } else if error.is_incomplete_message() || ends_early(error) {
        "hangs up before its answer is whole".to_owned()
    } else {
        match std::error::Error::source(error) {
            Some(source) => format!("breaks the connection: {source}"),
            None => format!("breaks the connection: {error}"),
        }
    }
}

/// Whether the other side has ended the connection too early. Else what it has sent is wrong.
fn hangs_up(error: &hyper::Error) -> bool {
    let breaks = matches!(kind(error), Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe));
    error.is_incomplete_message() || ends_early(error) || breaks
}

/// Whether a body is shorter than its head says.
fn ends_early(error: &hyper::Error) -> bool {
    kind(error) == Some(io::ErrorKind::UnexpectedEof)
}

/// What the operating system says, if it is its error.
fn kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.map(io::Error::kind)
}
