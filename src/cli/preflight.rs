//! `cri-shunt preflight`: what would this policy do to all these images? Each is decided, and asked for, as `explain` does.

mod report;

use std::time::Duration;

use self::report::Report;
use super::asking::{self, Questions};
use super::detail::Detail;
use super::exit::Exit;
use super::explain::Depth;
use super::format::Format;
use super::inputs::Inputs;
use super::names::Names;
use super::terminal;
use crate::config;

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
#[command(after_long_help = "Examples:\n  \
    cri-shunt preflight\n  \
    cri-shunt preflight --live --config ./new.toml\n  \
    cri-shunt preflight --list images.txt --registries-yaml ./registries.yaml\n  \
    kubectl get pods -A -o json | jq -r '.items[].spec.containers[].image' | cri-shunt preflight -\n\n\
    Exit status:\n  \
    0  every image may be pulled; with --live also: some candidate has it\n  \
    1  an image is denied or is not a valid reference; with --live also: no candidate has it\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  containerd cannot be reached, or --live cannot start")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Use this `policy.default-registry`; the default configuration file may be missing then
    #[arg(long, value_name = "HOST")]
    default_registry: Option<String>,

    /// Ask each candidate's registry whether it has the image
    #[arg(long)]
    live: bool,

    /// For how many images registries are asked at the same time, with --live
    #[arg(long, short, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64),
          requires = "live")]
    jobs: u8,

    /// How long one candidate may take, with --live
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = config::positive_duration,
          requires = "live")]
    timeout: Duration,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,

    #[command(flatten)]
    names: Names,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    survey(arguments).unwrap_or_else(|exit| exit)
}

fn survey(arguments: &Arguments) -> Result<Exit, Exit> {
    let Arguments { inputs, default_registry, live, jobs, timeout, format, detail, names } = arguments;
    inputs.check_stdin(names.of_stdin())?;
    let names = &Names { node: names.node || !names.is_given(), ..names.clone() };
    let config = inputs.load(default_registry.as_ref(), names.containerd.as_ref(), detail.verbose)?;
    let images = names.read(config.containerd.socket.as_path())?;
    let depth = live.then_some(Depth::Pull);
    let questions = Questions { jobs: *jobs, timeout: *timeout, depth, origin: false };
    let answers = asking::ask(&images, &config, questions)?;
    let report = Report { answers: &answers, live: *live, detail: *detail };
    terminal::print(&match format {
        Format::Text => report.text(),
        Format::Json => report.json(),
    })?;
    Ok(if report.is_bad() { Exit::Bad } else { Exit::Ok })
}
