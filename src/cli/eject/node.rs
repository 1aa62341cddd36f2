//! What a daemon leaves on its node, and the ways to remove it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{Kept, StartsWith, defaults};
use crate::containerd::hosts::{self, Ejected, PrivateHosts};
use crate::containerd::{Containerd, Facts, Roots};
use crate::pull::{leftovers, upgrade};
use crate::state::{DirLock, Drift, LoginKey, Seals};

/// How long containerd may take for each answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where containerd, k3s and RKE2 usually look for `hosts.toml`. Only files with the shunt's mark are removed there.
pub(crate) const USUAL: [&str; 5] = [
    "/etc/containerd/certs.d",
    "/etc/docker/certs.d",
    "/etc/containerd/certs.d:/etc/docker/certs.d",
    "/var/lib/rancher/k3s/agent/etc/containerd/certs.d",
    "/var/lib/rancher/rke2/agent/etc/containerd/certs.d",
];

/// What has been done, for people.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) removed: Vec<String>,
    pub(crate) problems: Vec<String>,
    /// Where `hosts.toml` files were looked for.
    pub(crate) looked: Vec<String>,
}

/// The places that a daemon uses.
pub(crate) struct Node {
    pub(crate) state: PathBuf,
    pub(crate) socket: String,
    bypass: PathBuf,
    containerd: PathBuf,
    config_path: Option<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Node {
    /// By its configuration, or what can be told of it.
    pub(crate) fn of(start: StartsWith, directories: Vec<PathBuf>) -> Self {
        match start {
            StartsWith::Files(loaded) | StartsWith::LastGood(loaded, ..) => {
                let config = loaded.config;
                Node {
                    state: config.state.dir,
                    socket: config.listen.socket.as_path().display().to_string(),
                    bypass: config.state.bypass_file,
                    containerd: config.containerd.socket.as_path().to_owned(),
                    config_path: config.containerd.config_path,
                    directories,
                }
            }
            StartsWith::Nothing(unusable) => {
                let [socket, containerd] = unusable.sockets;
                Node {
                    state: unusable.dir.unwrap_or_else(|| PathBuf::from(defaults::STATE_DIR)),
                    socket: socket.unwrap_or_else(|| defaults::LISTEN_SOCKET.to_owned()),
                    bypass: unusable.bypass,
                    containerd: PathBuf::from(
                        containerd.unwrap_or_else(|| defaults::CONTAINERD_SOCKET.to_owned()),
                    ),
                    config_path: None,
                    directories,
                }
            }
        }
    }

    /// Removes the files that containerd reads, and the names in its store.
    pub(crate) async fn leave_containerd(&self, changing: bool, done: &mut Done) {
        let private = PrivateHosts::of(&self.state);
        let containerd = Containerd::new(self.containerd.as_path().into());
        let facts = tokio::time::timeout(PATIENCE, Facts::learn(&containerd.link)).await;
        let facts = facts.ok().and_then(Result::ok);
        let roots = self.roots(facts.as_ref());
        done.looked.extend(roots.iter().map(|root| root.display().to_string()));
        let roots: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
        let Ejected { removed, problems } = hosts::eject(&private, &roots, changing);
        done.removed.extend(removed);
        done.problems.extend(problems);
        let what = format!("image names below {} in containerd", private.domain());
        if facts.is_none() {
            let socket = self.containerd.display();
            done.problems.push(format!("{what}, if there are any: containerd does not answer on {socket}"));
            return;
        }
        let names = leftovers::remove_private(&containerd, private.domain(), changing);
        match tokio::time::timeout(PATIENCE, names).await {
            Ok(Ok(0)) => {}
            Ok(Ok(1)) => done.removed.push(format!("1 image name below {} in containerd", private.domain())),
            Ok(Ok(count)) => done.removed.push(format!("{count} {what}")),
            Ok(Err(error)) => done.problems.push(format!("{what}: {error}")),
            Err(_) => done.problems.push(format!("{what}: containerd does not answer")),
        }
    }

    /// Where files may be.
    fn roots(&self, facts: Option<&Facts>) -> Vec<PathBuf> {
        let known = facts.filter(|facts| facts.roots != Roots::Unknown).map(|facts| facts.roots.all());
        let mut roots: Vec<PathBuf> = match (&self.config_path, known) {
            (Some(path), _) => vec![path.clone()],
            (None, Some(known)) => known.into_iter().map(Path::to_path_buf).collect(),
            (None, None) => USUAL.map(PathBuf::from).to_vec(),
        };
        roots.extend(self.directories.iter().map(|path| std::path::absolute(path).unwrap_or(path.clone())));
        roots
    }

    /// Removes the daemon's own files.
    pub(crate) fn leave_files(&self, changing: bool, done: &mut Done) {
        let socket = Path::new(&self.socket);
        if is_stale(socket) {
            done.file(socket, changing);
        }
        done.file(&self.bypass, changing);
        for name in entries(&self.state).iter().filter(|name| is_own(name)) {
            done.file(&self.state.join(name), changing);
        }
    }

    /// Removes what is outside containerd. The lock goes with its file.
    pub(crate) fn leave_disk(&self, lock: Option<DirLock>, changing: bool, done: &mut Done) {
        let names: Vec<String> = entries(&self.state);
        let others: Vec<&String> = names.iter().filter(|name| !is_own(name)).collect();
        self.leave_files(changing, done);
        drop(lock);
        if !others.is_empty() {
            let others: Vec<&str> = others.iter().map(|name| name.as_str()).collect();
            done.problems.push(format!("{}, because of {} in it", self.state.display(), others.join(", ")));
        } else if changing && self.state.exists() {
            match fs::remove_dir(&self.state) {
                Ok(()) => done.removed.push(self.state.display().to_string()),
                Err(error) => done.problems.push(format!("{}: {error}", self.state.display())),
            }
        }
    }
}

impl Done {
    /// Removes a file that may not be there.
    fn file(&mut self, path: &Path, changing: bool) {
        if path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return;
        }
        let removed = if changing { fs::remove_file(path) } else { Ok(()) };
        match removed {
            Ok(()) => self.removed.push(path.display().to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.problems.push(format!("{}: {error}", path.display())),
        }
    }
}

/// Whether nobody listens on a socket that is there.
fn is_stale(socket: &Path) -> bool {
    let is_socket = socket.symlink_metadata().is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(socket).is_err_and(refused)
}

/// Whether the program writes files with this name into its state directory.
fn is_own(name: &str) -> bool {
    Kept::is_file(name)
        || LoginKey::is_file(name)
        || DirLock::is_file(name)
        || Drift::is_file(name)
        || Seals::is_file(name)
        || upgrade::is_file(name)
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_state_directory_is_known_and_no_other() {
        let own = "drift.json drift.json.new last-good.json last-good.json.new login-key login-key.17.new lock mirror-names.json \
                   mirror-names.json.unreadable verified.json verified.json.new";
        for name in own.split_whitespace() {
            assert!(is_own(name), "{name}");
        }
        for name in ["login-key.old", "login-key.x.new", "notes", "lock.new", ""] {
            assert!(!is_own(name), "{name}");
        }
    }
}
