//! Asks the running daemon how it is.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tonic::{Code, Response, Status};

use crate::containerd::Link;
use crate::node::listening;
use crate::serve::admin::proto::admin_client::AdminClient;
use crate::serve::admin::proto::{
    ExplainRequest, ExplainResponse, PullUnderWay, PullsRequest, StatusRequest, StatusResponse,
};
use crate::state::Question;

/// How long the daemon may take to answer a command.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Where systemd says which services run. It does not say so of sockets.
const RUNNING: &str = "/run/systemd/units/invocation:cri-shunt.service";

/// Whether a connection starts nothing: where systemd holds the socket and the daemon does not run, it would start it.
pub(super) fn may_be_asked(socket: &Path) -> bool {
    !is_held(socket) || Path::new(RUNNING).symlink_metadata().is_ok()
}

/// Whether systemd holds the socket: process 1 has it open, also while the daemon runs. Only root can see that.
pub(super) fn is_held(socket: &Path) -> bool {
    let at_path = listening().into_iter().filter(|(_, path)| path == socket);
    let links: Vec<PathBuf> = at_path.map(|(inode, _)| format!("socket:[{inode}]").into()).collect();
    let Ok(open) = fs::read_dir("/proc/1/fd") else { return false };
    let mut targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    !links.is_empty() && targets.any(|target| links.contains(&target))
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
    question: &Question,
    patience: Duration,
) -> Result<ExplainResponse, String> {
    let Question { image, namespace } = question.clone();
    let request = ExplainRequest { image, namespace };
    let call = async |mut client: AdminClient<Link>| client.explain(request).await;
    let answer = asked(socket, patience, call).await?;
    if answer.text.is_empty() { Err(another_program(socket)) } else { Ok(answer) }
}

/// The pulls that are under way. A daemon of an older version does not say it.
pub(super) async fn pulls(socket: &Path, patience: Duration) -> Result<Vec<PullUnderWay>, String> {
    let call = async |mut client: AdminClient<Link>| client.pulls(PullsRequest {}).await;
    asked(socket, patience, call).await.map(|answer| answer.pulls)
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
