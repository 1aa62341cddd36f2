//! Asks the running daemon how it is.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tonic::{Code, Status};

use crate::containerd::Link;
use crate::serve::admin::proto::admin_client::AdminClient;
use crate::serve::admin::proto::{StatusRequest, StatusResponse};

/// The daemon's answer, or the reason why it did not come.
pub(super) async fn ask(socket: &Path, patience: Duration) -> Result<StatusResponse, String> {
    let late =
        || format!("cri-shunt does not answer on {} within {} s", socket.display(), patience.as_secs());
    // The way to the daemon is the one to containerd, whose errors speak of containerd.
    let connected = tokio::time::timeout(patience, UnixStream::connect(socket)).await.map_err(|_| late())?;
    connected.map_err(|error| not_connected(socket, &error))?;
    let mut client = AdminClient::new(Link::new(socket.into()));
    match tokio::time::timeout(patience, client.status(StatusRequest {})).await {
        // Something that takes every call may answer with nothing.
        Ok(Ok(status)) if status.get_ref().version.is_empty() => Err(another_program(socket)),
        Ok(Ok(status)) => Ok(status.into_inner()),
        Ok(Err(status)) => Err(refused(socket, &status)),
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
