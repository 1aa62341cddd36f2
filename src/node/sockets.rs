//! Who listens on which Unix socket of this machine.
//!
//! Source: proc(5), `/proc/net/unix`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::connections::accepted;

/// What `/proc/net/unix` says of a socket that takes connections.
const LISTENS: &str = "00010000";

/// The sockets that take connections, by path.
#[derive(Debug, Default)]
pub struct Sockets(HashMap<PathBuf, Ends>);

/// The processes at a socket.
#[derive(Debug, Default)]
struct Ends {
    listeners: Vec<u32>,
    clients: Vec<u32>,
}

/// The inodes of the sockets that take connections, with their paths.
pub fn listening() -> Vec<(String, PathBuf)> {
    // Any user may give a socket a name that is not UTF-8.
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    String::from_utf8_lossy(&table).lines().filter_map(listener).collect()
}

fn listener(line: &str) -> Option<(String, PathBuf)> {
    // Numbers may have blanks before them. What is left is the path, which may have blanks in it.
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.trim_start().split_once(' ')?;
        rest = after;
        Some(field)
    };
    let (_, _, _, flags, _, _, inode) =
        (field()?, field()?, field()?, field()?, field()?, field()?, field()?);
    (flags == LISTENS && rest.starts_with('/')).then(|| (inode.to_owned(), rest.into()))
}

// === impl Sockets ===

impl Sockets {
    /// Looks. Only root sees the files of all processes.
    pub fn look() -> Self {
        let link = |inode: &dyn std::fmt::Display| format!("socket:[{inode}]");
        // By what an open file is a link to: the path, and whether it listens there.
        let mut ends: HashMap<String, (PathBuf, bool)> =
            listening().into_iter().map(|(inode, path)| (link(&inode), (path, true))).collect();
        let mut found: HashMap<PathBuf, Ends> =
            ends.values().map(|(path, _)| (path.clone(), Ends::default())).collect();
        let accepted = accepted().unwrap_or_default().into_iter();
        ends.extend(accepted.map(|accepted| (link(&accepted.peer), (accepted.path, false))));
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // A process may be gone by now, and a file closed.
            let open = fs::read_dir(entry.path().join("fd")).into_iter().flatten().flatten();
            for target in open.filter_map(|entry| fs::read_link(entry.path()).ok()) {
                let Some((path, listens)) = target.to_str().and_then(|target| ends.get(target)) else {
                    continue;
                };
                let Some(Ends { listeners, clients }) = found.get_mut(path) else { continue };
                let pids = if *listens { listeners } else { clients };
                if !pids.contains(&pid) {
                    pids.push(pid);
                }
            }
        }
        Sockets(found)
    }

    /// The processes that take connections at a path; none if nothing does.
    pub fn at(&self, path: &Path) -> Option<&[u32]> {
        self.ends(path).map(|ends| ends.listeners.as_slice())
    }

    /// The processes that are connected there, as far as that can be seen.
    pub fn clients(&self, path: &Path) -> &[u32] {
        self.ends(path).map_or(&[], |ends| ends.clients.as_slice())
    }

    fn ends(&self, path: &Path) -> Option<&Ends> {
        let real = fs::canonicalize(path).ok();
        self.0.get(path).or_else(|| self.0.get(real.as_deref()?))
    }

    /// Whether something takes connections at a path.
    pub fn has(&self, path: &Path) -> bool {
        self.at(path).is_some()
    }

    /// The paths that end so, in their order.
    pub fn ending(&self, name: &str) -> Vec<&Path> {
        let mut paths: Vec<&Path> =
            self.0.keys().map(PathBuf::as_path).filter(|path| path.ends_with(name)).collect();
        paths.sort();
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_connections_is_found_by_its_path() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    000000006e5fb233: 00000002 00000000 00010000 0001 01 7305106 /run/a b.sock\n\
                    000000006e5fb234: 00000003 00000000 00000000 0001 03 7305107 /run/a.sock\n\
                    000000006e5fb235: 00000002 00000000 00010000 0001 01    51 /run/b.sock\n\
                    000000006e5fb236: 00000002 00000000 00010000 0001 01 7305109 @abstract\n\
                    000000006e5fb237: 00000002 00000000 00010000 0001 01 7305110\n";
        let found: Vec<_> = text.lines().filter_map(listener).collect();
        let expected = [("7305106", "/run/a b.sock"), ("51", "/run/b.sock")];
        assert_eq!(found, expected.map(|(inode, path)| (inode.to_owned(), PathBuf::from(path))));
    }

    #[test]
    fn a_name_that_is_no_text_hides_no_other_socket() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixListener};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let name = [b"\xff\xfe".as_slice(), path.as_os_str().as_encoded_bytes()].concat();
        let _other = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        assert!(listening().iter().any(|(_, found)| *found == path));
    }

    #[test]
    fn this_process_is_found_behind_its_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("containerd.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let _server = listener.accept().unwrap();
        let sockets = Sockets::look();
        assert_eq!(sockets.clients(&path), [std::process::id()]);
        assert_eq!(sockets.at(&path), Some(&[std::process::id()][..]));
        assert!(sockets.ending("containerd.sock").contains(&path.as_path()));
        assert!(!sockets.has(&dir.path().join("other.sock")));
    }
}
