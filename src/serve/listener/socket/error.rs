//! What can go wrong with the socket, in words for the administrator.

use std::io;
use std::path::PathBuf;

/// Why there is no socket to listen on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Longer than `sockaddr_un` holds (unix(7)).
    #[error("socket path {} is too long: {} bytes, {limit} are possible", path.display(), path.as_os_str().len())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Longest path that works, in bytes.
        limit: usize,
    },
    /// A path without a file name.
    #[error("socket path {} has no file name", .0.display())]
    NoName(PathBuf),
    /// The folder of the socket could not be made.
    #[error("folder {} for the socket", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something other than a socket is there.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// A process answers at the path.
    #[error("socket {} is in use{}", path.display(), pid.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    InUse {
        /// The path.
        path: PathBuf,
        /// The process that listens, where it is known.
        pid: Option<i32>,
    },
    /// Whether a process answers could not be found out.
    #[error("existing socket {}", path.display())]
    Probe {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused the new socket.
    #[error("socket {}", path.display())]
    Bind {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The handover from systemd does not work.
    #[error("socket handed over by systemd")]
    Handover(#[source] io::Error),
    /// systemd handed over something else.
    #[error("what systemd handed over is not a listening unix stream socket")]
    WrongHanded,
    /// systemd handed over more than the one socket.
    #[error("systemd handed over {0} sockets, one is expected")]
    TooManyHanded(usize),
    /// The system knows no such group.
    #[error("there is no group {0:?} in /etc/group")]
    NoGroup(String),
}

impl SocketError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            SocketError::NotASocket(_) => Some("move it away, or set another `listen.socket`"),
            SocketError::InUse { .. } => Some("stop that process, or set another `listen.socket`"),
            SocketError::TooLong { .. } => Some("set a shorter `listen.socket`"),
            SocketError::WrongHanded => {
                Some("the .socket unit must have one `ListenStream=` with an absolute path")
            }
            SocketError::NoGroup(_) => Some("make the group, or set `listen.group` to a number"),
            SocketError::TooManyHanded(_) => Some("the .socket unit must have one `ListenStream=`"),
            _ => None,
        }
    }
}
