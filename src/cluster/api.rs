//! The client of a cluster's API: as much of it as a rollout needs.
//!
//! Holds: each request has a time limit, and each answer a size limit; the token is in no message.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::account::Account;
use crate::files::pem;
use crate::registry::one_line;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer: a page of nodes, each with the names of its images.
const MOST: usize = 32 << 20;
/// How much of an error's text is repeated.
const WORDS: usize = 500;

/// How an object is changed: what is named is set, and null removes.
const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// The API, asked by an account.
pub struct Api {
    account: Account,
    tls: TlsConnector,
    name: ServerName<'static>,
}

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API refuses.
    #[error("the API answers {status} to {asked}: {words}")]
    Status {
        /// With this.
        status: StatusCode,
        /// Method and path.
        asked: String,
        /// In its own words.
        words: String,
    },
    /// Whoever answers there is somebody else.
    #[error("{server} is not the API of this account: {why}")]
    Untrusted {
        /// Host and port.
        server: String,
        /// Why.
        why: String,
    },
    /// It does not answer.
    #[error("the API gives no answer to {asked}: {why}")]
    Away {
        /// Method and path.
        asked: String,
        /// Why.
        why: String,
    },
}

// === impl ApiError ===

impl ApiError {
    /// Whether it is this status.
    #[must_use]
    pub fn is(&self, wanted: StatusCode) -> bool {
        matches!(self, ApiError::Status { status, .. } if *status == wanted)
    }
}

// === impl Api ===

impl Api {
    /// The API of an account.
    ///
    /// # Errors
    /// Its authority can't be read, or its name is none.
    pub fn of(account: Account) -> Result<Api, String> {
        let (tls, name) = connector(&account)?;
        Ok(Api { account, tls, name })
    }

    /// The account's own namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.account.namespace
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.ask(Method::GET, path, JSON, None).await
    }

    /// Makes an object.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        self.ask(Method::POST, path, JSON, Some(object)).await
    }

    /// Changes what is named.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn patch(&self, path: &str, change: &Value) -> Result<Value, ApiError> {
        self.ask(Method::PATCH, path, MERGE, Some(change)).await
    }

    /// Removes an object, and what belongs to it after it.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn delete(&self, path: &str) -> Result<Value, ApiError> {
        let options = serde_json::json!({"propagationPolicy": "Background"});
        self.ask(Method::DELETE, path, JSON, Some(&options)).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let asked = format!("{method} {}", path.split_once('?').map_or(path, |(path, _)| path));
        let away = |why: String| ApiError::Away { asked: asked.clone(), why };
        let (status, bytes) =
            match tokio::time::timeout(PATIENCE, self.exchange(method, path, kind, body)).await {
                Ok(answer) => answer.map_err(|failed| match failed {
                    Lost::Words(why) => away(why),
                    Lost::Untrusted(why) => ApiError::Untrusted { server: self.account.server.clone(), why },
                })?,
                Err(_) => return Err(away(format!("nothing came within {} s", PATIENCE.as_secs()))),
            };
        answered(status, asked, &bytes)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Lost> {
        let token = self.account.token().map_err(|error| Lost::words("cannot read the token", &error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.account.server)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.expose()))
            .header(header::ACCEPT, JSON)
            .header(header::CONTENT_TYPE, kind)
            .header(header::USER_AGENT, concat!("cri-shunt/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .map_err(|_| {
                Lost::Words("the token or the path has characters that no request may have".to_owned())
            })?;
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| Lost::Words(error.to_string()))?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        let answer = async {
            let answer =
                sender.send_request(request).await.map_err(|error| Lost::Words(error.to_string()))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            Ok((status, body.map_err(|error| Lost::Words(error.to_string()))?.to_bytes()))
        };
        let answer = answer.await;
        driver.abort();
        answer
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, Lost> {
        let server = &self.account.server;
        let stream = TcpStream::connect(server).await.map_err(|error| Lost::words(server, &error))?;
        drop(stream.set_nodelay(true));
        let stream = self.tls.connect(self.name.clone(), stream).await;
        stream.map_err(|error| match error.kind() {
            // What TLS itself refuses: it will not be another one in a minute.
            io::ErrorKind::InvalidData => Lost::Untrusted(error.to_string()),
            _ => Lost::words(server, &error),
        })
    }
}

/// What an answer means.
///
/// # Errors
/// The API refuses, or this is no object.
pub fn answered(status: StatusCode, asked: String, bytes: &[u8]) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if !status.is_success() {
        let words = value.get("message").and_then(Value::as_str).unwrap_or("it does not say why");
        return Err(ApiError::Status { status, asked, words: one_line(words, WORDS) });
    }
    if !value.is_object() {
        return Err(ApiError::Away { asked, why: "its answer is no object".to_owned() });
    }
    Ok(value)
}

/// Why there is no answer.
enum Lost {
    Words(String),
    Untrusted(String),
}

// === impl Lost ===

impl Lost {
    fn words(what: &str, error: &io::Error) -> Self {
        Lost::Words(format!("{what}: {error}"))
    }
}

fn connector(account: &Account) -> Result<(TlsConnector, ServerName<'static>), String> {
    let file = account.authority.display();
    let mut roots = RootCertStore::empty();
    let found = pem::certificates(&account.authority).map_err(|error| format!("{file}: {error}"))?;
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 {
        return Err(format!("{file}: no certificate in it is one of an authority"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = account.server.rsplit_once(':').map_or(account.server.as_str(), |(host, _)| host);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|_| format!("{host} is not the name or the address of a host"))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
