//! Opens connections: to a registry or through a proxy, in TLS or plain.
//!
//! The connect limit is for everything that it takes: all addresses of a name, the proxy, and the handshake of
//! TLS. The name of a host that a registry leads to is looked up first, and its addresses are checked; then
//! exactly these are connected to. Where a proxy looks the name up, the name itself is checked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use http::{Method, Request, StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::{RegistryError, TlsProblem};
use super::guard::{Reach, Special};
use super::pool::{Connection, Io, Key, http1};
use super::proxy::Proxy;
use super::secrets::{self, sensitive};
use super::socks;
use super::tls::{Peer, Session};
use super::url::Url;
use super::wire::Wire;

/// A stream and the facts about its other end.
struct Opened {
    stream: Box<dyn Io>,
    session: Option<Session>,
    plain_proxy: Option<Proxy>,
    special: Option<Special>,
}

/// What a connection to `url` is kept under, and the proxy that it goes through.
pub(super) fn key(wire: &Wire, url: &Url) -> (Key, Option<Proxy>) {
    let proxy = wire.proxies.proxy_for(url.https, &url.host, url.port);
    if let Some(login) = proxy.as_ref().and_then(|proxy| proxy.login.as_ref()) {
        wire.secrets.add_pair(&String::from_utf8_lossy(&secrets::percent_decoded(login.expose())));
    }
    let has_tls = url.https || proxy.as_ref().is_some_and(Proxy::speaks_tls);
    let key = Key {
        origin: (url.https, url.host.clone(), url.port),
        proxy: proxy.as_ref().map(|proxy| (proxy.scheme.clone(), proxy.address.clone())),
        tls: if has_tls { wire.tls.number } else { 0 },
        is_own: !wire.is_foreign(url),
    };
    (key, proxy)
}

/// Whether the host of `url` may be asked, as far as its name tells.
pub(super) fn may_ask(url: &Url, proxy: Option<&Proxy>, reach: Reach) -> Result<(), RegistryError> {
    let by_name = reach.allows_name(&url.host);
    let judged = by_name.and_then(|()| match proxy {
        Some(_) => reach.allows_through_proxy(&url.host),
        None => Ok(()),
    });
    judged.map_err(|astray| RegistryError::Astray { host: url.authority(), astray })
}

/// A new connection to the host of `url`, which may be asked by its name.
pub(super) async fn open(
    wire: &Wire,
    url: &Url,
    proxy: Option<Proxy>,
    reach: Reach,
) -> Result<Connection, RegistryError> {
    let address = match &proxy {
        Some(proxy) => {
            format!("{} through the proxy {}", url.address(), proxy.address)
        }
        None => url.address(),
    };
    wire.doing.now(format!("connecting to {address}"));
    let opening = async {
        let opened = match proxy {
            None => direct(wire, url, reach).await?,
            Some(proxy) => through(wire, url, proxy).await?,
        };
        let Opened { stream, session, plain_proxy, special } = opened;
        Connection::start(stream, session, plain_proxy, special).await.map_err(|error| {
            RegistryError::Broken {
                host: url.authority(),
                problem: format!("breaks the connection: {error}"),
                hangs_up: true,
            }
        })
    };
    match timeout(wire.connect_limit, opening).await {
        Ok(result) => result,
        Err(_) => Err(RegistryError::ConnectSlow { address, limit: wire.connect_limit }),
    }
}

async fn direct(wire: &Wire, url: &Url, reach: Reach) -> Result<Opened, RegistryError> {
    let connected = tcp(&url.address(), wire.connect_limit, reach).await;
    let (stream, special) = connected.map_err(|error| match error {
        RegistryError::Astray { astray, .. } => RegistryError::Astray { host: url.authority(), astray },
        error => error,
    })?;
    let (stream, session): (Box<dyn Io>, _) = match url.https {
        true => {
            let (stream, session) = handshake(wire, Box::new(stream), url, peer(wire, url)).await?;
            (stream, Some(session))
        }
        false => (Box::new(stream), None),
    };
    Ok(Opened { stream, session, plain_proxy: None, special })
}

async fn through(wire: &Wire, url: &Url, proxy: Proxy) -> Result<Opened, RegistryError> {
    let stream = reached(wire, &proxy).await.map_err(|error| match error {
        RegistryError::Proxy { .. } => error,
        error => {
            let problem = format!("does not lead to {}: {error}", url.address());
            RegistryError::Proxy { proxy: proxy.address.clone(), problem }
        }
    })?;
    let special = Special::of_name(&url.host);
    let is_socks = proxy.scheme.starts_with("socks5");
    if !url.https && !is_socks {
        return Ok(Opened { stream, session: None, plain_proxy: Some(proxy), special });
    }
    let stream = match is_socks {
        true => socks::connect(stream, &proxy, url).await?,
        false => tunnel(stream, &proxy, url).await?,
    };
    if !url.https {
        return Ok(Opened { stream, session: None, plain_proxy: None, special });
    }
    let (stream, session) = handshake(wire, stream, url, peer(wire, url)).await?;
    Ok(Opened { stream, session: Some(session), plain_proxy: None, special })
}

/// A stream to a proxy itself, which is configured: it may be at any address.
async fn reached(wire: &Wire, proxy: &Proxy) -> Result<Box<dyn Io>, RegistryError> {
    if !matches!(proxy.scheme.as_str(), "http" | "https" | "socks5" | "socks5h") {
        let problem = format!("speaks {}, which is not the name of a protocol of proxies", proxy.scheme);
        return Err(RegistryError::Proxy { proxy: proxy.address.clone(), problem });
    }
    let (stream, _) = tcp(&proxy.address, wire.connect_limit, Reach::Anywhere).await?;
    if !proxy.speaks_tls() {
        return Ok(Box::new(stream));
    }
    let own = Url::parse(&format!("https://{}/", proxy.address)).ok_or_else(|| {
        let problem = "has an address that is not a host and a port".to_owned();
        RegistryError::Proxy { proxy: proxy.address.clone(), problem }
    })?;
    handshake(wire, Box::new(stream), &own, Peer::Proxy).await.map(|(stream, _)| stream)
}

/// Tries the addresses of a name that may be connected to, one after the other, each for its share of the time.
async fn tcp(
    address: &str,
    limit: Duration,
    reach: Reach,
) -> Result<(TcpStream, Option<Special>), RegistryError> {
    let end = Instant::now() + limit;
    let host = || host_of(address).to_owned();
    let found = tokio::net::lookup_host(address).await;
    let found: Vec<SocketAddr> =
        found.map_err(|source| RegistryError::Resolve { host: host(), source })?.collect();
    let judged = |address: &SocketAddr| {
        let special = Special::of(address.ip());
        reach.allows(special).map(|()| (*address, special))
    };
    let allowed: Vec<(SocketAddr, Option<Special>)> =
        found.iter().filter_map(|found| judged(found).ok()).collect();
    if allowed.is_empty()
        && let Some(astray) = found.iter().find_map(|found| judged(found).err())
    {
        return Err(RegistryError::Astray { host: host(), astray });
    }
    let mut failed = None;
    for (index, (candidate, special)) in allowed.iter().enumerate() {
        let left = u32::try_from(allowed.len() - index).unwrap_or(u32::MAX);
        let share = Instant::now() + end.saturating_duration_since(Instant::now()) / left;
        match timeout_at(share, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) => {
                // Small requests go out at once.
                drop(stream.set_nodelay(true));
                return Ok((stream, *special));
            }
            Ok(Err(source)) => failed = Some(RegistryError::Connect { address: address.to_owned(), source }),
            Err(_) => {}
        }
    }
    Err(failed.unwrap_or_else(|| RegistryError::ConnectSlow { address: address.to_owned(), limit }))
}

/// Whose the host of `url` is.
fn peer(wire: &Wire, url: &Url) -> Peer {
    if wire.is_foreign(url) { Peer::Foreign } else { Peer::Own }
}

async fn handshake(
    wire: &Wire,
    stream: Box<dyn Io>,
    url: &Url,
    peer: Peer,
) -> Result<(Box<dyn Io>, Session), RegistryError> {
    let host = url.authority();
    let name = ServerName::try_from(url.host.trim_matches(['[', ']']).to_owned()).map_err(|_| {
        RegistryError::tls(&host, TlsProblem::WrongName("; no certificate can be for it".to_owned()))
    })?;
    let session = wire.tls.session(peer);
    let connector = TlsConnector::from(session.config.clone());
    match connector.connect(name, stream).await {
        Ok(stream) => Ok((Box::new(stream), session)),
        Err(error) => {
            let hangs_up = error.kind() == io::ErrorKind::UnexpectedEof;
            let problem = session.problem(&error).unwrap_or_else(|| match hangs_up {
                true => TlsProblem::Other("it hangs up in the handshake".to_owned()),
                false => TlsProblem::Other(error.to_string()),
            });
            Err(RegistryError::tls(&host, problem))
        }
    }
}

async fn tunnel(stream: Box<dyn Io>, proxy: &Proxy, url: &Url) -> Result<Box<dyn Io>, RegistryError> {
    let address = url.address();
    let mut request = Request::builder().method(Method::CONNECT).uri(&address).header(header::HOST, &address);
    if let Some(login) = proxy_authorization(proxy) {
        request = request.header(header::PROXY_AUTHORIZATION, login);
    }
    let refuse = |problem: String| RegistryError::Proxy { proxy: proxy.address.clone(), problem };
    let request = request
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|_| refuse(format!("cannot be asked for {address}, which is not a host and a port")))?;
    let broken = |error: hyper::Error| refuse(format!("gives no answer to CONNECT: {error}"));
    let (mut sender, connection) = http1().handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let asking = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        match answer.status() {
            StatusCode::OK => hyper::upgrade::on(answer).await.map_err(broken),
            status => Err(refuse(format!("answers {status} to CONNECT {address}"))),
        }
    };
    let upgraded = drive(connection.with_upgrades(), asking).await?;
    Ok(Box::new(TokioIo::new(upgraded)))
}

/// Runs a connection for as long as something is asked on it. Its own end is told to the one who asks.
async fn drive<T>(
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

/// `Basic` for the user and the password in the proxy's URL.
pub(super) fn proxy_authorization(proxy: &Proxy) -> Option<http::HeaderValue> {
    let login = secrets::percent_decoded(proxy.login.as_ref()?.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(login);
    sensitive(&format!("Basic {encoded}"))
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;
    use crate::files::secret::Secret;

    #[test]
    fn the_login_of_a_proxy_is_decoded_first() {
        let login = Some(Secret::new("user:p%40ss%zz%+f%".to_owned()));
        let proxy = Proxy { scheme: "http".to_owned(), address: "p:80".to_owned(), login };
        let value = proxy_authorization(&proxy).unwrap();
        let expected = base64::engine::general_purpose::STANDARD.encode("user:p@ss%zz%+f%");
        assert_eq!(value.to_str().unwrap(), format!("Basic {expected}"));
        assert!(!format!("{value:?}").contains(&expected));
    }
}
