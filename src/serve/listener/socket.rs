//! The unix socket: bound at a path, or inherited from systemd.
//!
//! Holds: a file or a socket in use at the path is never removed. No client can connect before mode and owner are
//! set, because a client of this socket can become root on the node.

mod bind;
mod error;

#[cfg(test)]
mod tests;

pub use bind::Access;
pub use error::SocketError;

use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};
use std::fs;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// The listening socket.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Bound { path: PathBuf, file: FileId },
    Inherited,
}

/// Device and inode: which file it is, whatever its name.
type FileId = (u64, u64);

/// Who connected (SO_PEERCRED: as of the peer's `connect`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Process id; `None` where the peer's process is in a namespace that this one can't see.
    pub pid: Option<i32>,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
}

impl Socket {
    /// The socket that systemd hands over, or else one bound at `path`. Call it only once: a second
    /// call would take the same descriptor again. Needs a tokio runtime.
    #[expect(unsafe_code, reason = "a descriptor that comes by its number has no safe way in")]
    pub fn open(path: &Path, access: Access) -> Result<Socket, SocketError> {
        let handed: Vec<RawFd> = sd_notify::listen_fds().map_err(SocketError::Handover)?.collect();
        match handed[..] {
            [] => Socket::bind(path, access),
            // SAFETY: by the protocol of sd_listen_fds(3), which names this process by its pid, the
            // descriptor is open and used nowhere else here; `open` is called once.
            [fd] => Socket::inherit(unsafe { OwnedFd::from_raw_fd(fd) }),
            _ => Err(SocketError::TooManyHanded(handed.len())),
        }
    }

    /// A socket at `path`, in place of a stale one. Needs a tokio runtime.
    pub fn bind(path: &Path, access: Access) -> Result<Socket, SocketError> {
        let fail = |source| SocketError::Bind { path: path.to_owned(), source };
        let listener = StdListener::from(bind::bind(path, access)?);
        let file = file_id(path).map_err(fail)?;
        let listener = UnixListener::from_std(listener).map_err(fail)?;
        Ok(Socket { listener, origin: Origin::Bound { path: path.to_owned(), file } })
    }

    /// A listening unix stream socket that somebody else has made. Needs a tokio runtime.
    fn inherit(fd: OwnedFd) -> Result<Socket, SocketError> {
        let is_unix = socket_domain(&fd).is_ok_and(|domain| domain == AddressFamily::UNIX);
        let is_stream = socket_type(&fd).is_ok_and(|kind| kind == SocketType::STREAM);
        if !is_unix || !is_stream || !socket_acceptconn(&fd).unwrap_or(false) {
            return Err(SocketError::WrongHanded);
        }
        let listener = StdListener::from(fd);
        listener.set_nonblocking(true).map_err(SocketError::Handover)?;
        let listener = UnixListener::from_std(listener).map_err(SocketError::Handover)?;
        Ok(Socket { listener, origin: Origin::Inherited })
    }

    /// Whether systemd owns the socket's file.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        matches!(self.origin, Origin::Inherited)
    }

    /// The next connection. Cancel safe.
    pub async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        let cred = stream.peer_cred()?;
        Ok((stream, Peer { pid: cred.pid(), uid: cred.uid(), gid: cred.gid() }))
    }

    /// Stops listening and removes the file, unless systemd owns it or another file is there by now.
    pub fn close(self) -> io::Result<()> {
        self.remove_file()
    }

    /// Removes the socket's file, if it is still this socket's. A socket of systemd's stays.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove_file(&self) -> io::Result<()> {
        let Origin::Bound { path, file } = &self.origin else { return Ok(()) };
        match file_id(path) {
            Ok(there) if there == *file => fs::remove_file(path),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn file_id(path: &Path) -> io::Result<FileId> {
    let meta = fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}
