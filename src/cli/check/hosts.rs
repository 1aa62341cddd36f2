//! What `check` says about containerd's `hosts.toml` files: which ones the daemon will keep, and what prevents that.
//!
//! Nothing is changed on the disk. Where it is not known where containerd looks, only the plan is shown.

use std::fmt::Write as _;

use serde::Serialize;

use crate::config::Config;
use crate::containerd::Facts;
use crate::containerd::hosts::{self, Plan};

/// How many gaps of the fence are listed: a policy can have ten thousand rules.
const GAPS: usize = 20;

/// The files, as text and as JSON. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct Files {
    /// Where containerd looks for them; nothing where that is not known.
    directory: Option<String>,
    /// Each with its purpose.
    kept: Vec<String>,
    /// Why containerd fetches images by the mirrors' own hosts, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_mirror_host: Option<String>,
    /// What prevents them.
    pub(super) problems: Vec<String>,
    /// With `containerd.fence`.
    fence: Option<Fence>,
}

#[derive(Serialize)]
struct Fence {
    covered: Vec<String>,
    gaps: Vec<String>,
}

impl Files {
    /// What will be kept for a configuration.
    pub(super) fn of(config: &Config, plan: &Plan, facts: &Facts) -> Self {
        let fence = config.transport.fence().then(|| fence(plan));
        let by_mirror_host = hosts::no_private_hosts(facts).filter(|_| plan.has_mirrors());
        if !plan.must_be_read() {
            return Files { directory: None, kept: Vec::new(), by_mirror_host, problems: Vec::new(), fence };
        }
        let report = hosts::survey(plan, &facts.roots);
        let mut problems = report.problems;
        problems.splice(0..0, hosts::set_up(facts));
        if let Some(reason) = by_mirror_host.as_ref().filter(|_| plan.needs_private_hosts()) {
            problems
                .push(format!("a mirror whose rule says how it is reached needs a private host: {reason}"));
        }
        let directory = report.root.map(|root| root.display().to_string());
        Files { directory, kept: plan.summaries(), by_mirror_host, problems, fence }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if let Some(Fence { covered, gaps }) = &self.fence {
            match covered.is_empty() {
                true => text.push_str("The fence covers no registry.\n"),
                false => {
                    list(&mut text, "The fence covers, also for pulls that do not use the shunt", covered)
                }
            }
            let mut shown: Vec<String> = gaps.iter().take(GAPS).cloned().collect();
            if let more @ 1.. = gaps.len() - shown.len() {
                shown.push(format!("and {more} more"));
            }
            list(&mut text, "The fence cannot cover", &shown);
        }
        let place = self.directory.as_deref().unwrap_or("containerd's config_path");
        list(&mut text, &format!("hosts.toml files that containerd gets, below {place}"), &self.kept);
        if let Some(reason) = &self.by_mirror_host {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "containerd fetches images by the mirrors' own hosts: {reason}");
        }
        text.push_str(&self.problems_text());
        text
    }

    /// Only what prevents the files.
    pub(super) fn problems_text(&self) -> String {
        let mut text = String::new();
        list(&mut text, "This will not work yet", &self.problems);
        text
    }
}

fn fence(plan: &Plan) -> Fence {
    let covered = plan.fence.covered.iter().map(|fenced| match fenced.to.as_str() {
        "nowhere" => format!("{} (denied)", fenced.host),
        to => format!("{} (from {to})", fenced.host),
    });
    Fence { covered: covered.collect(), gaps: plan.fence.gaps.clone() }
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
