//! The answer of `status` as JSON.

use serde::Serialize;

use super::text::{at, faults};
use crate::serve::admin::proto::{self, PullUnderWay, StatusResponse};

/// The answer as JSON. The order of the fields is the order of the keys.
#[derive(Serialize)]
pub(super) struct Report<'s> {
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
    build: Option<&'s str>,
    started_at: Option<String>,
    policy_hash: Option<&'s str>,
    rules: u64,
    rules_in_force: u64,
    default: Option<&'s str>,
    mode: Option<&'s str>,
    fence: bool,
    mirrors: Vec<Mirror<'s>>,
    pulls: Vec<Pull<'s>>,
    failed_pulls: Vec<Failed<'s>>,
    last_refused_reload: Option<Refused<'s>>,
}

/// A mirror.
#[derive(Serialize)]
struct Mirror<'s> {
    host: &'s str,
    state: &'s str,
    since: Option<String>,
    until: Option<String>,
    reason: Option<&'s str>,
}

/// A pull that is under way.
#[derive(Serialize)]
struct Pull<'s> {
    image: &'s str,
    namespace: Option<&'s str>,
    since: String,
    candidate: Option<&'s str>,
    digest: Option<&'s str>,
    failed: &'s [String],
}

/// An image whose pull failed.
#[derive(Serialize)]
struct Failed<'s> {
    image: &'s str,
    at: String,
    times: u64,
    error: &'s str,
}

/// The last reload that was refused.
#[derive(Serialize)]
struct Refused<'s> {
    at: String,
    reason: &'s str,
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

/// A text, if there is one.
fn set(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn report(status: &StatusResponse) -> Report<'_> {
    Report {
        version: &status.version,
        containerd: Containerd { socket: &status.containerd_socket, error: set(&status.containerd_error) },
        suspended: status.bypass,
        bypass_file: set(&status.bypass_file),
        sources: &status.policy_sources,
        loaded_at: at(status.policy_loaded_at),
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
        build: set(&status.build),
        started_at: known(status.started_at),
        policy_hash: set(&status.policy_hash),
        rules: status.rules,
        rules_in_force: status.rules_in_force,
        default: set(&status.default_action),
        mode: set(&status.mode),
        fence: status.fence,
        mirrors: status.mirrors.iter().map(mirror).collect(),
        pulls: status.pulls.iter().map(pull).collect(),
        failed_pulls: status.failed_pulls.iter().map(failed).collect(),
        last_refused_reload: known(status.last_refused_at)
            .map(|at| Refused { at, reason: &status.last_refused }),
    }
}

/// A time, if there is one.
fn known(seconds: i64) -> Option<String> {
    (seconds > 0).then(|| at(seconds))
}

fn mirror(mirror: &proto::Mirror) -> Mirror<'_> {
    let proto::Mirror { host, state, since, until, reason } = mirror;
    Mirror { host, state, since: known(*since), until: known(*until), reason: set(reason) }
}

fn pull(pull: &PullUnderWay) -> Pull<'_> {
    let PullUnderWay { image, namespace, since, candidate, digest, failed, .. } = pull;
    let (namespace, candidate, digest) = (set(namespace), set(candidate), set(digest));
    Pull { image, namespace, since: at(*since), candidate, digest, failed }
}

fn failed(failed: &proto::FailedPull) -> Failed<'_> {
    let proto::FailedPull { image, at: seconds, times, error } = failed;
    Failed { image, at: at(*seconds), times: *times, error }
}
