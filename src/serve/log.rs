//! Sets up the log.
//!
//! Before: `cli::serve` has the configured level.  After: every module logs through `tracing`.
//! Holds: the log goes to stderr and never to stdout; under the journal each line carries its priority
//! and no time of its own, for the journal has one.
//! Not here: what is logged.

use std::fmt;
use std::io::IsTerminal;

use rustix::fs::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::TryInitError;

/// Set by systemd to the device and inode of the stream that it reads, see systemd.exec(5).
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter in the environment is none.
    #[error("{name} is set to {value:?}, which is no log filter")]
    Filter {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// A log had been set up before.
    #[error("the log cannot be set up")]
    Init(#[from] TryInitError),
}

/// Sends the log to stderr. `filter` is a level, or directives as the environment variable `variable`
/// takes them; the variable, where it is set and not empty, wins.
///
/// # Errors
/// Where the variable's value is no filter: a typo must not silence the log.
pub fn init(filter: &str, variable: &'static str) -> Result<(), TelemetryError> {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let set = std::env::var(variable).ok().filter(|value| !value.is_empty());
    let wanted = set.unwrap_or_else(|| filter.to_owned());
    let filter: Targets =
        wanted.parse().map_err(|source| TelemetryError::Filter { name: variable, value: wanted, source })?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if is_journal(std::env::var(JOURNAL_STREAM).ok().as_deref()) {
        let layer =
            layer.with_ansi(false).event_format(Journal(Format::default().without_time().with_level(false)));
        registry.with(layer).try_init()?;
    } else {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        registry.with(layer.with_ansi(!plain && std::io::stderr().is_terminal())).try_init()?;
    }
    Ok(())
}

/// Whether stderr is the stream that the journal reads: a shell below a service inherits the variable,
/// but not the stream.
fn is_journal(variable: Option<&str>) -> bool {
    let Some((device, inode)) = variable.and_then(|value| value.split_once(':')) else { return false };
    let Ok(stat) = fstat(std::io::stderr()) else { return false };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

/// Lines that begin with `<N>`, the priority as in sd-daemon(3).
struct Journal(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// syslog(3)'s numbers.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_journal_line_begins_with_its_priority() {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(Journal(Format::default().without_time().with_level(false)))
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::error!(target: "t", "one");
            tracing::warn!(target: "t", "two");
            tracing::info!(target: "t", "three");
            tracing::debug!(target: "t", "four");
        });
        let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written, "<3>t: one\n<4>t: two\n<6>t: three\n<7>t: four\n");
    }

    #[test]
    fn the_journal_is_known_by_the_stream_and_not_by_the_variable_alone() {
        let stat = fstat(std::io::stderr()).unwrap();
        assert!(is_journal(Some(&format!("{}:{}", stat.st_dev, stat.st_ino))));
        assert!(!is_journal(Some(&format!("{}:{}", stat.st_dev, stat.st_ino + 1))));
        assert!(!is_journal(Some("nonsense")));
        assert!(!is_journal(None));
    }
}
