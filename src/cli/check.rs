//! `cri-shunt check`: is this configuration good?
//!
//! Before: an administrator, or the unit file before a start.  After: an exit status and words.
//! Holds: what `check` accepts, `serve` starts with; both load by the same code.
//! Not here: the checks (`config`).

mod hosts;

use super::inputs::Inputs;
use super::{Exit, terminal};
use crate::config::{self, Diagnostics, Loaded, Severity};
use crate::policy::DefaultAction;

/// What no configuration of the shunt can reach. Said at every check, because it is what people
/// wrongly rely on.
const NOT_COVERED: &str = "\
Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
";

/// Check the configuration and say everything that is wrong with it.
///
/// Reads the configuration as `serve` would and reports every problem of every file at once, each with
/// its place and what to do. Needs no daemon and no containerd; where containerd is to find hosts.toml files
/// and answers, it is asked where it looks for them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt check\n  \
    cri-shunt check --config ./config.toml --strict\n\n\
    Exit status: 0 the configuration can be used; 1 it cannot (with --strict: or there are warnings); 2 \
    wrong usage.")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    /// Let warnings fail the check
    #[arg(long, visible_alias = "deny-warnings")]
    strict: bool,

    /// Say what is worth knowing and needs no change, too
    #[arg(long, short)]
    verbose: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { inputs, strict, verbose } = arguments;
    let title = inputs.title();
    let loaded = match config::load_from(&inputs.clone().read(false)) {
        Ok(loaded) => loaded,
        Err(problems) => {
            terminal::say(&problems.render(terminal::style(), *verbose));
            terminal::say(&format!("{title}: not usable: {}\n", counts(&problems)));
            return Exit::Bad;
        }
    };
    terminal::say(&loaded.warnings.render(terminal::style(), *verbose));
    let (hosts, in_the_way) = hosts::text(&loaded.config);
    let summary = format!("{title}: {}\n{hosts}{NOT_COVERED}", summary(&loaded));
    if let Err(exit) = terminal::print(&summary) {
        return exit;
    }
    let warned = loaded.warnings.count(Severity::Warning) + in_the_way > 0;
    if *strict && warned { Exit::Bad } else { Exit::Ok }
}

fn summary(loaded: &Loaded) -> String {
    let policy = &loaded.config.policy;
    let rules = plural(policy.rules().len(), "rule");
    let default = match policy.settings().default {
        DefaultAction::Pass => "pass",
        DefaultAction::Deny => "deny",
    };
    let mut text = format!("usable: {rules}, default {default}");
    if let Some((location, _)) = &policy.settings().default_registry {
        text.push_str(&format!(", default registry {location}"));
    }
    match loaded.warnings.count(Severity::Warning) {
        0 => text,
        _ => format!("{text}; {}", counts(&loaded.warnings)),
    }
}

fn counts(problems: &Diagnostics) -> String {
    let counted = [(Severity::Error, "error"), (Severity::Warning, "warning")];
    let parts = counted.into_iter().map(|(severity, word)| (problems.count(severity), word));
    let parts: Vec<String> =
        parts.filter(|(count, _)| *count > 0).map(|(count, word)| plural(count, word)).collect();
    parts.join(", ")
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
