//! `cri-shunt eject`: puts the node back as it was without the daemon.
//!
//! Holds: it needs no daemon, no containerd and no usable configuration; what it cannot do it says. It changes nothing
//! while a daemon runs, or while systemd would start one at the next call. A dry run takes no lock and writes nothing.

pub(super) mod node;
pub(super) mod pointers;

use std::path::{Path, PathBuf};

use self::node::{Done, Node};
use super::daemon;
use super::detail::Detail;
use super::exit::Exit;
use super::{runtime, terminal};
use crate::config::{Input, MainFile, defaults, starts_with, visible};
use crate::install::Record;
use crate::node::Tree;
use crate::state::{DirLock, NoLock};

/// Remove what the daemon has left on the node.
///
/// Removes the hosts.toml files that cri-shunt has written for containerd, those of the fence too, its temporary image
/// names in containerd, its state directory, its bypass file and a socket that nobody listens on. Needs no daemon, and
/// no usable configuration. Says what it has removed, and which files of kubelet, k3s, RKE2 and crictl still name the
/// socket. The configuration stays, and so do images and their names. Stop the daemon first; --dry-run also works while
/// the daemon runs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt eject --dry-run\n  \
    systemctl disable --now cri-shunt.socket cri-shunt.service\n  \
    cri-shunt eject\n\n\
    Exit status:\n  \
    0  nothing of cri-shunt is left\n  \
    1  something stays, or a client still points at the socket\n  \
    2  wrong usage\n  \
    3  the daemon runs, or systemd would start it; nothing was removed")]
pub(super) struct Arguments {
    /// The daemon's main configuration file
    #[arg(long, value_name = "FILE", default_value = defaults::CONFIG_FILE)]
    config: PathBuf,

    /// Look for hosts.toml files here too [default: where containerd looks, or, if it does not answer, the usual
    /// directories of containerd, k3s and RKE2]
    #[arg(long, value_name = "DIR")]
    directory: Vec<PathBuf>,

    /// Only say what would be removed, also while the daemon runs
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    detail: Detail,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { config, directory, dry_run, detail } = arguments;
    let input = Input::of(MainFile::IfPresent(config));
    let node = Node::of(starts_with(&input), directory);
    let mut done = Done::default();
    let lock = match dry_run {
        true => None,
        false => match take_over(&node, &mut done) {
            Ok(lock) => lock,
            Err(exit) => return exit,
        },
    };
    if let Err(exit) = runtime::block_on(node.leave_containerd(!dry_run, &mut done)) {
        return exit;
    }
    node.leave_disk(lock, !dry_run, &mut done);
    report(&done, &node, dry_run, detail)
}

/// Makes sure that no daemon runs or starts. Without a state directory there is no lock to take.
fn take_over(node: &Node, done: &mut Done) -> Result<Option<DirLock>, Exit> {
    if daemon::is_held(Path::new(&node.socket)) {
        let socket = visible(&node.socket);
        terminal::say(&format!(
            "error: systemd holds {socket}, so it runs cri-shunt or would start it at the next call: first do \
             systemctl disable --now cri-shunt.socket cri-shunt.service\n"
        ));
        tell_of_install();
        return Err(Exit::Runtime);
    }
    match DirLock::take_in_existing(&node.state) {
        Ok(lock) => Ok(lock),
        Err(error @ NoLock::Taken { .. }) => {
            Err(terminal::fail(&format!("{error}: stop it first"), Exit::Runtime))
        }
        Err(error) => {
            done.problems.push(error.to_string());
            Ok(None)
        }
    }
}

/// Where `install` has set up the node, one command is all that is needed.
fn tell_of_install() {
    let record = Tree::at(Path::new("/")).ok().and_then(|tree| Record::read(&tree).ok());
    if record.is_some_and(|record| !record.is_empty()) {
        terminal::say(
            "cri-shunt install has set up this node: cri-shunt uninstall --apply does all that is needed, and puts back the \
             files of kubelet, k3s, RKE2 and crictl\n",
        );
    }
}

/// Why `eject` would remove nothing now.
fn hindrance(node: &Node) -> Option<String> {
    if let Some(pid) = DirLock::holder(&node.state) {
        return Some(format!("the daemon still runs (process {pid})"));
    }
    let is_held = daemon::is_held(Path::new(&node.socket));
    is_held.then(|| format!("systemd still holds {}, and starts the daemon at the next call", node.socket))
}

fn report(done: &Done, node: &Node, dry_run: bool, detail: Detail) -> Exit {
    let socket = &node.socket;
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
        text.push_str(&format!("kubelet, k3s, RKE2 and crictl: no known file names {socket}\n"));
    }
    if !pointers.is_empty() {
        text.push_str("write containerd's own socket there, then restart kubelet, k3s or RKE2\n");
    }
    if let Some(hindrance) = hindrance(node).filter(|_| dry_run && !detail.quiet) {
        text.push_str(&format!("{hindrance}: stop it before the real eject\n"));
    }
    if let Err(exit) = terminal::print(&visible(&text)) {
        return exit;
    }
    if done.problems.is_empty() && pointers.is_empty() {
        return Exit::Ok;
    }
    tell_of_install();
    Exit::Bad
}
