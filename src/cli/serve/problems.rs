//! Problems of a configuration as lines of the log.

use crate::config::{Diagnostics, Severity};

/// Each error on one line.
pub(super) fn errors(problems: &Diagnostics) -> impl Iterator<Item = String> {
    let lines = problems.lines().into_iter();
    lines.filter(|(severity, _)| *severity == Severity::Error).map(|(_, line)| line)
}

/// Logs warnings.
pub(super) fn log_problems(warnings: &Diagnostics) {
    for (severity, line) in warnings.lines() {
        match severity {
            Severity::Error | Severity::Warning => tracing::warn!("{line}"),
            Severity::Note => tracing::debug!("{line}"),
        }
    }
}
