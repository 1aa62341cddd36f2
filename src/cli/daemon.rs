//! Asks the running daemon how it is.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tonic::{Code, Response, Status};

use crate::containerd::Link;
use crate::serve::admin::proto::admin_client::AdminClient;
use crate::serve::admin::proto::{ExplainRequest, ExplainResponse, StatusRequest, StatusResponse};

/// How long the daemon may take to answer a command.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Where systemd says which services run. It does not say so of sockets.
const RUNNING: &str = "/run/systemd/units/invocation:cri-shunt.service";

/// What `/proc/net/unix` says of a socket that takes connections.
const LISTENS: &str = "00010000";

/// Whether a connection starts nothing: where systemd holds the socket and the daemon does not run, it would start it.
pub(super) fn may_be_asked(socket: &Path) -> bool {
    !is_held(socket) || Path::new(RUNNING).symlink_metadata().is_ok()
}

/// Whether systemd holds the socket: process 1 has it open, also while the daemon runs. Only root can see that.
pub(super) fn is_held(socket: &Path) -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let inodes: Vec<&str> = listening(&sockets, socket).collect();
    let Ok(open) = fs::read_dir("/proc/1/fd") else { return false };
    let mut targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    !inodes.is_empty()
        && targets.any(|target| inodes.iter().any(|inode| target == Path::new(&format!("socket:[{inode}]"))))
}

/// The inodes of what listens at a path.
fn listening<'s>(sockets: &'s str, path: &Path) -> impl Iterator<Item = &'s str> {
    sockets.lines().filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace();
        let is_listening = fields.nth(3) == Some(LISTENS);
        let inode = fields.nth(2)?;
        (is_listening && line.ends_with(&format!(" {}", path.display()))).then_some(inode)
    })
}

/// The daemon's answer, or the reason why it did not come.
pub(super) async fn ask(socket: &Path, patience: Duration) -> Result<StatusResponse, String> {
    let call = async |mut client: AdminClient<Link>| client.status(StatusRequest {}).await;
    let status = asked(socket, patience, call).await?;
    // Something that takes every call may answer with nothing.
    if status.version.is_empty() { Err(another_program(socket)) } else { Ok(status) }
}

/// What the daemon's policy says of an image, or the reason why the answer did not come.
pub(super) async fn explain(
    socket: &Path,
    image: &str,
    patience: Duration,
) -> Result<ExplainResponse, String> {
    let request = ExplainRequest { image: image.to_owned() };
    let call = async |mut client: AdminClient<Link>| client.explain(request).await;
    let answer = asked(socket, patience, call).await?;
    if answer.text.is_empty() { Err(another_program(socket)) } else { Ok(answer) }
}

async fn asked<T>(
    socket: &Path,
    patience: Duration,
    call: impl AsyncFnOnce(AdminClient<Link>) -> Result<Response<T>, Status>,
) -> Result<T, String> {
    let late =
        || format!("cri-shunt does not answer on {} within {} s", socket.display(), patience.as_secs());
    // The way to the daemon is the one to containerd, whose errors speak of containerd.
    let connected = tokio::time::timeout(patience, UnixStream::connect(socket)).await.map_err(|_| late())?;
    let connected = connected.map_err(|error| not_connected(socket, &error))?;
    // Whoever made the socket, and that is not the daemon.
    let of_systemd = connected.peer_cred().is_ok_and(|peer| peer.pid() == Some(1));
    drop(connected);
    match tokio::time::timeout(patience, call(AdminClient::new(Link::new(socket.into())))).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(refused(socket, &status)),
        Err(_) if of_systemd => Err(format!(
            "systemd holds {}, and no daemon answers there within {} s: see systemctl status cri-shunt.service",
            socket.display(),
            patience.as_secs()
        )),
        Err(_) => Err(late()),
    }
}

fn not_connected(socket: &Path, error: &io::Error) -> String {
    let socket = socket.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            format!("cri-shunt is not running: nothing listens on {socket}")
        }
        ErrorKind::PermissionDenied => format!("cannot connect to {socket}: permission denied (run as root)"),
        _ => format!("cannot connect to {socket}: {error}"),
    }
}

fn refused(socket: &Path, status: &Status) -> String {
    match status.code() {
        Code::Unimplemented => another_program(socket),
        _ => format!("cri-shunt does not answer on {}: {}", socket.display(), status.message()),
    }
}

fn another_program(socket: &Path) -> String {
    format!(
        "the program that listens on {} is not cri-shunt (is it containerd's own socket?)",
        socket.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_at_a_path_is_found_by_its_inode() {
        let sockets = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                       000000006e5fb233: 00000002 00000000 00010000 0001 01 7305106 /run/a.sock\n\
                       000000006e5fb234: 00000003 00000000 00000000 0001 03 7305107 /run/a.sock\n\
                       000000006e5fb235: 00000002 00000000 00010000 0001 01 7305108 /run/b.sock\n";
        let found = |path: &str| listening(sockets, Path::new(path)).collect::<Vec<_>>();
        assert_eq!((found("/run/a.sock"), found("/run/c.sock")), (vec!["7305106"], vec![]));
    }
}
