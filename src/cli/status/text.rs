//! The answer of `status` for people.

use std::fmt::Write as _;
use std::time::SystemTime;

use crate::cli::detail::Detail;
use crate::cli::table;
use crate::config::visible;
use crate::serve::admin::proto::{Mirror, PullUnderWay, StatusResponse};
use crate::serve::admin::time;
use crate::tell::moment::moment;

/// A line of the answer.
struct Line {
    label: &'static str,
    value: String,
    /// Whether it tells of something that needs attention.
    is_wrong: bool,
}

fn fine(label: &'static str, value: impl Into<String>) -> Line {
    Line { label, value: value.into(), is_wrong: false }
}

fn wrong(label: &'static str, value: impl Into<String>) -> Line {
    Line { label, value: value.into(), is_wrong: true }
}

/// Whether nothing needs attention. A mirror that is down or rests is asked again by itself.
pub(super) fn is_well(status: &StatusResponse) -> bool {
    status.reload_error.is_empty() && !lines(status, None).iter().any(|line| line.is_wrong)
}

/// All but the reload that was refused. A daemon of an older version leaves out what it does not know.
fn lines(status: &StatusResponse, now: Option<SystemTime>) -> Vec<Line> {
    let build = if status.build.is_empty() { &status.version } else { &status.build };
    let mut lines = vec![fine("version", build.as_str())];
    if status.started_at > 0 {
        let age = now.and_then(|now| now.duration_since(moment_of(status.started_at)).ok());
        let age = age.map(|age| format!(" ({})", table::age(age))).unwrap_or_default();
        lines.push(fine("running", format!("since {}{age}", at(status.started_at))));
    }
    lines.push(match status.containerd_error.as_str() {
        "" => fine("containerd", format!("{} answers", status.containerd_socket)),
        error => wrong("containerd", format!("{} does not answer: {error}", status.containerd_socket)),
    });
    lines.push(match status.bypass {
        true => wrong(
            "policy",
            format!("SUSPENDED: {} exists, so every call goes to containerd unchanged", status.bypass_file),
        ),
        false => fine("policy", status.policy_sources.join(", ")),
    });
    lines.push(fine("loaded", loaded_at(status)));
    lines.extend(policy(status));
    lines.extend(mirrors(status));
    lines.push(fine("temporary names", status.temporary_names.to_string()));
    lines.extend(status.pulls.iter().map(|pull| fine("pulling", pulling(pull))));
    if status.answered_in_outage > 0 {
        let StatusResponse { answered_in_outage: pulls, last_in_outage: image, .. } = status;
        let at = at(status.last_in_outage_at);
        lines.push(fine(
            "from the node",
            format!("{pulls} (no registry could serve), the last {image} at {at}"),
        ));
    }
    lines.extend(status.failed_pulls.iter().map(|failed| {
        let times = if failed.times > 1 { format!(" ({} times)", failed.times) } else { String::new() };
        let named =
            if failed.error.contains(&failed.image) { String::new() } else { format!("{}: ", failed.image) };
        fine("not pulled", format!("{}{times}: {named}{}", at(failed.at), failed.error))
    }));
    if status.last_refused_at > 0 && status.reload_error.is_empty() {
        let reason = status.last_refused.lines().next().unwrap_or_default();
        lines.push(fine(
            "once refused",
            format!("{}, a later reload was taken: {reason}", at(status.last_refused_at)),
        ));
    }
    if !status.hosts_kept.is_empty() {
        lines.push(fine("hosts.toml", status.config_path.as_str()));
        lines.extend(status.hosts_kept.iter().map(|kept| fine("", kept.as_str())));
    }
    lines.extend(status.hosts_problems.iter().map(|problem| wrong("problem", problem.as_str())));
    lines.extend(faults(status).map(|line| wrong("cannot be used", line)));
    let told = [("audit", &status.audit_problem), ("metrics", &status.metrics_problem)];
    let told = told.into_iter().filter(|(_, problem)| !problem.is_empty());
    lines.extend(told.map(|(label, problem)| wrong(label, problem.as_str())));
    lines
}

/// What is said of the policy beside its files.
fn policy(status: &StatusResponse) -> Vec<Line> {
    if status.policy_hash.is_empty() {
        return Vec::new();
    }
    let others = match status.default_action.as_str() {
        "deny" => "all other images are denied",
        _ => "all other images pass",
    };
    let fence = if status.fence { "on" } else { "off" };
    vec![
        fine("rules", format!("{}, {others}", status.rules)),
        fine("hash", status.policy_hash.as_str()),
        fine("mode", mode(status)),
        fine("fence", fence),
    ]
}

/// The mode, with how many rules act where some are only observed.
fn mode(status: &StatusResponse) -> String {
    let StatusResponse { mode, rules, rules_in_force: enforced, .. } = status;
    match mode.as_str() {
        "observe" => {
            format!("observe: {enforced} of {rules} rules enforce; the others only tell what they would do")
        }
        _ if enforced < rules => {
            format!("{mode}: {enforced} of {rules} rules enforce; the others only tell what they would do")
        }
        _ => mode.clone(),
    }
}

/// Those that are down or left alone, with how long; the others are counted.
fn mirrors(status: &StatusResponse) -> Vec<Line> {
    let in_state = |state: &'static str| status.mirrors.iter().filter(move |mirror| mirror.state == state);
    let down: Vec<&Mirror> = in_state("down").collect();
    let mut lines = Vec::new();
    match (status.mirrors.is_empty(), status.mirrors_down.as_slice()) {
        (_, []) => lines.push(fine("mirrors down", "none")),
        // A daemon of an older version does not say since when.
        (true, hosts) => lines.push(fine("mirrors down", hosts.join(", "))),
        (false, _) => lines.extend(down.iter().map(|mirror| {
            let Mirror { host, reason, since, until, .. } = mirror;
            let times = format!("since {}, tried last until {}", at(*since), at(*until));
            fine("mirrors down", format!("{host} {reason}: {times}"))
        })),
    }
    match in_state("left-alone").count() {
        0 => lines.extend(status.rests.iter().map(|rest| fine("left alone", rest.as_str()))),
        _ => lines.extend(in_state("left-alone").map(|mirror| {
            fine("left alone", format!("since {}, {}: {}", at(mirror.since), mirror.host, mirror.reason))
        })),
    }
    let up = in_state("up").count();
    if up > 0 {
        lines.push(fine("mirrors up", up.to_string()));
    }
    lines
}

fn pulling(pull: &PullUnderWay) -> String {
    let PullUnderWay { image, namespace, since, candidate, failed, .. } = pull;
    let mut text = format!("{image} since {}", at(*since));
    for (before, value) in
        [(", for ", namespace), (", from ", candidate), (", tried before: ", &failed.join(", "))]
    {
        if !value.is_empty() {
            text += &format!("{before}{value}");
        }
    }
    text
}

/// The files that can be used.
fn usable(status: &StatusResponse) -> impl Iterator<Item = Line> {
    let usable = status.needed_files.iter().filter(|file| file.line.is_empty());
    usable.map(|file| fine("can be used", format!("{} ({})", file.subject, file.purpose)))
}

/// Verbose, also the files that can be used; quiet, only what is wrong.
pub(super) fn render(status: &StatusResponse, detail: Detail, now: SystemTime) -> String {
    let mut lines = lines(status, Some(now));
    if detail.verbose {
        lines.extend(usable(status));
    }
    let mut text = String::new();
    for Line { label, value, .. } in lines.iter().filter(|line| line.is_wrong || !detail.quiet) {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{label:16} {}", visible(value));
    }
    if !status.reload_error.is_empty() {
        let _ = writeln!(text, "reload refused, still using the policy of {}:", loaded_at(status));
        for line in status.reload_error.lines() {
            let _ = writeln!(text, "  {}", visible(line));
        }
    }
    text
}

/// What the daemon cannot use of the files that pulls need.
pub(super) fn faults(status: &StatusResponse) -> impl Iterator<Item = &str> {
    status.needed_files.iter().map(|file| file.line.as_str()).filter(|line| !line.is_empty())
}

fn loaded_at(status: &StatusResponse) -> String {
    at(status.policy_loaded_at)
}

pub(super) fn at(seconds: i64) -> String {
    time(moment_of(seconds))
}

fn moment_of(seconds: i64) -> SystemTime {
    moment(u64::try_from(seconds).unwrap_or_default())
}
