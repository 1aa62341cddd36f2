//! `cri-shunt doctor`: why does a setting have no effect?
//!
//! Holds: nothing is changed, and no secret is shown. What cannot be looked at is a finding, and the rest is looked at.
//! `look` is what all topics share; each topic has a file and gives findings. `report` shows them.

mod clients;
mod clock;
mod containerd;
mod daemon;
pub(super) mod look;
mod node;
mod owners;
mod policy;
mod registries;
mod report;
mod units;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use self::look::Look;
use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::{runtime, terminal};
use crate::config::{self, defaults};
use crate::node::{Severity, Tree};

/// Find out why a setting has no effect.
///
/// Looks at all that decides whether the policy reaches an image: which endpoint kubelet, crictl, k3s and RKE2 are
/// given, and by which file; who listens on which socket; the units and their order; containerd and its pause image;
/// whether mirrors answer, and with which login; names that go to public registries; the clock; the rights of the
/// files; whether the daemon runs this program and this configuration. Each finding says what to change, and where.
///
/// Nothing is changed, and no secret is shown. Run it as root, because others do not see all of this.
///
/// With --root it looks at the files of another machine, for example at a mounted disk or in an image for nodes. Only
/// root can judge the configuration there, because its paths are those of the other machine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt doctor\n  \
    cri-shunt doctor --offline -v\n  \
    cri-shunt doctor --root /mnt/node --format json\n\n\
    Exit status:\n  \
    0  no problem was found\n  \
    1  there are problems\n  \
    2  wrong usage\n  \
    3  it cannot look: the directory of --root cannot be read")]
pub(super) struct Arguments {
    /// The directory of the node's files; of another than / only files are looked at, and no registry is asked
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,

    /// The main configuration file, on the node
    #[arg(long, value_name = "FILE", default_value = defaults::CONFIG_FILE)]
    config: PathBuf,

    /// Ask no registry
    #[arg(long)]
    offline: bool,

    /// How long one registry may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = config::positive_duration)]
    timeout: Duration,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { root, config, offline, timeout, format, detail } = arguments;
    let tree = match Tree::at(root) {
        Ok(tree) => tree,
        Err(error) => {
            let why = format!("cannot look at {}: {error}", root.display());
            return terminal::fail(&why, Exit::Runtime);
        }
    };
    let look = Look::at(tree, config);
    let mut findings = Vec::new();
    findings.extend(node::findings(&look));
    findings.extend(clients::findings(&look));
    findings.extend(units::findings(&look));
    findings.extend(containerd::of_files(&look));
    findings.extend(owners::findings(&look));
    if look.tree.is_own() {
        let runtime = match runtime::runtime() {
            Ok(runtime) => runtime,
            Err(exit) => return exit,
        };
        findings.extend(daemon::findings(&look, &runtime));
        findings.extend(policy::findings(&look, &runtime, (!offline).then_some(*timeout)));
    } else {
        findings.extend(daemon::of_files(&look));
    }
    findings.extend(clock::of_files(&look, SystemTime::now()));
    findings.extend(look.tree.unread());
    if !look.tree.is_own() {
        // The last look: from here on all paths are those of the other node.
        findings.extend(policy::of_files(&look, root));
    }
    // Of one severity they stay in the order of the topics.
    findings.sort_by_key(|finding| finding.severity);
    let has_problem = findings.iter().any(|finding| finding.severity == Severity::Problem);
    let text = match format {
        Format::Text => report::text(&findings, *detail, look.tree.is_own()),
        Format::Json if detail.quiet && !has_problem => String::new(),
        Format::Json => report::json(&findings),
    };
    match terminal::print(&text) {
        Err(exit) => exit,
        Ok(()) if has_problem => Exit::Bad,
        Ok(()) => Exit::Ok,
    }
}
