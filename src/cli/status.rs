//! `cri-shunt status`: what the running daemon is doing.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::daemon;
use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::terminal;
use crate::config::{defaults, visible};
use crate::serve::admin::proto::StatusResponse;
use crate::serve::admin::time;
use crate::tell::moment::moment;

/// Ask the running daemon how it is.
///
/// Shows the version, whether containerd answers, which policy is loaded and since when, whether a reload was
/// refused, which mirrors are down, which registries are left alone until when, which files for pulls cannot be used, and
/// whether the bypass file switches the policy off.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt status\n  \
    cri-shunt status --format json\n  \
    cri-shunt status --socket /tmp/shunt.sock\n\n\
    Exit status:\n  \
    0  all is well\n  \
    1  something needs attention: containerd does not answer, a reload was refused, the policy is suspended,\n     \
    a file cannot be used or written, or audit or metrics fail\n  \
    2  wrong usage\n  \
    3  the daemon cannot be reached")]
pub(super) struct Arguments {
    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = defaults::LISTEN_SOCKET)]
    socket: String,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,
}

/// The answer as JSON. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct Report<'s> {
    version: &'s str,
    containerd: Containerd<'s>,
    suspended: bool,
    bypass_file: Option<&'s str>,
    sources: &'s [String],
    loaded_at: String,
    reload_error: Option<&'s str>,
    mirrors_down: &'s [String],
    rests: &'s [String],
    temporary_names: u64,
    answered_in_outage: Answered<'s>,
    hosts_toml: Files<'s>,
    needed_files: Needed<'s>,
    audit_problem: Option<&'s str>,
    metrics_problem: Option<&'s str>,
}

/// The files that pulls need.
#[derive(Serialize)]
struct Needed<'s> {
    count: usize,
    problems: Vec<&'s str>,
}

/// Pulls that were answered with the image on the node.
#[derive(Serialize)]
struct Answered<'s> {
    pulls: u64,
    last_image: Option<&'s str>,
    last_at: Option<String>,
}

#[derive(Serialize)]
struct Containerd<'s> {
    socket: &'s str,
    error: Option<&'s str>,
}

/// The `hosts.toml` files that the daemon keeps for containerd.
#[derive(Serialize)]
struct Files<'s> {
    directory: Option<&'s str>,
    kept: &'s [String],
    problems: &'s [String],
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { socket, format, detail } = arguments;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::complain(&error);
            return Exit::Runtime;
        }
    };
    let status = match runtime.block_on(daemon::ask(Path::new(socket), daemon::PATIENCE)) {
        Ok(status) => status,
        Err(reason) => {
            terminal::say(&format!("error: {}\n", visible(&reason)));
            return Exit::Runtime;
        }
    };
    let well = is_well(&status);
    let text = match format {
        Format::Text => render(&status, *detail),
        Format::Json if detail.quiet && well => String::new(),
        Format::Json => terminal::json(&report(&status)),
    };
    if let Err(exit) = terminal::print(&text) {
        return exit;
    }
    if well { Exit::Ok } else { Exit::Bad }
}

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
fn is_well(status: &StatusResponse) -> bool {
    status.reload_error.is_empty() && !lines(status).iter().any(|line| line.is_wrong)
}

/// All but the reload that was refused.
fn lines(status: &StatusResponse) -> Vec<Line> {
    let mut lines = vec![fine("version", status.version.as_str())];
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
    lines.push(match status.mirrors_down.as_slice() {
        [] => fine("mirrors down", "none"),
        hosts => fine("mirrors down", hosts.join(", ")),
    });
    lines.extend(status.rests.iter().map(|rest| fine("left alone", rest.as_str())));
    lines.push(fine("temporary names", status.temporary_names.to_string()));
    if status.answered_in_outage > 0 {
        let StatusResponse { answered_in_outage: pulls, last_in_outage: image, .. } = status;
        let at = at(status.last_in_outage_at);
        lines.push(fine(
            "from the node",
            format!("{pulls} (no registry could serve), the last {image} at {at}"),
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

/// The files that can be used.
fn usable(status: &StatusResponse) -> impl Iterator<Item = Line> {
    let usable = status.needed_files.iter().filter(|file| file.line.is_empty());
    usable.map(|file| fine("can be used", format!("{} ({})", file.subject, file.purpose)))
}

/// Verbose, also the files that can be used; quiet, only what is wrong.
fn render(status: &StatusResponse, detail: Detail) -> String {
    let mut lines = lines(status);
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
fn faults(status: &StatusResponse) -> impl Iterator<Item = &str> {
    status.needed_files.iter().map(|file| file.line.as_str()).filter(|line| !line.is_empty())
}

/// A text, if there is one.
fn set(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn report(status: &StatusResponse) -> Report<'_> {
    Report {
        version: &status.version,
        containerd: Containerd { socket: &status.containerd_socket, error: set(&status.containerd_error) },
        suspended: status.bypass,
        bypass_file: set(&status.bypass_file),
        sources: &status.policy_sources,
        loaded_at: loaded_at(status),
        reload_error: set(&status.reload_error),
        mirrors_down: &status.mirrors_down,
        rests: &status.rests,
        temporary_names: status.temporary_names,
        answered_in_outage: Answered {
            pulls: status.answered_in_outage,
            last_image: set(&status.last_in_outage),
            last_at: set(&status.last_in_outage).map(|_| at(status.last_in_outage_at)),
        },
        hosts_toml: Files {
            directory: set(&status.config_path),
            kept: &status.hosts_kept,
            problems: &status.hosts_problems,
        },
        needed_files: Needed { count: status.needed_files.len(), problems: faults(status).collect() },
        metrics_problem: set(&status.metrics_problem),
        audit_problem: set(&status.audit_problem),
    }
}

fn loaded_at(status: &StatusResponse) -> String {
    at(status.policy_loaded_at)
}

fn at(seconds: i64) -> String {
    time(moment(u64::try_from(seconds).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::admin::proto::NeededFile;

    const QUIET: Detail = Detail { quiet: true, verbose: false };
    const VERBOSE: Detail = Detail { quiet: false, verbose: true };

    fn file(line: &str) -> NeededFile {
        NeededFile {
            purpose: "password".into(),
            subject: "/p".into(),
            line: line.into(),
            ..NeededFile::default()
        }
    }

    fn bad() -> StatusResponse {
        StatusResponse {
            version: "0.1.0".into(),
            bypass: true,
            bypass_file: "/run/bypass".into(),
            containerd_socket: "/run/c.sock".into(),
            containerd_error: "gone".into(),
            policy_sources: vec!["/etc/config.toml".into()],
            policy_loaded_at: 1_700_000_000,
            reload_error: "config.toml:1:1: no\nconfig.toml:2:1: no".into(),
            mirrors_down: vec!["m.example".into()],
            rests: vec!["n.example: rate-limited until 14:05 UTC for robot".into()],
            temporary_names: 2,
            answered_in_outage: 3,
            last_in_outage: "q.io/a:1".into(),
            last_in_outage_at: 1_700_000_060,
            config_path: "/c".into(),
            hosts_kept: vec!["m.example_1_ (plain http)".into()],
            hosts_problems: vec!["/c/x/hosts.toml is not cri-shunt's".into()],
            needed_files: vec![file(""), file("/etc/config.toml:3: cannot read /p: it is empty")],
            audit_problem: "no room; 1 line is missing".into(),
            metrics_problem: "taken".into(),
        }
    }

    #[test]
    fn what_is_wrong_stands_out() {
        insta::assert_snapshot!(render(&bad(), VERBOSE), @r"
    version          0.1.0
    containerd       /run/c.sock does not answer: gone
    policy           SUSPENDED: /run/bypass exists, so every call goes to containerd unchanged
    loaded           2023-11-14T22:13:20Z
    mirrors down     m.example
    left alone       n.example: rate-limited until 14:05 UTC for robot
    temporary names  2
    from the node    3 (no registry could serve), the last q.io/a:1 at 2023-11-14T22:14:20Z
    hosts.toml       /c
                     m.example_1_ (plain http)
    problem          /c/x/hosts.toml is not cri-shunt's
    cannot be used   /etc/config.toml:3: cannot read /p: it is empty
    audit            no room; 1 line is missing
    metrics          taken
    can be used      /p (password)
    reload refused, still using the policy of 2023-11-14T22:13:20Z:
      config.toml:1:1: no
      config.toml:2:1: no
    ");
    }

    #[test]
    fn quiet_shows_only_what_is_wrong() {
        insta::assert_snapshot!(render(&bad(), QUIET), @r"
    containerd       /run/c.sock does not answer: gone
    policy           SUSPENDED: /run/bypass exists, so every call goes to containerd unchanged
    problem          /c/x/hosts.toml is not cri-shunt's
    cannot be used   /etc/config.toml:3: cannot read /p: it is empty
    audit            no room; 1 line is missing
    metrics          taken
    reload refused, still using the policy of 2023-11-14T22:13:20Z:
      config.toml:1:1: no
      config.toml:2:1: no
    ");
    }

    #[test]
    fn files_that_cannot_be_used_or_written_need_attention() {
        // A mirror that is down is no fault of the node.
        let well = StatusResponse {
            version: "0.1.0".into(),
            mirrors_down: vec!["m.example".into()],
            rests: vec!["n.example".into()],
            needed_files: vec![file("")],
            ..StatusResponse::default()
        };
        assert!(is_well(&well));
        assert_eq!(render(&well, QUIET), "");
        let problem = StatusResponse { hosts_problems: vec!["not its own".into()], ..well.clone() };
        assert!(!is_well(&problem));
        assert_eq!(render(&problem, QUIET), "problem          not its own\n");
        let fault = StatusResponse { needed_files: vec![file("it is empty")], ..well };
        assert!(!is_well(&fault));
        assert_eq!(render(&fault, QUIET), "cannot be used   it is empty\n");
    }

    #[test]
    fn the_same_as_json() {
        insta::assert_snapshot!(terminal::json(&report(&bad())), @r#"
    {"version":"0.1.0","containerd":{"socket":"/run/c.sock","error":"gone"},"suspended":true,"bypass_file":"/run/bypass","sources":["/etc/config.toml"],"loaded_at":"2023-11-14T22:13:20Z","reload_error":"config.toml:1:1: no\nconfig.toml:2:1: no","mirrors_down":["m.example"],"rests":["n.example: rate-limited until 14:05 UTC for robot"],"temporary_names":2,"answered_in_outage":{"pulls":3,"last_image":"q.io/a:1","last_at":"2023-11-14T22:14:20Z"},"hosts_toml":{"directory":"/c","kept":["m.example_1_ (plain http)"],"problems":["/c/x/hosts.toml is not cri-shunt's"]},"needed_files":{"count":2,"problems":["/etc/config.toml:3: cannot read /p: it is empty"]},"audit_problem":"no room; 1 line is missing","metrics_problem":"taken"}
    "#);
        insta::assert_snapshot!(terminal::json(&report(&StatusResponse::default())), @r#"
    {"version":"","containerd":{"socket":"","error":null},"suspended":false,"bypass_file":null,"sources":[],"loaded_at":"1970-01-01T00:00:00Z","reload_error":null,"mirrors_down":[],"rests":[],"temporary_names":0,"answered_in_outage":{"pulls":0,"last_image":null,"last_at":null},"hosts_toml":{"directory":null,"kept":[],"problems":[]},"needed_files":{"count":0,"problems":[]},"audit_problem":null,"metrics_problem":null}
    "#);
    }
}
