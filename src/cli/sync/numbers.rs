//! Passes the daemon's metrics on: the daemon itself listens only where nobody from outside comes.
//!
//! Holds: so many connections at once, and none for longer than its time. Nothing is read of what passes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;

use crate::cli::terminal;

/// How often it tries to listen.
const EVERY: Duration = Duration::from_secs(1);
/// As many as the daemon takes.
const MOST: usize = 8;
/// The daemon gives a connection no more.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves for as long as the program. Where the daemon does not listen, a connection ends without an answer.
pub(super) async fn pass_on(address: SocketAddr, socket: PathBuf) {
    let listener = listening(address).await;
    let places = Arc::new(Semaphore::new(MOST));
    // It is never closed.
    while let Ok(place) = places.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let socket = socket.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(PATIENCE, through(stream, &socket)).await;
            drop(place);
        });
    }
}

/// Tries until it can listen. The policy comes to the node meanwhile.
async fn listening(address: SocketAddr) -> TcpListener {
    let mut is_said = false;
    loop {
        let error = match listen(address).await {
            Ok(listener) => return listener,
            Err(error) => error,
        };
        if !is_said {
            terminal::say(&format!(
                "error: cannot listen on {address}: {error}: there are no metrics until it can\n"
            ));
        }
        is_said = true;
        tokio::time::sleep(EVERY).await;
    }
}

/// All addresses of IPv6 are those of IPv4 too. Where the kernel has no IPv6, they are those of IPv4 alone.
async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error)
            if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                && error.raw_os_error() == Some(libc::EAFNOSUPPORT) =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        tried => tried,
    }
}

async fn through(mut client: TcpStream, socket: &Path) -> io::Result<()> {
    let mut daemon = UnixStream::connect(socket).await?;
    copy_bidirectional(&mut client, &mut daemon).await?;
    Ok(())
}
