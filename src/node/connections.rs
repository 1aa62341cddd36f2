//! Which sockets of this machine are connected to each other, asked of the kernel.
//!
//! Source: sock_diag(7), netlink(7), `linux/unix_diag.h`. An end that was accepted has the path of its listener, and names the
//! inode of the end that has connected.

use std::io;
use std::path::{Path, PathBuf};

use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Each message of the kernel is shorter.
const BUFFER: usize = 64 << 10;
/// More answers than a machine has sockets for.
const MOST: usize = 4096;

const HEADER: usize = 16;
const BY_FAMILY: u16 = 20;
const DONE: u16 = 3;
const ERROR: u16 = 2;
/// A request for all of them.
const REQUEST_AND_DUMP: u16 = 0x301;
const SHOW_NAME_AND_PEER: u32 = 0x5;
const NAME: u16 = 0;
const PEER: u16 = 2;

/// The end of a connection that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The path of its listener.
    pub(super) path: PathBuf,
    /// The inode of the other end.
    pub(super) peer: u32,
}

/// All of them.
///
/// # Errors
/// The kernel's. It may not have this built in.
pub(super) fn accepted() -> io::Result<Vec<Accepted>> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    send(&socket, &request(), SendFlags::empty())?;
    let (mut found, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    for _ in 0..MOST {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if length == 0 || !read(buffer.get(..length).unwrap_or_default(), &mut found)? {
            break;
        }
    }
    Ok(found)
}

fn request() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(40_u32.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_AND_DUMP.to_ne_bytes());
    // Number and sender.
    bytes.extend([0; 8]);
    // The family, and no protocol.
    bytes.extend([1, 0, 0, 0]);
    // All states, every inode.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(SHOW_NAME_AND_PEER.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes
}

/// Reads one datagram; whether more follow.
fn read(mut bytes: &[u8], found: &mut Vec<Accepted>) -> io::Result<bool> {
    while bytes.len() >= HEADER {
        let length = usize::try_from(number(bytes, 0)).unwrap_or(usize::MAX);
        let kind = short(bytes, 4);
        let Some(message) = bytes.get(HEADER..length) else { return Ok(false) };
        match kind {
            DONE => return Ok(false),
            ERROR => return Err(io::Error::other("the kernel does not list its sockets")),
            // The fixed part is as long as a header.
            BY_FAMILY => found.extend(message.get(16..).and_then(of_attributes)),
            _ => {}
        }
        bytes = bytes.get(padded(length)..).unwrap_or_default();
    }
    Ok(true)
}

fn of_attributes(mut bytes: &[u8]) -> Option<Accepted> {
    let (mut path, mut peer) = (None, None);
    while bytes.len() >= 4 {
        let (length, kind) = (usize::from(short(bytes, 0)), short(bytes, 2));
        let value = bytes.get(4..length)?;
        match kind {
            NAME => path = std::str::from_utf8(value).ok().map(|path| path.trim_end_matches('\0')),
            PEER if value.len() == 4 => peer = Some(number(value, 0)),
            _ => {}
        }
        bytes = bytes.get(padded(length)..).unwrap_or_default();
    }
    let path = Path::new(path.filter(|path| path.starts_with('/'))?).to_owned();
    Some(Accepted { path, peer: peer.filter(|peer| *peer != 0)? })
}

/// Each part begins at a multiple of 4.
fn padded(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// Four bytes in the machine's order; 0 where they are not there.
fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at.saturating_add(4)).and_then(|four| four.try_into().ok());
    four.map(u32::from_ne_bytes).unwrap_or_default()
}

/// And two.
fn short(bytes: &[u8], at: usize) -> u16 {
    let two = bytes.get(at..at.saturating_add(2)).and_then(|two| two.try_into().ok());
    two.map(u16::from_ne_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_connection_is_found_by_the_path_of_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let _server = listener.accept().unwrap();
        let own = std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&client)))
            .unwrap();
        let found = accepted().unwrap().into_iter().filter(|accepted| accepted.path == path);
        let peers: Vec<PathBuf> =
            found.map(|accepted| format!("socket:[{}]", accepted.peer).into()).collect();
        assert_eq!(peers, [own]);
    }

    #[test]
    fn what_is_no_message_is_left_out() {
        let mut found = Vec::new();
        for bytes in [&[][..], &[1; 15], &[0; 64], &[255; 64], &request()[..20]] {
            let _ = read(bytes, &mut found);
        }
        // A message whose attribute is longer than itself.
        let mut bytes = 40_u32.to_ne_bytes().to_vec();
        bytes.extend(BY_FAMILY.to_ne_bytes());
        bytes.extend([0; 26]);
        bytes.extend(200_u16.to_ne_bytes());
        bytes.extend([0; 6]);
        let _ = read(&bytes, &mut found);
        assert!(found.is_empty());
    }
}
