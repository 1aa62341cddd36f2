//! `cri-shunt install`: puts the program in front of a node's containerd.
//!
//! Holds: without `--apply` nothing is written. The program has to answer before a client is led to it, and the clients have to
//! work with it; else all comes back as it was.
//!
//! `machine` runs systemd's commands or says them, `proof` has what is proven, `steps` makes the changes and takes them back.
//! What is changed, and how, is in the room `install`.

pub(super) mod left;
mod machine;
pub(super) mod place;
pub(super) mod proof;
mod steps;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::place::{At, Place};
use self::steps::Steps;
use super::detail::Detail;
use super::doctor::look::Look;
use super::exit::Exit;
use super::{pull, terminal};
use crate::config::{self, Input, StartsWith, visible};
use crate::install::{self, CONFIG, Client, Node, Plan, Record, Wanted};
use crate::node::Tree;
use crate::state::DirLock;

/// Put cri-shunt in front of this node's containerd.
///
/// Shows what it would change: the diff of each file. With --apply it makes the changes: its own program, units and
/// configuration, unless a package has them, and then the image endpoint of the clients, where each of them is given it.
/// Files are changed by the smallest edit, and what was there is kept in /var/lib/cri-shunt/install.
///
/// It proves that they work: the daemon answers, an image can be pulled (--prove-with), and kubelet, k3s or RKE2 runs again
/// and asks cri-shunt. If that fails, all is put back. It can be run again at any time, also after it was killed.
///
/// A node whose image endpoint is that of another program (SOCI, stargz) is refused. What is not understood is left alone, and
/// is said.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt install --for kubelet\n  \
    cri-shunt install --for k3s,crictl --prove-with registry.k8s.io/pause:3.10 --apply\n  \
    cri-shunt install --for all --root /mnt/node --apply\n\n\
    Exit status:\n  \
    0  all is as asked for, or would be\n  \
    1  it was refused, a client was left alone, or a proof has failed and all was put back\n  \
    2  wrong usage\n  \
    3  it cannot work here: not root, another one runs, or the disk refuses")]
pub(super) struct Arguments {
    /// The clients to lead to cri-shunt; `all` are those that are on the node
    #[arg(long = "for", value_enum, required = true, value_delimiter = ',', value_name = "CLIENT")]
    clients: Vec<For>,

    /// Make the changes
    #[arg(long)]
    apply: bool,

    #[command(flatten)]
    at: At,

    /// Pull this image through cri-shunt, before the clients are led to it
    #[arg(long, value_name = "IMAGE")]
    prove_with: Option<String>,

    /// How long the daemon, the image and the clients may take, each for itself
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = config::positive_duration)]
    timeout: Duration,

    /// Where the program goes, to DIR/bin [default: the first of /usr/local, /opt/cri-shunt and
    /// /var/lib/cri-shunt/program that can be written and run programs]
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,

    #[command(flatten)]
    detail: Detail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum For {
    /// A kubelet with a unit kubelet.service
    Kubelet,
    /// k3s, as server or agent
    K3s,
    /// RKE2, as server or agent
    Rke2,
    /// The kubelet that kubeadm has set up; kubeadm itself pulls by its criSocket
    Kubeadm,
    /// /etc/crictl.yaml
    Crictl,
    /// Each of these that is on the node
    All,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let wrong =
        arguments.prove_with.as_deref().and_then(|image| pull::is_no_name(image).map(|why| (image, why)));
    if let Some((image, why)) = wrong {
        return terminal::fail(&format!("--prove-with {image}: {why}"), Exit::Usage);
    }
    let mut install = match Install::of(arguments) {
        Ok(install) => install,
        Err(exit) => return exit,
    };
    let exit = install.run().unwrap_or_else(|exit| exit);
    install.forget();
    exit
}

/// What is done, and where.
struct Install<'a> {
    arguments: &'a Arguments,
    place: Place,
    record: Record,
    /// Only if something is changed.
    lock: Option<DirLock>,
    clients: Vec<Client>,
}

// === impl Install ===

impl<'a> Install<'a> {
    fn of(arguments: &'a Arguments) -> Result<Self, Exit> {
        let place = Place::of(&arguments.at)?;
        // Which directories the record needs is seen before the lock makes them.
        let before = place.record()?;
        let lock = arguments.apply.then(|| place.lock()).transpose()?;
        // Another run may have ended in between.
        let now = place.record()?;
        let record = if now.is_empty() { before } else { now };
        Ok(Install { arguments, place, record, lock, clients: Vec::new() })
    }

    fn run(&mut self) -> Result<Exit, Exit> {
        let look = Look::at(Tree::clone(&self.place.tree), Path::new(CONFIG));
        self.is_usable(&look)?;
        let plan = self.plan(&look)?;
        self.show(&plan)?;
        if plan.served.is_empty() {
            return Ok(Exit::Bad);
        }
        if !self.arguments.apply {
            return Ok(if plan.left.is_empty() { Exit::Ok } else { Exit::Bad });
        }
        let is_whole = plan.left.is_empty();
        let steps = Steps {
            place: &mut self.place,
            record: &mut self.record,
            look: &look,
            timeout: self.arguments.timeout,
            image: self.arguments.prove_with.as_deref(),
            is_quiet: self.arguments.detail.quiet,
            has_reached_clients: false,
        };
        let done = steps.run(&plan)?;
        Ok(if done == Exit::Ok && !is_whole { Exit::Bad } else { done })
    }

    /// A configuration with mistakes is found before anything is changed.
    fn is_usable(&self, look: &Look) -> Result<(), Exit> {
        if !self.place.tree.is_own() || !look.tree.has(Path::new(CONFIG)) {
            return Ok(());
        }
        let input = Input::file(Path::new(CONFIG));
        match config::starts_with(&input) {
            StartsWith::Nothing(_) => Err(terminal::fail(
                &format!(
                    "the configuration {CONFIG} cannot be used, so nothing was changed: cri-shunt check shows why"
                ),
                Exit::Bad,
            )),
            StartsWith::Files(_) | StartsWith::LastGood(..) => Ok(()),
        }
    }

    fn plan(&mut self, look: &Look) -> Result<Plan, Exit> {
        let node = Node {
            tree: &look.tree,
            socket: &look.own.socket,
            listen: look.own.listen.as_deref(),
            kubelet: look.kubelet.as_ref(),
            ranchers: &look.ranchers,
        };
        self.clients = clients(&self.arguments.clients, &node);
        let program = &self.place.program;
        let is_program = |path: &Path| {
            let same = |real: PathBuf| install::is_same(&real, &mut program.try_clone()?);
            look.tree.way(path).and_then(same).unwrap_or(false)
        };
        let wanted = Wanted {
            clients: &self.clients,
            prefix: self.arguments.prefix.as_deref(),
            record: &self.record,
            containerd: &look.own.containerd,
            containerd_is_set: look.own.containerd_is_set,
            is_program: &is_program,
        };
        let planned = install::plan(&node, &self.clients, &wanted);
        planned.map_err(|why| terminal::fail(&format!("{why}; nothing was changed"), Exit::Bad))
    }

    /// Without a change there is nothing to remember, and no directory stays.
    fn forget(&mut self) {
        if self.lock.is_some() && (self.record.is_empty() || !Record::is_there(&self.place.tree)) {
            let record = std::mem::replace(&mut self.record, Record::none());
            // The next run removes what is left.
            let _ = record.remove(&self.place.tree);
        }
    }

    fn show(&self, plan: &Plan) -> Result<(), Exit> {
        let tree = &self.place.tree;
        let mut text = String::new();
        if !self.arguments.detail.quiet {
            plan.changes.iter().for_each(|change| text.push_str(&install::shown(tree, change)));
            let notes = plan.notes.iter().filter(|_| self.arguments.detail.verbose);
            notes.for_each(|note| text.push_str(&format!("note: {note}\n")));
            if !self.arguments.apply && !plan.served.is_empty() {
                text.push_str(&self.would(plan));
            }
        }
        terminal::print(&visible(&text))?;
        for why in &plan.left {
            terminal::say(&format!("warning: {}\n", visible(why)));
        }
        if plan.clients.is_empty() && self.clients.is_empty() {
            terminal::say("error: there is no kubelet, no k3s, no RKE2 and no crictl here\n");
        }
        Ok(())
    }

    fn would(&self, plan: &Plan) -> String {
        let mut text = String::new();
        if !plan.changes.is_empty() {
            text.push_str(
                "with --apply it then runs\n  systemctl daemon-reload\n  systemctl start cri-shunt.socket cri-shunt.service\n",
            );
            plan.clients.iter().for_each(|unit| text.push_str(&format!("  systemctl try-restart {unit}\n")));
        }
        text.push_str(match plan.changes.is_empty() {
            true => "nothing has to be changed\n",
            false => "nothing was changed: --apply makes these changes\n",
        });
        text
    }
}

/// The clients that are meant, each once.
fn clients(wanted: &[For], node: &Node<'_>) -> Vec<Client> {
    let mut found = Vec::new();
    for wanted in wanted {
        let more = match wanted {
            For::Kubelet => vec![Client::Kubelet],
            For::Kubeadm => vec![Client::Kubeadm],
            For::K3s => vec![Client::K3s],
            For::Rke2 => vec![Client::Rke2],
            For::Crictl => vec![Client::Crictl],
            For::All => Client::ALL.into_iter().filter(|client| node.has(*client)).collect(),
        };
        found.extend(more.into_iter().filter(|client| !found.contains(client)).collect::<Vec<_>>());
    }
    found
}
