//! `cri-shunt rollout`: brings the program to the nodes of a cluster, or takes it away, node by node.
//!
//! Not here: the way from node to node (`cluster::Rollout`).

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::detail::Detail;
use super::exit::Exit;
use super::runtime;
use super::terminal;
use crate::cluster::{Account, Api, Goal, Rollout, Share, Template, Total, Weight};
use crate::config::{self, visible};

/// Go from node to node of a cluster, with a Job for each.
///
/// Runs in a pod; the Helm chart starts it. For each node it makes the Job of --job there, waits until this has ended and the
/// node is Ready, and notes the end in the node's label cri-shunt/state: served or failed. A node that has failed is put back by
/// the Job of --undo. After more than --failures failures no other node is begun. Control planes come last. A node that is
/// served already by the same Job is left alone, so the command can be repeated, and goes on where it was killed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt rollout --name cri-shunt --job install.json --undo uninstall.json \\\n      --selector kubernetes.io/os=linux\n  \
    cri-shunt rollout --name cri-shunt --job uninstall.json --remove\n\n\
    Exit status:\n  \
    0  all nodes that are Ready are as they should be\n  \
    1  nodes have failed or were not begun; with --remove also: nodes are not Ready\n  \
    2  wrong usage\n  \
    3  the API cannot be asked, or it was stopped")]
pub(super) struct Arguments {
    /// What the names of the Jobs begin with
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: String,

    /// The Job for each node, as JSON, without name and node
    #[arg(long, value_name = "FILE")]
    job: PathBuf,

    /// The Job that puts a node back
    #[arg(long, value_name = "FILE", required_unless_present = "remove", conflicts_with = "remove")]
    undo: Option<PathBuf>,

    /// The labels of the nodes, as kubectl takes them
    #[arg(long, value_name = "SELECTOR", default_value = "", conflicts_with = "remove")]
    selector: String,

    /// Remove this taint from a node that is served
    #[arg(long, value_name = "KEY", conflicts_with = "remove")]
    taint: Option<String>,

    /// Leave nodes alone that have failed before; they count as failures
    #[arg(long, conflicts_with = "remove")]
    new: bool,

    /// The Job takes the program out: run it on every node that was begun, and remove the labels
    #[arg(long)]
    remove: bool,

    /// Begin no node while this CronJob is suspended; with --remove, suspend it first, so that nobody begins again
    #[arg(long, value_name = "NAME")]
    cron_job: Option<String>,

    /// Begin no node while this Job runs: it is another rollout, and comes first
    #[arg(long, value_name = "NAME", conflicts_with = "remove")]
    yield_to: Option<String>,

    /// How many nodes at once: a number, or a share such as 10%
    #[arg(long, value_name = "NODES", default_value = "1")]
    share: Share,

    /// How many nodes may fail before no other is begun
    #[arg(long, value_name = "NODES", default_value_t = 0)]
    failures: usize,

    /// How long a node may take to be Ready after its Job
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = config::positive_duration)]
    ready_within: Duration,

    /// How often the API is asked
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = config::positive_duration)]
    every: Duration,

    /// The directory with the files token, ca.crt and namespace [default: that of the pod's service account]
    #[arg(long, value_name = "DIR")]
    account: Option<PathBuf>,

    #[command(flatten)]
    detail: Detail,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let (api, job, goal) = match prepared(arguments) {
        Ok(prepared) => prepared,
        Err(why) => return terminal::fail(&why, Exit::Usage),
    };
    let Detail { quiet, verbose } = arguments.detail;
    let say = |weight: Weight, line: &str| {
        let is_shown = match weight {
            Weight::Wrong => true,
            Weight::Step => !quiet,
            Weight::Detail => verbose,
        };
        if is_shown {
            // A rollout goes on where it cannot write what it says.
            let _ = terminal::print(&format!("{}\n", visible(line)));
        }
    };
    let rollout = Rollout {
        api: &api,
        name: arguments.name.clone(),
        job,
        goal,
        cron_job: arguments.cron_job.clone(),
        yield_to: arguments.yield_to.clone(),
        share: arguments.share,
        failures: arguments.failures,
        ready_within: arguments.ready_within,
        every: arguments.every,
        id: id(),
        say: &say,
    };
    let work = async {
        tokio::select! {
            ended = rollout.run() => Some(ended),
            // In a pod no signal ends a process that does not wait for it; and then this would go on beside the next one.
            Ok(()) = runtime::terminated() => None,
        }
    };
    match runtime::block_on(work) {
        Ok(Some(Ok(total))) => report(&total, arguments.remove, &say),
        Ok(Some(Err(error))) => {
            terminal::complain(&error);
            Exit::Runtime
        }
        Ok(None) => {
            terminal::say("stopped: the next rollout goes on with what was begun\n");
            Exit::Runtime
        }
        Err(exit) => exit,
    }
}

fn prepared(arguments: &Arguments) -> Result<(Api, Template, Goal), String> {
    let Arguments { job, undo, selector, taint, new, account, .. } = arguments;
    let api = Api::of(Account::find(account.as_deref())?)?;
    let goal = match undo {
        Some(undo) => Goal::Serve {
            undo: Template::read(undo)?,
            selector: selector.clone(),
            taint: taint.clone(),
            only_new: *new,
        },
        None => Goal::Remove,
    };
    Ok((api, Template::read(job)?, goal))
}

/// In a pod each process has the number 1, but no two pods have the same name at the same time.
fn id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    format!("{host}.{}.{}", std::process::id(), since.as_nanos())
}

fn report(total: &Total, removes: bool, say: &dyn Fn(Weight, &str)) -> Exit {
    let Total { done, failed, left, away } = *total;
    let word = if removes { "put back" } else { "served" };
    let mut text = format!("nodes: {done} {word}");
    for (number, what) in [
        (failed, "failed"),
        (left, if failed > 0 { "not begun, because others have failed" } else { "not begun" }),
        (away, "not Ready"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    let is_bad = failed + left > 0 || removes && away > 0;
    say(if is_bad { Weight::Wrong } else { Weight::Step }, &text);
    if is_bad { Exit::Bad } else { Exit::Ok }
}
