//! `cri-shunt eject`: puts the node back as it was without the daemon.
//!
//! Holds: it needs no daemon, no containerd and no usable configuration; what it cannot do it says. It does nothing while
//! a daemon runs, or while systemd would start one at the next call.

mod node;
mod pointers;

use std::path::{Path, PathBuf};

use self::node::{Done, Node};
use super::daemon;
use super::detail::Detail;
use super::exit::Exit;
use super::terminal;
use crate::config::{Input, MainFile, defaults, starts_with, visible};
use crate::state::{DirLock, NoLock};

/// Remove what the daemon has left on the node.
///
/// Removes the hosts.toml files that cri-shunt has written for containerd, those of the fence too, its temporary image
/// names in containerd, its state directory, its bypass file and a socket that nobody listens on. Needs no daemon, and
/// no usable configuration. Stop the daemon first. Says what it has done, and what kubelet, k3s, RKE2 and crictl still
/// point at cri-shunt. The configuration stays, and so do images and their names.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    systemctl disable --now cri-shunt.socket cri-shunt.service\n  \
    cri-shunt eject --dry-run\n  \
    cri-shunt eject\n\n\
    Exit status:\n  \
    0  nothing of cri-shunt is left\n  \
    1  something stays, or a client still points at the socket\n  \
    2  wrong usage\n  \
    3  the daemon runs, or systemd would start it")]
pub(super) struct Arguments {
    /// The daemon's main configuration file
    #[arg(long, value_name = "FILE", default_value = defaults::CONFIG_FILE)]
    config: PathBuf,

    /// Look for hosts.toml files here too [default: where containerd looks, or, if it does not answer, the usual
    /// directories of containerd, k3s and RKE2]
    #[arg(long, value_name = "DIR")]
    directory: Vec<PathBuf>,

    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    detail: Detail,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { config, directory, dry_run, detail } = arguments;
    let input = Input {
        main: MainFile::IfPresent(config),
        default_registry: None,
        sources: Vec::new(),
        socket: None,
        containerd: None,
    };
    let node = Node::of(starts_with(&input), directory);
    if daemon::is_held(Path::new(&node.socket)) {
        let socket = visible(&node.socket);
        terminal::say(&format!(
            "error: systemd holds {socket}, so it runs cri-shunt or would start it at the next call: first do \
             systemctl disable --now cri-shunt.socket cri-shunt.service\n"
        ));
        return Exit::Runtime;
    }
    let mut done = Done::default();
    let lock = match DirLock::take_in_existing(&node.state) {
        Ok(lock) => lock,
        Err(error @ NoLock::Taken { .. }) => {
            terminal::say(&format!("error: {}: stop it first\n", visible(&error.to_string())));
            return Exit::Runtime;
        }
        Err(error) => {
            done.problems.push(error.to_string());
            None
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::complain(&error);
            return Exit::Runtime;
        }
    };
    runtime.block_on(node.leave_containerd(!dry_run, &mut done));
    node.leave_disk(lock, !dry_run, &mut done);
    report(&done, &node.socket, dry_run, detail)
}

fn report(done: &Done, socket: &str, dry_run: bool, detail: Detail) -> Exit {
    let word = if dry_run { "would remove" } else { "removed" };
    let mut text = String::new();
    if detail.verbose {
        text.extend(
            done.looked.iter().map(|directory| format!("looked for hosts.toml files in {directory}\n")),
        );
    }
    if !detail.quiet {
        text.extend(done.removed.iter().map(|what| format!("{word} {what}\n")));
        if done.removed.is_empty() {
            text.push_str("there was nothing to remove\n");
        }
    }
    text.extend(done.problems.iter().map(|problem| format!("stays: {problem}\n")));
    let pointers = pointers::of(socket);
    text.extend(pointers.iter().map(|place| format!("still points at {socket}: {place}\n")));
    if pointers.is_empty() && !detail.quiet {
        text.push_str(&format!("no file of kubelet, k3s, RKE2 or crictl that is known names {socket}\n"));
    }
    if !pointers.is_empty() {
        text.push_str("point these at containerd's own socket, and restart kubelet, k3s or RKE2\n");
    }
    if let Err(exit) = terminal::print(&visible(&text)) {
        return exit;
    }
    if done.problems.is_empty() && pointers.is_empty() { Exit::Ok } else { Exit::Bad }
}
