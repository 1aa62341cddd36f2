//! Reads the configuration again: at SIGHUP, and by itself when one of its files has changed.
//!
//! Both causes do the same. Where the new configuration has an error, the policy that is loaded stays. Files are read
//! only when they look the same twice in a row, so that no half-written file is read. A configuration that was
//! refused is read again only when something has changed.
//!
//! The files are looked at in intervals. inotify would tell sooner, but not of a target behind a symbolic link, of a
//! directory that comes later, or on a network file system. A look costs a few system calls.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

use super::systemd::notify;
use crate::files::fingerprint::Snapshot;
use crate::state::{Extent, Generation, State, counted};

/// What came of reading the configuration.
pub struct Outcome {
    /// The next policy, or the errors of the configuration, one a line.
    pub next: Result<Generation, String>,
    /// The files and directories that were looked at.
    pub seen: Snapshot,
}

/// Reads the configuration, which is to take the place of one that says so much. It may wait for files to settle, so it is
/// called on a thread of its own.
pub type Read = Arc<dyn Fn(&Extent) -> Outcome + Send + Sync>;

/// Runs for as long as the program.
pub(super) async fn run(state: Arc<State>, mut hangup: Signal, read: Read, mut seen: Snapshot) {
    loop {
        let every = state.generation().watch;
        tokio::select! {
            _ = hangup.recv() => {
                tracing::info!("SIGHUP: reading the configuration again");
                state.tell.audit.iter().for_each(|audit| audit.reopen());
            }
            () = changed(&seen, every, look) => tracing::info!("the configuration has changed: reading it again"),
        }
        let (read, before) = (read.clone(), state.generation().extent);
        match spawn_blocking(move || read(&before)).await {
            Ok(outcome) => {
                seen = outcome.seen;
                apply(&state, outcome.next);
            }
            Err(error) => apply(&state, Err(error.to_string())),
        }
        notify(&[sd_notify::NotifyState::Ready]);
    }
}

/// Returns when the files are no longer what they were, and have come to rest.
async fn changed<L>(seen: &Snapshot, every: Option<Duration>, mut look: impl FnMut(Snapshot) -> L)
where
    L: Future<Output = Snapshot>,
{
    let Some(every) = every else { return std::future::pending().await };
    let mut last = seen.clone();
    loop {
        tokio::time::sleep(every).await;
        let now = look(last.clone()).await;
        if now != *seen && now == last {
            return;
        }
        last = now;
    }
}

/// What became of the same paths. On another thread: a network file system can take its time.
async fn look(last: Snapshot) -> Snapshot {
    let looking = last.clone();
    spawn_blocking(move || looking.again()).await.unwrap_or(last)
}

fn apply(state: &State, next: Result<Generation, String>) {
    match next {
        Ok(generation) => {
            let (before, now) = (state.generation().extent, generation.extent);
            let rules = counted(now.rules);
            let files = match generation.sources.len() {
                1 => "1 file".to_owned(),
                files => format!("{files} files"),
            };
            state.replace_generation(generation);
            match before.lost_in(&now) {
                0 => tracing::info!("new policy loaded: {rules} from {files}"),
                less => tracing::warn!("new policy loaded: {rules} from {files}, {less} less than before"),
            }
        }
        Err(reason) => {
            let loaded_at = super::admin::time(state.generation().loaded_at);
            tracing::error!("reload refused, still using the policy of {loaded_at}: {reason}");
            state.tell.metrics.reload_failures.inc();
            state.refuse_reload(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;

    use super::*;
    use crate::files::fingerprint::FileState;

    /// A path in one of several states.
    fn state(kind: ErrorKind) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.note(Path::new("f"), FileState::Away(kind));
        snapshot
    }

    const A: ErrorKind = ErrorKind::NotFound;
    const B: ErrorKind = ErrorKind::PermissionDenied;
    const C: ErrorKind = ErrorKind::NotADirectory;

    /// How many looks it takes; the last state stays.
    async fn looks(seen: &Snapshot, states: &[ErrorKind]) -> Option<usize> {
        let mut taken = 0;
        let look = |_| {
            taken += 1;
            std::future::ready(state(states[taken.min(states.len()) - 1]))
        };
        let wait = changed(seen, Some(Duration::from_secs(2)), look);
        let ended = tokio::time::timeout(Duration::from_secs(1000), wait).await.is_ok();
        ended.then_some(taken)
    }

    #[tokio::test(start_paused = true)]
    async fn what_keeps_changing_is_left_alone_until_it_rests() {
        let seen = state(A);
        assert_eq!(looks(&seen, &[A]).await, None, "nothing changes");
        assert_eq!(looks(&seen, &[B]).await, Some(2));
        assert_eq!(looks(&seen, &[A, A, B, C, B, C, C]).await, Some(7));
        assert_eq!(looks(&seen, &[B, A]).await, None, "it is what it was again");
        let mut moving = Snapshot::default();
        moving.note(Path::new("f"), FileState::Moving);
        assert_eq!(looks(&moving, &[A]).await, Some(2), "what could not be read is read again");
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_not_looked_at_where_watching_is_off() {
        let look = |_| -> std::future::Ready<Snapshot> { unreachable!("looked") };
        let (seen, week) = (state(A), Duration::from_secs(7 * 86400));
        tokio::time::timeout(week, changed(&seen, None, look)).await.unwrap_err();
    }
}
