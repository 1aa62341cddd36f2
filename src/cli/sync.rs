//! `cri-shunt sync`: brings the policy of a cluster to its node.
//!
//! Holds: only files that the daemon could use are written; else those that are there stay. Files leave the node with what they
//! came from.
//! Not here: the copying (`cluster::Tree`).

mod numbers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::detail::Detail;
use super::exit::Exit;
use super::runtime;
use super::terminal;
use crate::cluster::{Tree, TreeError};
use crate::config::{self, visible};
use crate::policy::{Asked, Decision, Name};

/// How often it looks whether something has changed.
const EVERY: Duration = Duration::from_secs(1);

/// Bring the policy of a cluster to its node.
///
/// Copies the files of --from, which a pod has mounted, to the daemon's directory --to on the node, and again whenever they
/// change: config.toml, conf.d/cluster*.toml, and what is below conf.d/cluster. Only a policy that the daemon can use is copied.
/// Otherwise the one that is on the node stays, and the reason is said. Files are of root, mode 0600. What is no longer in --from
/// is removed. A config.toml of the node's own stays as it is. Without --once it waits until the files are there for the first
/// time, and ends with SIGTERM.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt sync --once --from /policy --to /host/etc/cri-shunt\n  \
    cri-shunt sync --from /policy --to /host/etc/cri-shunt \\\n      --metrics [::]:9817 --metrics-of /host/run/cri-shunt/metrics.sock\n  \
    cri-shunt sync --remove --to /host/etc/cri-shunt\n\n\
    Exit status:\n  \
    0  the files of the node are as they should be\n  \
    1  the policy cannot be used, so nothing was copied\n  \
    2  wrong usage\n  \
    3  files cannot be read or written")]
pub(super) struct Arguments {
    /// The directory with the files
    #[arg(long, value_name = "DIR", required_unless_present = "remove", conflicts_with = "remove")]
    from: Option<PathBuf>,

    /// The daemon's directory on the node
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// Copy once, also for the first time, and end
    #[arg(long, conflicts_with = "remove")]
    once: bool,

    /// Remove what was copied, and end
    #[arg(long)]
    remove: bool,

    /// Refuse a policy that denies this image, because the node needs it
    #[arg(long, value_name = "IMAGE", conflicts_with = "remove")]
    needs: Vec<Name>,

    /// Where to pass on the daemon's metrics.
    // An own help: rustdoc would take the brackets for a link.
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "metrics_of",
        conflicts_with_all = ["once", "remove"],
        help = "Pass on the daemon's metrics at this address; [::] is all, those of IPv4 too"
    )]
    metrics: Option<SocketAddr>,

    /// The socket at which the daemon serves them
    #[arg(long, value_name = "SOCKET", requires = "metrics")]
    metrics_of: Option<PathBuf>,

    #[command(flatten)]
    detail: Detail,
}

/// From where to where, and how.
struct Way<'a> {
    from: &'a Path,
    to: &'a Path,
    needs: &'a [Name],
    detail: Detail,
}

/// Why nothing is copied.
enum Refused {
    /// The policy cannot be used: what is wrong with it, as lines.
    Policy(String),
    /// Files.
    Files(TreeError),
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { from, to, once, remove, needs, metrics, metrics_of, detail } = arguments;
    let Some(from) = from.as_ref().filter(|_| !remove) else {
        return match Tree::remove(to) {
            Ok(removed) => told(to, &removed, "removed", *detail),
            Err(error) => refuse(Refused::Files(error)),
        };
    };
    let way = Way { from, to, needs, detail: *detail };
    if *once {
        return match bring(&way) {
            Ok(changed) => told(to, &changed, "changed", *detail),
            Err(refused) => refuse(refused),
        };
    }
    let work = async {
        if let Some((address, socket)) = metrics.zip(metrics_of.clone()) {
            tokio::spawn(numbers::pass_on(address, socket));
        }
        tokio::select! {
            exit = keep(&way) => exit,
            exit = stopped() => exit,
        }
    };
    runtime::block_on(work).unwrap_or_else(|exit| exit)
}

async fn stopped() -> Exit {
    match runtime::terminated().await {
        Ok(()) => Exit::Ok,
        Err(error) => {
            terminal::complain(&error);
            Exit::Runtime
        }
    }
}

/// Copies whenever something has changed. What is wrong is said once.
async fn keep(way: &Way<'_>) -> Exit {
    let to = way.to;
    let mut said = String::new();
    loop {
        let now = if !Tree::was_written(to) {
            format!("waits: {} has no files of the cluster yet\n", to.display())
        } else {
            match bring(way) {
                Ok(changed) if changed.is_empty() => String::new(),
                Ok(changed) => {
                    told(to, &changed, "changed", way.detail);
                    String::new()
                }
                Err(refused) => words(&refused),
            }
        };
        if now != said && !now.is_empty() {
            terminal::say(&visible(&now));
        }
        said = now;
        tokio::time::sleep(EVERY).await;
    }
}

/// Copies the files if the daemon can use them.
fn bring(way: &Way<'_>) -> Result<Vec<PathBuf>, Refused> {
    let Way { from, to, needs, detail } = *way;
    let tree = Tree::read(from).map_err(Refused::Files)?;
    // Where everything is as it should be, the policy was looked at before.
    if tree.is_at(to) {
        return Ok(Vec::new());
    }
    let input = config::Input {
        main: config::MainFile::IfPresent(tree.directory().join("config.toml")),
        ..config::Input::file(Path::new(""))
    };
    let loaded = config::load_from(&input)
        .map_err(|problems| Refused::Policy(problems.render(terminal::style(), false)))?;
    for name in needs {
        if let Decision::Deny { reason, .. } = loaded.config.policy.acting().decide(&Asked::of(name)) {
            return Err(Refused::Policy(format!(
                "error: the policy denies {name}, which the node needs for this program's own pods: {reason}\n"
            )));
        }
    }
    let written = tree.write(to).map_err(Refused::Files)?;
    // Only then: what is refused is looked at again every second.
    if detail.verbose {
        terminal::say(&loaded.warnings.render(terminal::style(), true));
    }
    Ok(written)
}

fn told(to: &Path, files: &[PathBuf], word: &str, detail: Detail) -> Exit {
    if detail.quiet {
        return Exit::Ok;
    }
    let lines: String = files.iter().map(|file| format!("{word} {}\n", to.join(file).display())).collect();
    terminal::print(&visible(&lines)).err().unwrap_or(Exit::Ok)
}

fn refuse(refused: Refused) -> Exit {
    terminal::say(&visible(&words(&refused)));
    match refused {
        Refused::Policy(_) => Exit::Bad,
        Refused::Files(_) => Exit::Runtime,
    }
}

fn words(refused: &Refused) -> String {
    match refused {
        Refused::Policy(lines) => format!("{lines}nothing was copied: what is on the node stays\n"),
        Refused::Files(error) => {
            let cause =
                std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("error: {error}{cause}\n")
        }
    }
}
