//! Runs the work of a command that waits for others.

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::terminal;

/// Runs it on this thread.
///
/// # Errors
/// The system gives nothing to run it on, which is told.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Exit> {
    Ok(runtime()?.block_on(work))
}

/// What runs it, for several times.
///
/// # Errors
/// Those of [`block_on`].
pub(super) fn runtime() -> Result<Runtime, Exit> {
    Builder::new_current_thread().enable_all().build().map_err(|error| {
        terminal::complain(&error);
        Exit::Runtime
    })
}

/// Waits for SIGTERM.
///
/// # Errors
/// The system does not tell of signals.
pub(super) async fn terminated() -> std::io::Result<()> {
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}
