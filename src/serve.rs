//! Puts the daemon together and runs it.
//!
//! Holds: the socket is bound before systemd is told that the program is ready, and what can fail at start fails
//! before that. Signals are caught before the socket is there.

pub mod admin;
pub mod frames;
pub mod listener;
pub mod log;
pub mod memory;
mod method;
pub mod metrics;
mod needed_files;
mod relay;
mod reload;
mod router;
mod startup_retry;
mod systemd;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::listener::socket::{Socket, SocketError};
use self::metrics::MetricsAt;
use crate::containerd::Containerd;
use crate::containerd::hosts::PrivateHosts;
use crate::containerd::watch::{self, Overrides};
use crate::files::fingerprint::Snapshot;
use crate::pull::{hosts_files, leftovers, pause_image, upgrade};
use crate::state::{Bypass, DirLock, Explain, Generation, LoginKey, NativeApi, Seals, State};
use crate::tell::Tell;
use crate::tell::audit::Audit;

pub use self::reload::{Outcome, Read};

/// How long calls under way may take to end after a stop signal. PullImage has no deadline, and kubelet
/// asks again by itself.
const DRAIN: Duration = Duration::from_secs(20);
/// The same where the socket is systemd's, so that everybody is served meanwhile: pulls take minutes.
const DRAIN_SERVING: Duration = Duration::from_secs(5 * 60);
/// How long adoptions may take to be undone.
const UNDO: Duration = Duration::from_secs(3);

/// What the program is made of.
pub struct Parts {
    /// containerd's socket.
    pub containerd: PathBuf,
    /// What the configuration says of containerd.
    pub overrides: Overrides,
    /// The state directory.
    pub state: PathBuf,
    /// The lock on it, if it can be had.
    pub lock: Option<DirLock>,
    /// The break-glass file.
    pub bypass: PathBuf,
    /// What happens to calls of containerd's own API.
    pub native_api: NativeApi,
    /// The policy to begin with.
    pub generation: Generation,
    /// Why it is not what the files say, if they cannot be used.
    pub unusable: Option<String>,
    /// What it was read from.
    pub seen: Snapshot,
    /// Reads the same configuration again.
    pub read: Read,
    /// Explains an image.
    pub explain: Explain,
    /// The audit, if one is wanted. Calls that are cut at the end tell it of themselves once the runtime ends.
    pub audit: Option<Arc<Audit>>,
    /// Where the numbers are served, if they are wanted.
    pub metrics: Option<MetricsAt>,
}

/// Why the program could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
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
    // Until everything has ended: another daemon would remove the names and files of pulls under way here.
    let _lock = parts.lock;
    let socket = listen()?;
    let is_inherited = socket.is_inherited();
    if is_inherited {
        tracing::info!("socket comes from cri-shunt.socket; [listen] in the config is ignored");
    }
    let containerd = Arc::new(Containerd::new(Arc::<Path>::from(parts.containerd)));
    let mut state = State::new(
        parts.generation,
        containerd.clone(),
        PrivateHosts::of(&parts.state),
        LoginKey::of(&parts.state),
        Bypass::new(parts.bypass),
    );
    state.native_api = parts.native_api;
    state.seals = Seals::kept_in(&parts.state);
    let state = Arc::new(state.telling(Tell::new(parts.audit)));
    if let Some(reason) = parts.unusable {
        state.refuse_reload(reason);
    }
    // It is set once only.
    let _ = state.explain.set(parts.explain);
    let stop = CancellationToken::new();

    let mut serving = tokio::spawn(listener::serve(socket, state.clone(), stop.clone()));
    let background = [
        tokio::spawn(watch::run(containerd, parts.overrides)),
        tokio::spawn({
            let state = state.clone();
            async move { state.bypass.watch().await }
        }),
        tokio::spawn(pause_image::keep(state.clone())),
        tokio::spawn(hosts_files::run(state.clone())),
        tokio::spawn(needed_files::run(state.clone())),
        tokio::spawn(leftovers::tidy(state.clone())),
        tokio::spawn(upgrade::tidy(state.clone(), parts.state.clone())),
        tokio::spawn(reload::run(state.clone(), hangup, parts.read, parts.seen)),
    ];
    let metrics = parts.metrics.map(|at| tokio::spawn(metrics::run(state.clone(), at, parts.state)));
    systemd::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(containerd = %state.containerd.link.socket().display(), "serving");

    signals.stop().await;

    systemd::notify(&[sd_notify::NotifyState::Stopping]);
    let limit = if is_inherited {
        tracing::info!("stopping: everybody is served until the calls under way have ended");
        DRAIN_SERVING
    } else {
        tracing::info!("stopping: no new calls");
        background.iter().chain(&metrics).for_each(JoinHandle::abort);
        DRAIN
    };
    stop.cancel();
    let ended = async {
        let _ = (&mut serving).await;
        // Adoptions whose clients have left.
        state.tasks.wait().await;
    };
    let cut = tokio::select! {
        () = ended => None,
        () = tokio::time::sleep(limit) => Some("calls were still under way; they are cut"),
        () = signals.stop() => Some("stopped once more: calls under way are cut"),
    };
    if let Some(cut) = cut {
        tracing::warn!("{cut}");
        // Who comes now waits in the socket's queue for the next daemon.
        serving.abort();
        state.hurry.cancel();
        if tokio::time::timeout(UNDO, state.tasks.wait()).await.is_err() {
            tracing::warn!("work of pulls was still under way; it is cut");
        }
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
