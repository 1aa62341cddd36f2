//! The program's own service on its socket: what it is doing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message;
use tokio::sync::Semaphore;
use tonic::Status;

use super::needed_files;
use crate::containerd::Answer;
use crate::policy::{Policy, fold_host};
use crate::state::{Explained, Question, State, Troubled, UnderWay, Verdict};
use crate::tell::audit::Audit;
use crate::tell::failures::FailedPull;

/// How long containerd may take to say that it is there, and the disk to show the files that pulls need.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many images are explained at once. One that hangs keeps its permit, so these never use up the threads that the
/// program needs for other files.
static EXPLAINING: Semaphore = Semaphore::const_new(4);

/// The generated types and client of `proto/admin.proto`.
#[allow(missing_docs, clippy::missing_docs_in_private_items, unreachable_pub, reason = "generated code")]
pub mod proto {
    tonic::include_proto!("crishunt.v1");
}

/// The start of the service's paths, without the leading slash.
pub const SERVICE_PREFIX: &str = "crishunt.v1.Admin/";
/// What the daemon is doing.
pub const STATUS: &str = "Status";
/// What its policy says of an image.
pub const EXPLAIN: &str = "Explain";

/// Which pulls are under way.
pub const PULLS: &str = "Pulls";

/// Answers `Pulls`.
pub fn pulls(state: &State) -> Answer {
    let pulls = under_way(state);
    Answer::message(&proto::PullsResponse { pulls }.encode_to_vec())
}

fn under_way(state: &State) -> Vec<proto::PullUnderWay> {
    let pull = |pull: UnderWay| proto::PullUnderWay {
        image: pull.image,
        namespace: pull.namespace,
        pid: pull.pid.unwrap_or_default(),
        since: seconds(pull.since),
        candidate: pull.candidate.unwrap_or_default(),
        digest: pull.digest.unwrap_or_default(),
        failed: pull.failed,
    };
    state.pulls.all().into_iter().map(pull).collect()
}

/// Answers `Status`.
pub async fn status(state: &Arc<State>) -> Answer {
    let generation = state.generation();
    let written = generation.written();
    // A containerd or a disk that hangs does not keep the answer back: of the files it then says what was found last.
    let (version, files) = tokio::join!(
        tokio::time::timeout(PATIENCE, state.containerd.cri.version()),
        tokio::time::timeout(PATIENCE, needed_files::look(state)),
    );
    let files = files.unwrap_or_else(|_| state.files());
    let containerd_error = match version {
        Ok(Ok(_)) => String::new(),
        Ok(Err(status)) => status.message().to_owned(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let transport = state.transport();
    let unread_hosts = state.unread_hosts.problems(&state.containerd.facts());
    let answered = state.outages.answered();
    let last = answered.last.map(|(image, at)| (image, seconds(at)));
    let (last_in_outage, last_in_outage_at) = last.unwrap_or_default();
    let refused = state.last_refused().map(|(at, reason)| (seconds(at), reason));
    let (last_refused_at, last_refused) = refused.unwrap_or_default();
    let response = proto::StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        bypass: state.bypass.is_there(),
        bypass_file: state.bypass.file().display().to_string(),
        containerd_socket: state.containerd.link.socket().display().to_string(),
        containerd_error,
        policy_sources: generation.sources.iter().map(|path| path.display().to_string()).collect(),
        policy_loaded_at: seconds(generation.loaded_at),
        reload_error: state.reload_error().unwrap_or_default(),
        mirrors_down: state.health.down(),
        rests: state.health.rests().iter().map(|rest| format!("{}: {rest}", rest.host)).collect(),
        temporary_names: state.temporary_names.count() as u64,
        answered_in_outage: answered.pulls,
        last_in_outage,
        last_in_outage_at,
        audit_problem: state.tell.audit.as_deref().and_then(Audit::problem).unwrap_or_default(),
        metrics_problem: state.tell.metrics_problem().unwrap_or_default(),
        config_path: transport.root.as_ref().map(|root| root.display().to_string()).unwrap_or_default(),
        hosts_kept: transport.kept.clone(),
        hosts_problems: [transport.problems.as_slice(), &unread_hosts].concat(),
        needed_files: distinct(&files),
        build: env!("CRI_SHUNT_VERSION").to_owned(),
        started_at: seconds(state.tell.started),
        policy_hash: written.hash().to_owned(),
        rules: written.rules().len() as u64,
        rules_in_force: generation.policy.rules().len() as u64,
        default_action: written.settings().default.word().to_owned(),
        mode: written.settings().mode.word().to_owned(),
        fence: generation.transport.fence(),
        mirrors: mirrors(state, &generation.policy),
        failed_pulls: state.tell.failures.all().into_iter().map(failed_pull).collect(),
        last_refused_at,
        last_refused,
        pulls: under_way(state),
    };
    Answer::message(&response.encode_to_vec())
}

/// Answers `Explain`.
pub async fn explain(state: &Arc<State>, message: &[u8]) -> Answer {
    let Ok(proto::ExplainRequest { image, namespace }) = proto::ExplainRequest::decode(message) else {
        return Answer::failure(&Status::invalid_argument("this is not an ExplainRequest"));
    };
    let generation = state.generation();
    let bypass = state.bypass.is_there();
    let (policy_loaded_at, reload_refused) = (seconds(generation.loaded_at), state.reload_error().is_some());
    let question = Question { image, namespace };
    // It looks at files of logins.
    let shared = state.clone();
    let explained = async {
        let permit = EXPLAINING.acquire().await;
        let work = move || {
            let _permit = permit;
            shared.explain.get().map(|explain| explain(&generation, &question))
        };
        tokio::task::spawn_blocking(work).await
    };
    let Ok(Ok(Some(explained))) = tokio::time::timeout(PATIENCE, explained).await else {
        return Answer::failure(&Status::unavailable("the files of logins could not be looked at in time"));
    };
    let Explained { text, json, refused } = explained;
    let response = proto::ExplainResponse { text, json, refused, bypass, policy_loaded_at, reload_refused };
    Answer::message(&response.encode_to_vec())
}

fn failed_pull(failed: FailedPull) -> proto::FailedPull {
    let FailedPull { image, at, times, error } = failed;
    proto::FailedPull { image, at: seconds(at), times, error }
}

/// The mirrors of the policy, by host, and whatever else fails or is left alone, such as an origin. A host is there once for
/// each reason: it may rest for two logins.
fn mirrors(state: &State, policy: &Policy) -> Vec<proto::Mirror> {
    let named: Vec<(String, String)> =
        policy.mirror_hosts().into_iter().map(|host| (fold_host(&host).into_owned(), host)).collect();
    let as_written = |host: &str| {
        let written = named.iter().find(|(folded, _)| folded == host).map(|(_, written)| written.as_str());
        written.unwrap_or(host).to_owned()
    };
    let unwell = |host: &str, word: &str, since: SystemTime, until: SystemTime, reason: String| {
        let (host, state) = (as_written(host), word.to_owned());
        proto::Mirror { host, state, since: seconds(since), until: seconds(until), reason }
    };
    let down = state.health.troubled().into_iter().map(|Troubled { host, trouble, since, until }| {
        unwell(&host, "down", since, until, trouble.words().to_owned())
    });
    let rests = state.health.rests().into_iter();
    let rests =
        rests.map(|rest| unwell(&rest.host, "left-alone", rest.since(), rest.over_at(), rest.to_string()));
    let mut mirrors: Vec<proto::Mirror> = down.chain(rests).collect();
    let known: HashSet<String> = mirrors.iter().map(|mirror| mirror.host.clone()).collect();
    let up = |host| proto::Mirror { host, state: "up".to_owned(), ..proto::Mirror::default() };
    mirrors.extend(named.iter().map(|(_, host)| host).filter(|host| !known.contains(*host)).cloned().map(up));
    mirrors.sort_by(|one, two| one.host.cmp(&two.host));
    mirrors
}

/// Each file once for each purpose: thousands of hosts may need the same one.
fn distinct(files: &[Verdict]) -> Vec<proto::NeededFile> {
    let mut seen = HashSet::new();
    let new = files.iter().filter(|file| seen.insert((&file.purpose, &file.subject, &file.line)));
    new.map(|Verdict { purpose, subject, fault, line }| proto::NeededFile {
        purpose: purpose.clone(),
        subject: subject.clone(),
        fault: fault.as_ref().map(|fault| fault.what.clone()).unwrap_or_default(),
        advice: fault.as_ref().and_then(|fault| fault.advice.clone()).unwrap_or_default(),
        is_closed: fault.as_ref().is_some_and(|fault| fault.is_closed),
        line: line.clone(),
    })
    .collect()
}

fn seconds(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// A time in UTC, as `status` and the log show it: `2026-11-26T19:58:55Z`.
#[must_use]
pub fn time(time: SystemTime) -> String {
    prost_types::Timestamp { seconds: seconds(time), nanos: 0 }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::hosts::Transport;
    use crate::files::secret::Secret;
    use crate::registry::Login;
    use crate::state::fixture;

    #[tokio::test]
    async fn a_host_that_rests_for_two_logins_and_is_down_is_there_three_times() {
        let dir = tempfile::tempdir().unwrap();
        let state = fixture::state(dir.path(), "h.dev", Transport::PlainHttp);
        let name = "h.dev/a:1".parse().unwrap();
        for user in ["ann", "ben"] {
            let login = Login::Password { username: user.to_owned(), password: Secret::new("p".to_owned()) };
            state.health.note_rest(&name, &login, None);
        }
        state.health.note_down(&name, crate::state::Trouble::Errors, Duration::from_secs(10));
        let mirrors = mirrors(&state, &state.generation().policy);
        let known: Vec<(&str, &str)> =
            mirrors.iter().map(|mirror| (mirror.host.as_str(), mirror.state.as_str())).collect();
        assert_eq!(known, [("h.dev", "down"), ("h.dev", "left-alone"), ("h.dev", "left-alone")]);
        assert!(mirrors[1].reason.ends_with(" for ann") && mirrors[2].reason.ends_with(" for ben"));
    }
}
