//! Puts the program together and runs it: the composition root.
//!
//! Before: `cli::serve` has a valid config.  After: `listener` serves, until a signal says stop.
//! Holds: the socket is bound before readiness is told, and what can fail at start fails before that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::attend;
use crate::listener::{self, socket::Socket};
use crate::node::{Generation, Node};
use crate::sweep::{self, Ledger, LedgerError};
use crate::upstream::Link;

pub use crate::attend::Said;

/// How long calls under way may take to end after a stop signal. PullImage has no deadline, and kubelet
/// asks again by itself.
const DRAIN: Duration = Duration::from_secs(20);

/// What the program is made of.
pub struct Parts {
    /// containerd's socket.
    pub containerd: PathBuf,
    /// The administrator's word, over what containerd says of itself.
    pub said: Said,
    /// Where the ledger is kept.
    pub state: PathBuf,
    /// The break-glass file.
    pub bypass: PathBuf,
    /// The policy to begin with.
    pub generation: Generation,
}

/// Why the program could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The state directory is not usable.
    #[error("state directory: {0}")]
    State(#[from] LedgerError),
    /// The system refuses something that every process may do.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

/// Runs until SIGTERM or SIGINT. `reload` is called at SIGHUP and gives the next policy, or says what
/// is wrong with it.
///
/// # Errors
/// What keeps the program from starting.
pub async fn run(
    parts: Parts,
    socket: Socket,
    mut reload: impl FnMut() -> Result<Generation, String>,
) -> Result<(), AppError> {
    let ledger = Arc::new(Ledger::open(parts.state)?);
    let link = Link::new(Arc::<Path>::from(parts.containerd));
    let node = Arc::new(Node::new(parts.generation, link, ledger, parts.bypass));
    let stop = CancellationToken::new();

    let failed = |what| move |source| AppError::System { what, source };
    let mut hangup = signal(SignalKind::hangup()).map_err(failed("SIGHUP"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("SIGINT"))?;

    let serving = tokio::spawn(listener::serve(socket, node.clone(), stop.clone()));
    let sweeping = tokio::spawn(sweep::run(node.clone()));
    let attending = tokio::spawn(attend::run(node.clone(), parts.said));
    let keeping = tokio::spawn(attend::hosts::run(node.clone()));
    notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(containerd = %node.link.socket().display(), "serving");

    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                apply_reload(&node, reload());
                notify(&[sd_notify::NotifyState::Ready]);
            }
        }
    }

    tracing::info!("stopping: no new calls");
    notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    sweeping.abort();
    attending.abort();
    keeping.abort();
    if tokio::time::timeout(DRAIN, serving).await.is_err() {
        tracing::warn!(waited = ?DRAIN, "calls were still under way; they are cut");
    }
    Ok(())
}

fn apply_reload(node: &Node, next: Result<Generation, String>) {
    match next {
        Ok(generation) => {
            node.replace_generation(generation);
            tracing::info!("another policy is in force");
        }
        Err(reason) => {
            tracing::error!("the policy in force stays, for the new one is not valid:\n{reason}");
            node.refuse_reload(reason);
        }
    }
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd nobody listens, and that is no error.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
