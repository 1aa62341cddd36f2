//! Connections: to a registry or through a proxy, in TLS or plain.
//!
//! Before: `exchange` has a URL to ask.  After: a stream that speaks HTTP/1.1 with the other side.
//! Holds: a connection is tried for the connect timeout, all addresses of a name and the handshake of TLS
//! together.
//! Not here: which proxy (`proxy`), whom to believe (`trust`).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use http::{Method, Request, StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::access::{Access, Network, sensitive};
use super::error::{RegistryError, TlsProblem};
use super::exchange;
use super::secrets::Secrets;
use super::tls::{Tls, tls};
use super::url::Url;
use crate::registry::proxy::{Proxies, Proxy};

/// What a connection is to those that use it.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The ways from here to one registry and those that it names.
#[derive(Debug)]
pub(super) struct Wire {
    proxies: Proxies,
    connect_timeout: Duration,
    pub(super) tls: Tls,
    pub(super) secrets: Arc<Secrets>,
    doing: Mutex<String>,
}

/// A connection, and the proxy that wants to see whole URLs on it.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Io>,
    pub(super) plain_proxy: Option<Proxy>,
}

impl Wire {
    pub(super) fn new(
        access: &Access,
        network: &Network,
        secrets: Arc<Secrets>,
    ) -> Result<Self, RegistryError> {
        Ok(Wire {
            proxies: network.proxies.clone(),
            connect_timeout: network.connect_timeout,
            tls: Tls::new(access, network)?,
            secrets,
            doing: Mutex::default(),
        })
    }

    /// What is being waited for, should it never come.
    pub(super) fn now(&self, doing: String) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    pub(super) fn doing(&self) -> String {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn open(&self, url: &Url) -> Result<Connection, RegistryError> {
        let proxy = self.proxies.proxy_for(url.https, &url.host, url.port);
        if let Some(login) = proxy.as_ref().and_then(|proxy| proxy.login.as_ref()) {
            self.secrets.add_pair(&String::from_utf8_lossy(&percent_decoded(login.expose())));
        }
        let address = match &proxy {
            Some(proxy) => format!("{} through the proxy {}", url.address(), proxy.address),
            None => url.address(),
        };
        self.now(format!("connecting to {address}"));
        let opened = timeout(self.connect_timeout, self.opened(url, proxy));
        match opened.await {
            Ok(result) => result,
            Err(_) => Err(RegistryError::ConnectSlow { address, limit: self.connect_timeout }),
        }
    }

    async fn opened(&self, url: &Url, proxy: Option<Proxy>) -> Result<Connection, RegistryError> {
        let Some(proxy) = proxy else {
            let stream: Box<dyn Io> = Box::new(self.tcp(&url.address()).await?);
            let stream = if url.https { self.handshake(stream, url).await? } else { stream };
            return Ok(Connection { stream, plain_proxy: None });
        };
        let stream = self.reached(&proxy).await.map_err(|error| match error {
            RegistryError::Proxy { .. } => error,
            error => {
                let problem = format!("does not lead to {}: {error}", url.address());
                RegistryError::Proxy { proxy: proxy.address.clone(), problem }
            }
        })?;
        if !url.https {
            return Ok(Connection { stream, plain_proxy: Some(proxy) });
        }
        let stream = self.tunnel(stream, &proxy, url).await?;
        Ok(Connection { stream: self.handshake(stream, url).await?, plain_proxy: None })
    }

    /// A stream to a proxy itself.
    async fn reached(&self, proxy: &Proxy) -> Result<Box<dyn Io>, RegistryError> {
        let is_tls = match proxy.scheme.as_str() {
            "http" => false,
            "https" => true,
            other => {
                let problem = format!("speaks {other}, which containerd knows and `explain` does not");
                return Err(RegistryError::Proxy { proxy: proxy.address.clone(), problem });
            }
        };
        let stream: Box<dyn Io> = Box::new(self.tcp(&proxy.address).await?);
        if !is_tls {
            return Ok(stream);
        }
        let own = Url::parse(&format!("https://{}/", proxy.address))
            .ok_or_else(|| RegistryError::Url { url: proxy.address.clone() })?;
        self.handshake(stream, &own).await
    }

    /// Tries the addresses of a name one after the other, each for its share of the time.
    async fn tcp(&self, address: &str) -> Result<TcpStream, RegistryError> {
        let end = Instant::now() + self.connect_timeout;
        let found = tokio::net::lookup_host(address).await;
        let addresses: Vec<SocketAddr> = found
            .map_err(|source| RegistryError::Resolve { host: host_of(address).to_owned(), source })?
            .collect();
        let mut failed = None;
        for (index, candidate) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let share = Instant::now() + end.saturating_duration_since(Instant::now()) / left;
            match timeout_at(share, TcpStream::connect(candidate)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(source)) => {
                    failed = Some(RegistryError::Connect { address: address.to_owned(), source });
                }
                Err(_) => {}
            }
        }
        let slow = || RegistryError::ConnectSlow { address: address.to_owned(), limit: self.connect_timeout };
        Err(failed.unwrap_or_else(slow))
    }

    async fn handshake(&self, stream: Box<dyn Io>, url: &Url) -> Result<Box<dyn Io>, RegistryError> {
        let host = url.authority();
        let name = ServerName::try_from(url.host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| tls(&host, TlsProblem::WrongName("; no certificate can be for it".to_owned())))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls.config));
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(match self.tls.problem(&error) {
                Some(problem) => tls(&host, problem),
                None if error.kind() == io::ErrorKind::UnexpectedEof => {
                    tls(&host, TlsProblem::Other("it hangs up in the handshake".to_owned()))
                }
                None => tls(&host, TlsProblem::Other(error.to_string())),
            }),
        }
    }

    async fn tunnel(
        &self,
        stream: Box<dyn Io>,
        proxy: &Proxy,
        url: &Url,
    ) -> Result<Box<dyn Io>, RegistryError> {
        let address = url.address();
        let mut request =
            Request::builder().method(Method::CONNECT).uri(&address).header(header::HOST, &address);
        if let Some(login) = proxy_authorization(proxy) {
            request = request.header(header::PROXY_AUTHORIZATION, login);
        }
        let refuse = |problem: String| RegistryError::Proxy { proxy: proxy.address.clone(), problem };
        let request = request
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|_| RegistryError::Url { url: address.clone() })?;
        let broken = |error: hyper::Error| refuse(format!("gives no answer to CONNECT: {error}"));
        let (mut sender, connection) =
            exchange::http1().handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let asking = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            match answer.status() {
                StatusCode::OK => hyper::upgrade::on(answer).await.map_err(broken),
                status => Err(refuse(format!("answers {status} to CONNECT {address}"))),
            }
        };
        let upgraded = exchange::drive(connection.with_upgrades(), asking).await?;
        Ok(Box::new(TokioIo::new(upgraded)))
    }
}

/// `Basic` for the user and the password in the proxy's URL.
pub(super) fn proxy_authorization(proxy: &Proxy) -> Option<http::HeaderValue> {
    let login = percent_decoded(proxy.login.as_ref()?.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(login);
    sensitive(&format!("Basic {encoded}"))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::secret::Secret;

    #[test]
    fn the_login_of_a_proxy_is_decoded_first() {
        let login = Some(Secret::new("user:p%40ss%zz%".to_owned()));
        let proxy = Proxy { scheme: "http".to_owned(), address: "p:80".to_owned(), login };
        let value = proxy_authorization(&proxy).unwrap();
        let expected = base64::engine::general_purpose::STANDARD.encode("user:p@ss%zz%");
        assert_eq!(value.to_str().unwrap(), format!("Basic {expected}"));
        assert!(!format!("{value:?}").contains(&expected));
    }
}
