//! Real sockets in a folder of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{Access, Peer, Socket, SocketError};
use rustix::process::{getegid, geteuid};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener as StdListener, UnixStream as StdStream};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const OWN: Access = Access { mode: 0o660, gid: None };

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn bound_socket_has_its_mode_and_owner_and_tells_the_peer() {
    let dir = folder();
    let path = dir.path().join("a/b/shunt.sock");
    let socket = Socket::bind(&path, OWN).unwrap();
    let meta = fs::symlink_metadata(&path).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o7777, 0o660);
    assert_eq!((meta.uid(), meta.gid()), (geteuid().as_raw(), getegid().as_raw()));
    for made in ["a", "a/b"] {
        let mode = fs::metadata(dir.path().join(made)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "{made}");
    }
    assert_eq!(names(path.parent().unwrap()), ["shunt.sock"]);

    let _client = StdStream::connect(&path).unwrap();
    let (_, peer) = socket.accept().await.unwrap();
    let pid = i32::try_from(std::process::id()).unwrap();
    assert_eq!(peer, Peer { pid: Some(pid), uid: geteuid().as_raw(), gid: getegid().as_raw() });

    assert!(!socket.is_inherited());
    socket.close().unwrap();
    assert_eq!(names(path.parent().unwrap()), Vec::<String>::new());
}

#[tokio::test]
async fn existing_folder_keeps_its_mode() {
    let dir = folder();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let _socket = Socket::bind(&dir.path().join("s"), OWN).unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o7777, 0o700);
}

#[tokio::test]
async fn stale_socket_is_replaced() {
    let dir = folder();
    let path = dir.path().join("s");
    drop(StdListener::bind(&path).unwrap());
    let socket = Socket::bind(&path, OWN).unwrap();
    let _client = StdStream::connect(&path).unwrap();
    socket.accept().await.unwrap();
}

#[tokio::test]
async fn socket_that_answers_stays_and_its_process_is_named() {
    let dir = folder();
    let path = dir.path().join("s");
    let theirs = StdListener::bind(&path).unwrap();
    let error = Socket::bind(&path, OWN).unwrap_err();
    let pid = std::process::id();
    assert_eq!(error.to_string(), format!("socket {} is in use by process {pid}", path.display()));
    assert_eq!(error.hint(), Some("stop that process, or set another `listen.socket`"));
    assert_eq!(names(dir.path()), ["s"]);
    theirs.accept().unwrap();
    StdStream::connect(&path).unwrap();
}

#[tokio::test]
async fn socket_with_a_full_queue_is_in_use() {
    let dir = folder();
    let path = dir.path().join("s");
    let theirs = StdListener::bind(&path).unwrap();
    rustix::net::listen(&theirs, 0).unwrap();
    let _waits = StdStream::connect(&path).unwrap();
    let error = Socket::bind(&path, OWN).unwrap_err();
    assert!(matches!(error, SocketError::InUse { pid: None, .. }), "{error:?}");
}

#[tokio::test]
async fn datagram_socket_is_in_use() {
    let dir = folder();
    let path = dir.path().join("s");
    let _theirs = UnixDatagram::bind(&path).unwrap();
    let error = Socket::bind(&path, OWN).unwrap_err();
    assert_eq!(error.to_string(), format!("socket {} is in use", path.display()));
}

#[tokio::test]
async fn what_is_no_socket_is_never_removed() {
    let dir = folder();
    let path = dir.path().join("s");
    fs::write(&path, "precious").unwrap();
    let error = Socket::bind(&path, OWN).unwrap_err();
    assert_eq!(error.to_string(), format!("{} exists and is not a socket", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    // A link is not replaced either, even one to a stale socket.
    let (stale, link) = (dir.path().join("stale"), dir.path().join("link"));
    drop(StdListener::bind(&stale).unwrap());
    symlink(&stale, &link).unwrap();
    let error = Socket::bind(&link, OWN).unwrap_err();
    assert!(matches!(error, SocketError::NotASocket(_)), "{error:?}");
}

#[tokio::test]
async fn path_of_107_bytes_works_and_of_108_does_not() {
    let dir = folder();
    let path = |len: usize| {
        let room = len - dir.path().as_os_str().len() - 1;
        dir.path().join("s".repeat(room))
    };
    let socket = Socket::bind(&path(107), OWN).unwrap();
    StdStream::connect(path(107)).unwrap();
    socket.close().unwrap();
    let long = path(108);
    assert_eq!(
        Socket::bind(&long, OWN).unwrap_err().to_string(),
        format!("socket path {} is too long: 108 bytes, 107 are possible", long.display())
    );
}

#[tokio::test]
async fn close_leaves_another_file_alone() {
    let dir = folder();
    let path = dir.path().join("s");
    let socket = Socket::bind(&path, OWN).unwrap();
    fs::remove_file(&path).unwrap();
    let successor = StdListener::bind(&path).unwrap();
    socket.close().unwrap();
    StdStream::connect(&path).unwrap();
    successor.accept().unwrap();

    fs::remove_file(&path).unwrap();
    let socket = Socket::bind(&path, OWN).unwrap();
    fs::remove_file(&path).unwrap();
    socket.close().unwrap();
}

#[tokio::test]
async fn inherited_socket_serves_and_its_file_stays() {
    let dir = folder();
    let path = dir.path().join("s");
    let socket = Socket::inherit(OwnedFd::from(StdListener::bind(&path).unwrap())).unwrap();
    assert!(socket.is_inherited());
    let _client = StdStream::connect(&path).unwrap();
    socket.accept().await.unwrap();
    socket.close().unwrap();
    assert_eq!(names(dir.path()), ["s"]);
}

#[tokio::test]
async fn what_is_handed_over_must_be_a_listening_unix_stream() {
    let dir = folder();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let datagram = UnixDatagram::bind(dir.path().join("d")).unwrap();
    let (connected, _peer) = StdStream::pair().unwrap();
    let file = fs::File::open(dir.path()).unwrap();
    for fd in [OwnedFd::from(tcp), datagram.into(), connected.into(), file.into()] {
        let error = Socket::inherit(fd).unwrap_err();
        assert_eq!(error.to_string(), "what systemd handed over is not a listening unix stream socket");
    }
}

/// Runs itself as systemd would: a socket as descriptor 3, and the variables of sd_listen_fds(3).
#[tokio::test]
async fn socket_handed_over_by_systemd_is_taken_before_the_path() {
    const CHILD: &str = "TEST_SOCKET_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let socket = Socket::open(Path::new("/nowhere/that/can/be/made"), OWN).unwrap();
        assert!(socket.is_inherited());
        let (stream, _) = socket.accept().await.unwrap();
        stream.writable().await.unwrap();
        stream.into_std().unwrap().write_all(b"inherited").unwrap();
        return;
    }
    let dir = folder();
    let path = dir.path().join("s");
    let listener = StdListener::bind(&path).unwrap();
    let mut client = StdStream::connect(&path).unwrap();
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    let name = "serve::listener::socket::tests::socket_handed_over_by_systemd_is_taken_before_the_path";
    let child = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "inherited");
}

#[test]
fn mode_and_group_are_set_as_configured() {
    let dir = folder();
    let path = dir.path().join("s");
    assert_eq!(Access::for_group(0o600, "daemon").unwrap().gid, Some(1));
    assert_eq!(
        Access::for_group(0o600, "no-such-group").unwrap_err().to_string(),
        "there is no group \"no-such-group\" in /etc/group"
    );
    if !geteuid().is_root() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let _socket = Socket::bind(&path, Access { mode: 0o600, gid: Some(1) }).unwrap();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.permissions().mode() & 0o777, meta.gid()), (0o600, 1));
}
