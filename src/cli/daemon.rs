//! Asks the running daemon how it is.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tonic::{Code, Status};

use crate::containerd::Link;
use crate::serve::admin::proto::admin_client::AdminClient;
use crate::serve::admin::proto::{StatusRequest, StatusResponse};

/// Where systemd says which units run.
const RUNNING: &str = "/run/systemd/units";

/// Whether a connection starts nothing: where systemd holds the socket and the daemon does not run, it would start it.
pub(super) fn may_be_asked() -> bool {
    runs(Path::new(RUNNING))
}

fn runs(units: &Path) -> bool {
    let runs = |unit: &str| units.join(format!("invocation:cri-shunt.{unit}")).symlink_metadata().is_ok();
    !runs("socket") || runs("service")
}

/// The daemon's answer, or the reason why it did not come.
pub(super) async fn ask(socket: &Path, patience: Duration) -> Result<StatusResponse, String> {
    let late =
        || format!("cri-shunt does not answer on {} within {} s", socket.display(), patience.as_secs());
    // The way to the daemon is the one to containerd, whose errors speak of containerd.
    let connected = tokio::time::timeout(patience, UnixStream::connect(socket)).await.map_err(|_| late())?;
    let connected = connected.map_err(|error| not_connected(socket, &error))?;
    // Whoever made the socket, and that is not the daemon.
    let of_systemd = connected.peer_cred().is_ok_and(|peer| peer.pid() == Some(1));
    drop(connected);
    let mut client = AdminClient::new(Link::new(socket.into()));
    match tokio::time::timeout(patience, client.status(StatusRequest {})).await {
        // Something that takes every call may answer with nothing.
        Ok(Ok(status)) if status.get_ref().version.is_empty() => Err(another_program(socket)),
        Ok(Ok(status)) => Ok(status.into_inner()),
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
    fn a_daemon_that_does_not_run_is_not_started() {
        let dir = tempfile::tempdir().unwrap();
        let start = |unit: &str| {
            std::os::unix::fs::symlink("id", dir.path().join(format!("invocation:cri-shunt.{unit}")))
                .unwrap();
        };
        assert!(runs(dir.path()), "it may run without systemd");
        start("socket");
        assert!(!runs(dir.path()));
        start("service");
        assert!(runs(dir.path()));
    }
}
