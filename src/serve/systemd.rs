//! What systemd is told of the service (sd_notify(3)).

/// Tells systemd the state of the service.
pub(super) fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is no listener, which is not an error.
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
