//! Keeps the `hosts.toml` files that containerd is to find.
//!
//! Holds: it compares them with the plan when containerd's set-up was learned, when another policy is put in force, and
//! now and then: a header's file may change, or a person may remove a directory. A problem is logged once. A pull from
//! such a host waits for the first comparison, but not long (`State::synced`).
//! Not here: which files (`containerd::hosts::plan`).

use std::sync::Arc;
use std::time::Duration;

use crate::containerd::Facts;
use crate::containerd::hosts::{self, Report};
use crate::state::{Generation, State};

/// How long until the files are looked at again without any sign.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// Keeps them for as long as it is polled.
pub async fn run(state: Arc<State>) {
    let (mut facts, mut generations) = (state.containerd.watch_facts(), state.generations());
    let mut before = Report::default();
    loop {
        // Seen before the values are read: what changes meanwhile is looked at once more.
        let generation = *generations.borrow_and_update();
        let Ok(known) = facts.wait_for(Option::is_some).await.map(|known| known.clone().unwrap_or_default())
        else {
            return;
        };
        let (report, idle) = look(&state, known).await;
        tell(&before, &report);
        state.note_transport(generation, report.clone());
        before = report;
        let again = async {
            match idle {
                true => std::future::pending().await,
                false => tokio::time::sleep(LOOK_AGAIN).await,
            }
        };
        tokio::select! {
            _ = facts.changed() => {}
            _ = generations.changed() => {}
            () = again => {}
        }
    }
}

/// One look, and whether there is nothing to look after.
async fn look(state: &Arc<State>, facts: Arc<Facts>) -> (Report, bool) {
    let generation = state.generation();
    // The disk may be slow, and the one thread of the program is for calls.
    match tokio::task::spawn_blocking(move || pass(&generation, &facts)).await {
        Ok(done) => done,
        Err(error) => {
            (Report::failed(format!("containerd's hosts.toml files were not looked at: {error}")), false)
        }
    }
}

fn pass(generation: &Generation, facts: &Facts) -> (Report, bool) {
    let plan = hosts::plan(&generation.policy, &generation.transport);
    let report = hosts::keep(&plan, &facts.roots);
    if plan.is_empty() {
        return (report, true);
    }
    let report = match hosts::set_up(facts) {
        Some(problem) => report.unread(problem),
        None => report,
    };
    (report, false)
}

fn tell(before: &Report, report: &Report) {
    for change in &report.changes {
        tracing::info!("for containerd: {change}");
    }
    for problem in report.problems.iter().filter(|problem| !before.problems.contains(problem)) {
        tracing::warn!("{problem}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::hosts::Transport;
    use crate::registry::HeaderValue;
    use crate::state::fixture;

    #[tokio::test(start_paused = true)]
    async fn a_headers_file_that_changes_is_read_again_within_20_seconds() {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, "first\n").unwrap();
        let value = HeaderValue::File(token.clone());
        let header = Transport::Header { name: "X-Token".to_owned(), value };
        let state = fixture::state(dir.path(), "h.dev:5000", header);
        let certs = dir.path().join("certs.d");
        state.containerd.learned(fixture::facts(&certs));
        let file = certs.join("h.dev_5000_").join("hosts.toml");
        let says = |value: &str| std::fs::read_to_string(&file).unwrap().contains(value);
        let test = async {
            assert!(state.synced("h.dev:5000").await && says("first"));
            std::fs::write(&token, "second\n").unwrap();
            // The clock stands while the disk is at work, so this is 20 seconds after the look.
            tokio::time::sleep(Duration::from_secs(19)).await;
            assert!(says("first"), "nothing has looked yet");
            tokio::time::sleep(Duration::from_secs(1) + Duration::from_millis(10)).await;
            assert!(says("second"));
        };
        tokio::select! {
            () = run(state.clone()) => panic!("it ends with the program only"),
            () = test => {}
        }
    }
}
