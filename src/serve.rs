//! Puts the program together and runs it: the composition root.
//!
//! Before: `cli::serve` has a valid config.  After: `listener` serves, until a signal says stop.
//! Holds: the socket is bound before readiness is told, and what can fail at start fails before that. From before
//! the socket on, a signal is an event like any other, and no end of the program.
//! Not here: when another policy is read (`reload`).

pub mod admin;
pub mod listener;
pub mod log;
mod relay;
mod reload;
mod router;
mod startup_retry;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::listener::socket::{Socket, SocketError};
use crate::containerd::Containerd;
use crate::containerd::watch::{self, Overrides};
use crate::files::fingerprint::Snapshot;
use crate::pull::{hosts_files, pause_image, sweep};
use crate::state::{Generation, Ledger, LedgerError, State};

pub use self::reload::{Outcome, Read};

/// How long calls under way may take to end after a stop signal. PullImage has no deadline, and kubelet
/// asks again by itself.
const DRAIN: Duration = Duration::from_secs(20);

/// What the program is made of.
pub struct Parts {
    /// containerd's socket.
    pub containerd: PathBuf,
    /// What the configuration says of containerd.
    pub overrides: Overrides,
    /// Where the ledger is kept.
    pub state: PathBuf,
    /// The break-glass file.
    pub bypass: PathBuf,
    /// The policy to begin with.
    pub generation: Generation,
    /// What it was read from.
    pub seen: Snapshot,
    /// Reads the same configuration again.
    pub read: Read,
}

/// Why the program could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The state directory is not usable.
    #[error("state directory: {0}")]
    State(#[from] LedgerError),
    /// There is nothing to listen at.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The system refuses something that every process may do.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

/// The signals that mean something here.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Runs until SIGTERM or SIGINT, at the socket that `listen` makes.
///
/// # Errors
/// What keeps the program from starting.
pub async fn run(parts: Parts, listen: impl FnOnce() -> Result<Socket, SocketError>) -> Result<(), AppError> {
    let hangup = taken("SIGHUP", SignalKind::hangup())?;
    let mut signals = Signals {
        terminate: taken("SIGTERM", SignalKind::terminate())?,
        interrupt: taken("SIGINT", SignalKind::interrupt())?,
    };
    let directory = parts.state;
    // The disk may be away, and the program is to be stopped all the same.
    let opened = tokio::task::spawn_blocking(move || Ledger::open(directory));
    let ledger = tokio::select! {
        opened = opened => opened.map_err(std::io::Error::from).map_err(system("a thread"))??,
        () = signals.stop() => return Ok(()),
    };
    let socket = listen()?;
    if socket.is_inherited() {
        tracing::info!("systemd holds the socket: its unit counts, not [listen]");
    }
    let containerd = Arc::new(Containerd::new(Arc::<Path>::from(parts.containerd)));
    let state = Arc::new(State::new(parts.generation, containerd.clone(), Arc::new(ledger), parts.bypass));
    let stop = CancellationToken::new();

    let serving = tokio::spawn(listener::serve(socket, state.clone(), stop.clone()));
    let background = [
        tokio::spawn(watch::run(containerd, parts.overrides)),
        tokio::spawn(pause_image::keep(state.clone())),
        tokio::spawn(hosts_files::run(state.clone())),
        tokio::spawn(sweep::run(state.clone())),
        tokio::spawn(reload::run(state.clone(), hangup, parts.read, parts.seen)),
    ];
    notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(containerd = %state.containerd.link.socket().display(), "serving");

    signals.stop().await;

    tracing::info!("stopping: no new calls");
    notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    background.iter().for_each(tokio::task::JoinHandle::abort);
    if tokio::time::timeout(DRAIN, serving).await.is_err() {
        tracing::warn!(waited = ?DRAIN, "calls were still under way; they are cut");
    }
    Ok(())
}

fn taken(what: &'static str, kind: SignalKind) -> Result<Signal, AppError> {
    signal(kind).map_err(system(what))
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> AppError {
    move |source| AppError::System { what, source }
}

// === impl Signals ===

impl Signals {
    /// Returns when the program is to end.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd nobody listens, and that is no error.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
