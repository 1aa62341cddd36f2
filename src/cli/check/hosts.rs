//! What `check` says of containerd's `hosts.toml` files: what the daemon will keep there, and what stands in
//! the way.
//!
//! Before: `check` has a usable configuration.  After: text for people.
//! Holds: nothing is changed. Where containerd does not say how it is set up, everything else is said all the
//! same.
//! Not here: the plan and the look at the disk (`transport`).

use std::fmt::Write as _;

use crate::cli::facts;
use crate::config::Config;
use crate::containerd::Facts;
use crate::containerd::hosts::{self, Plan};

/// How many gaps of the fence are listed: a policy can have ten thousand rules.
const GAPS: usize = 20;

/// The text, and how many problems are in it.
pub(super) fn text(config: &Config) -> (String, usize) {
    let plan = hosts::plan(&config.policy, &config.transport);
    let mut text = fence(&plan, config.transport.fence());
    if plan.is_empty() {
        return (text, 0);
    }
    let facts = facts(config);
    let report = hosts::survey(&plan, &facts.config_path);
    let mut problems = report.problems;
    problems.splice(0..0, hosts::set_up(&facts.version, facts.config_known, &facts.config_path));
    let place =
        report.root.map_or_else(|| "containerd's config_path".to_owned(), |root| root.display().to_string());
    list(&mut text, &format!("hosts.toml files that containerd gets, below {place}"), &plan.summaries());
    list(&mut text, "In the way of that", &problems);
    (text, problems.len())
}

fn fence(plan: &Plan, wanted: bool) -> String {
    let mut text = String::new();
    if !wanted {
        return text;
    }
    let covered = plan.fence.covered.iter().map(|fenced| format!("{} (from {})", fenced.host, fenced.to));
    let covered: Vec<String> = covered.collect();
    match covered.is_empty() {
        true => text.push_str("The fence covers no registry.\n"),
        false => list(&mut text, "The fence covers, also for what goes round the shunt", &covered),
    }
    let mut gaps: Vec<String> = plan.fence.gaps.iter().take(GAPS).cloned().collect();
    if let more @ 1.. = plan.fence.gaps.len() - gaps.len() {
        gaps.push(format!("and {more} more"));
    }
    list(&mut text, "The fence cannot cover", &gaps);
    text
}

fn list(text: &mut String, head: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{head}:");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

/// How containerd is set up, as far as can be known here.
fn facts(config: &Config) -> Facts {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_or_else(|_| Facts::default(), |runtime| runtime.block_on(facts::facts(config)))
}
