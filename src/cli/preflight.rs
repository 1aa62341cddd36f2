//! `cri-shunt preflight`: what would this policy do to all these images? Each is decided, and asked for, as `explain` does.

mod report;

use clap::Arg;

use self::report::Report;
use super::asking::{self, Asking};
use super::exit::Exit;
use super::explain::Depth;
use super::format::Format;
use super::terminal;

/// Try a policy on the images of this node, or on a list of images.
///
/// Shows for each image what the policy does with it: route it to mirrors, leave it alone, or deny it. Without names,
/// the images are those on the node; containerd says which. Names can be given as arguments and in files; then no
/// containerd is needed, unless --node adds the images on the node. The policy is that of the configuration, or of the
/// files that the flags name. Nothing is pulled or changed.
///
/// With --live, preflight also asks the registry of each candidate whether it has the image, as explain --live does,
/// with the node's credentials. Those of pods are not known here, so a private image of an unknown pod counts as one
/// that no candidate has. A registry that does not answer three times in a row, or has a rate limit, is not asked for
/// the rest. A registry with a rate limit may count each question.
#[derive(Debug, clap::Args)]
#[command(
    mut_args(with_live),
    after_long_help = "Examples:\n  \
    cri-shunt preflight\n  \
    cri-shunt preflight --live --config ./new.toml\n  \
    cri-shunt preflight --list images.txt --registries-yaml ./registries.yaml\n  \
    kubectl get pods -A -o json | jq -r '.items[].spec.containers[].image' | cri-shunt preflight -\n\n\
    Exit status:\n  \
    0  every image may be pulled; with --live also: some candidate has it\n  \
    1  an image is denied or is not a valid reference; with --live also: no candidate has it\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  containerd cannot be reached, or --live cannot start"
)]
pub(super) struct Arguments {
    /// Ask each candidate's registry whether it has the image
    #[arg(long)]
    live: bool,

    #[command(flatten)]
    asking: Asking,
}

/// Two flags of `Asking` have no effect if no registry is asked.
fn with_live(flag: Arg) -> Arg {
    if !["jobs", "timeout"].contains(&flag.get_id().as_str()) {
        return flag;
    }
    let help = flag.get_help().map(|help| format!("{help}, with --live"));
    flag.requires("live").help(help.unwrap_or_default())
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    survey(arguments).unwrap_or_else(|exit| exit)
}

fn survey(arguments: &Arguments) -> Result<Exit, Exit> {
    let Arguments { live, asking } = arguments;
    let config = asking.load(0)?;
    let images = asking.names.or_those_on_the_node().read(config.containerd.socket.as_path())?;
    let depth = live.then_some(Depth::Pull);
    let answers = asking::ask(&images, &config, asking.questions(depth, false))?;
    let report = Report { answers: &answers, live: *live, detail: asking.detail };
    terminal::print(&match asking.format {
        Format::Text => report.text(),
        Format::Json => report.json(),
    })?;
    Ok(if report.is_bad() { Exit::Bad } else { Exit::Ok })
}
