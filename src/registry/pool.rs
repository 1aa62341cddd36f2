//! Connections that are kept between requests.
//!
//! A connection stands under everything that makes it what it is: scheme, host, port, proxy, TLS settings. It
//! is kept for a minute, and not more than a few for one origin.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::guard::Special;
use super::proxy::Proxy;
use super::tls::Session;

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// How many unused connections are kept for one key.
const MOST_FOR_ONE: usize = 8;

/// How many unused connections are kept in all.
const MOST: usize = 64;

/// The longest head of an answer, in bytes.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// The most headers of an answer.
pub(super) const MAX_HEADERS: usize = 100;

/// What a connection is to those that use it.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What makes one connection as good as another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Scheme, host and port.
    pub(super) origin: (bool, String, u16),
    /// Scheme and address of the proxy.
    pub(super) proxy: Option<(String, String)>,
    /// The number of the TLS settings; 0 where nothing on the way is in TLS.
    pub(super) tls: u64,
    /// Whether a client certificate may have been sent on it.
    pub(super) is_own: bool,
}

/// A connection that speaks HTTP/1.1. It ends when it is dropped.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    pub(super) session: Option<Session>,
    /// The proxy that wants to see whole URLs on it.
    pub(super) plain_proxy: Option<Proxy>,
    /// What kind of address is at its other end, where that is a special one.
    pub(super) special: Option<Special>,
}

/// Unused connections.
#[derive(Default)]
pub(super) struct Pool(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    connections: HashMap<Key, Vec<(Instant, Connection)>>,
    /// Whether a task closes connections that are kept too long.
    swept: bool,
}

// === impl Connection ===

impl Connection {
    pub(super) async fn start(
        stream: Box<dyn Io>,
        session: Option<Session>,
        plain_proxy: Option<Proxy>,
        special: Option<Special>,
    ) -> Result<Self, hyper::Error> {
        let (sender, connection) = http1().handshake(TokioIo::new(stream)).await?;
        // Whoever has asked something learns of the connection's end from the sender.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { sender, driver, session, plain_proxy, special })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// HTTP/1.1 with bounds on the head of an answer.
pub(super) fn http1() -> Builder {
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    builder
}

// === impl Pool ===

impl Pool {
    /// The connection that was used last, if there is one.
    pub(super) fn take(&self, key: &Key) -> Option<Connection> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.connections.get_mut(key)?;
        let found = loop {
            match kept.pop() {
                Some((since, connection)) if since.elapsed() < IDLE && !connection.sender.is_closed() => {
                    break Some(connection);
                }
                Some(_) => {}
                None => break None,
            }
        };
        if kept.is_empty() {
            idle.connections.remove(key);
        }
        found
    }

    /// Keeps a connection whose last answer has been read whole.
    pub(super) fn put(self: &Arc<Self>, key: Key, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.connections.values().map(Vec::len).sum::<usize>() >= MOST {
            idle.drop_oldest();
        }
        let kept = idle.connections.entry(key).or_default();
        if kept.len() >= MOST_FOR_ONE {
            kept.remove(0);
        }
        kept.push((Instant::now(), connection));
        if !idle.swept {
            idle.swept = true;
            drop(tokio::spawn(sweep(Arc::downgrade(self))));
        }
    }
}

impl Idle {
    fn drop_oldest(&mut self) {
        let oldest = self
            .connections
            .iter()
            .filter_map(|(key, kept)| Some((kept.first()?.0, key.clone())))
            .min_by_key(|(since, _)| *since);
        let Some((_, key)) = oldest else { return };
        if let Some(kept) = self.connections.get_mut(&key) {
            kept.remove(0);
            if kept.is_empty() {
                self.connections.remove(&key);
            }
        }
    }
}

/// Ends connections that have been unused for too long, until none is left.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.retain(|_, kept| {
            kept.retain(|(since, connection)| since.elapsed() < IDLE && !connection.sender.is_closed());
            !kept.is_empty()
        });
        if idle.connections.is_empty() {
            idle.swept = false;
            return;
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool(..)")
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;

    fn key(host: usize) -> Key {
        Key { origin: (false, host.to_string(), 80), proxy: None, tls: 0, is_own: true }
    }

    async fn connection() -> (Connection, DuplexStream) {
        let (here, there) = tokio::io::duplex(64);
        (Connection::start(Box::new(here), None, None, None).await.unwrap(), there)
    }

    fn kept(pool: &Pool) -> usize {
        pool.0.lock().unwrap().connections.values().map(Vec::len).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_kept_for_a_minute() {
        let pool = Arc::new(Pool::default());
        let (first, _there) = connection().await;
        pool.put(key(1), first);
        assert!(pool.take(&key(2)).is_none());
        pool.put(key(1), pool.take(&key(1)).unwrap());
        // Without any further question, what has been kept too long ends all the same.
        tokio::time::sleep(IDLE * 2 + Duration::from_secs(1)).await;
        assert_eq!(kept(&pool), 0);
        // The next one is watched again.
        let (next, _there) = connection().await;
        pool.put(key(1), next);
        tokio::time::sleep(IDLE * 2 + Duration::from_secs(1)).await;
        assert_eq!(kept(&pool), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_is_bounded_for_one_origin_and_in_all() {
        let pool = Arc::new(Pool::default());
        let mut others = Vec::new();
        for host in 0..MOST + 3 {
            let (connection, there) = connection().await;
            pool.put(key(host), connection);
            others.push(there);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(kept(&pool), MOST);
        assert!(pool.take(&key(0)).is_none() && pool.take(&key(MOST)).is_some());
        for _ in 0..MOST_FOR_ONE + 3 {
            let (connection, there) = connection().await;
            pool.put(key(MOST), connection);
            others.push(there);
        }
        assert_eq!(pool.0.lock().unwrap().connections[&key(MOST)].len(), MOST_FOR_ONE);
        // One that the other side has ended is passed over.
        others.clear();
        tokio::task::yield_now().await;
        assert!(pool.take(&key(MOST)).is_none());
    }
}
