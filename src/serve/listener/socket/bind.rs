//! Puts a new listening socket at a path.
//!
//! Holds: the socket is made under another name in the same folder and gets its mode and owner before
//! it listens, then is renamed over a stale one; a client always finds one of the two.

use super::error::SocketError;
use rustix::fs::AtFlags;
use rustix::fs::{CWD, Mode, chmodat, chownat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, listen, socket_with, sockopt,
};
use rustix::process::{Gid, getegid, geteuid};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Longest path in a `sockaddr_un`, with the zero byte behind it (unix(7)).
const MAX_PATH: usize = 107;

/// Connections that may wait: a node's clients all come back at once after a restart.
const BACKLOG: i32 = 1024;

const FOLDER_MODE: u32 = 0o755;

/// Who may connect to a socket that is bound here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// The group, where it is not the process's own (root's for root).
    pub gid: Option<u32>,
}

impl Access {
    /// Access for the group `name` of /etc/group.
    ///
    /// # Errors
    /// There is no such group.
    pub fn for_group(mode: u32, name: &str) -> Result<Access, SocketError> {
        Ok(Access { mode, gid: Some(gid_of(name)?) })
    }
}

pub(super) fn bind(path: &Path, access: Access) -> Result<OwnedFd, SocketError> {
    let new = new_name(path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    refuse_what_is_not_stale(path)?;
    make(&new, path, access).map_err(|source| SocketError::Bind { path: path.to_owned(), source })
}

/// The name under which the socket is made: this process' own, short enough.
fn new_name(path: &Path) -> Result<PathBuf, SocketError> {
    let too_long = |limit| SocketError::TooLong { path: path.to_owned(), limit };
    if path.as_os_str().len() > MAX_PATH {
        return Err(too_long(MAX_PATH));
    }
    if path.file_name().is_none() {
        return Err(SocketError::NoName(path.to_owned()));
    }
    let new = path.with_file_name(format!(".{:x}", std::process::id()));
    // Only where the socket's own name is shorter than a process id, in a folder that leaves no room.
    match new.as_os_str().len() {
        0..=MAX_PATH => Ok(new),
        len => Err(too_long(MAX_PATH.saturating_sub(len - path.as_os_str().len()))),
    }
}

/// Makes the folder and its parents, readable for all whatever the umask; existing folders stay as they are.
fn make_folder(folder: &Path) -> Result<(), SocketError> {
    let fail = |path: &Path, source| SocketError::Folder { path: path.to_owned(), source };
    let mut missing: Vec<&Path> =
        folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    while let Some(folder) = missing.pop() {
        match fs::create_dir(folder) {
            Ok(()) => fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE))
                .map_err(|source| fail(folder, source))?,
            // Another process has made it in the meantime.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(fail(folder, source)),
        }
    }
    Ok(())
}

/// Succeeds if nothing is at the path, or a socket without a listener.
fn refuse_what_is_not_stale(path: &Path) -> Result<(), SocketError> {
    let fail = |source: io::Error| SocketError::Probe { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    let probe = stream_socket().map_err(|e| fail(e.into()))?;
    let address = SocketAddrUnix::new(path).map_err(|e| fail(e.into()))?;
    match connect(&probe, &address) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        Ok(()) => {
            let pid = sockopt::socket_peercred(&probe).ok().map(|cred| cred.pid.as_raw_nonzero().get());
            Err(SocketError::InUse { path: path.to_owned(), pid })
        }
        // Its queue is full, or it is a socket of another type: somebody listens.
        Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(SocketError::InUse { path: path.to_owned(), pid: None }),
        Err(error) => Err(fail(error.into())),
    }
}

fn make(new: &Path, path: &Path, access: Access) -> io::Result<OwnedFd> {
    // Left by an earlier process of the same pid; anything else there makes `bind` fail.
    if fs::symlink_metadata(new).is_ok_and(|meta| meta.file_type().is_socket()) {
        fs::remove_file(new)?;
    }
    let socket = stream_socket()?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(new.as_os_str().as_bytes())?)?;
    put_in_place(&socket, new, path, access).inspect_err(|_| {
        // Of no use to anybody; the error that is told is the one that led here.
        let _ = fs::remove_file(new);
    })?;
    Ok(socket)
}

fn put_in_place(socket: &OwnedFd, new: &Path, path: &Path, access: Access) -> io::Result<()> {
    chmodat(CWD, new, Mode::from_raw_mode(access.mode), AtFlags::empty())?;
    // A set-group-id folder would give it another group.
    let uid = geteuid();
    let own = if uid.is_root() { Gid::ROOT } else { getegid() };
    let gid = access.gid.map_or(own, Gid::from_raw);
    chownat(CWD, new, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    // Until now the kernel refuses connections.
    listen(socket, BACKLOG)?;
    fs::rename(new, path)
}

/// Non-blocking, so that a probe never waits for a place in a full queue.
fn stream_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// The id of the group `name` in /etc/group. Groups of a directory service can be given by number.
fn gid_of(name: &str) -> Result<u32, SocketError> {
    let unknown = || SocketError::NoGroup(name.to_owned());
    let table = fs::read_to_string("/etc/group").map_err(|_| unknown())?;
    // name:password:gid:members, group(5)
    let mut entries = table.lines().map(|line| line.split(':'));
    let mut entry = entries.find(|entry| entry.clone().next() == Some(name)).ok_or_else(unknown)?;
    entry.nth(2).and_then(|id| id.parse().ok()).ok_or_else(unknown)
}
