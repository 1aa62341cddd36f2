//! Sets up the log.
//!
//! The log goes to stderr. One event is one line, so it is one record of the journal, and the value of a field is
//! quoted where a reader of `name=value` pairs could not find its end. Under the journal a line begins with its
//! priority and has no time, because the journal has one. `json` is the form for programs.

mod json;
pub mod of_request;

use std::fmt::{self, Debug};
use std::io::IsTerminal;

use rustix::fs::fstat;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::TryInitError;

use of_request::request;

/// Set by systemd to the device and inode of the stream that it reads, see systemd.exec(5).
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// The target of this program's own lines.
const OWN: &str = "cri_shunt";

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The variable in the environment cannot be used.
    #[error(
        "{name}: {word:?} is not a log level; write error, warn, info, debug, trace or off, or target=level, \
         for example \"info,h2=debug\""
    )]
    Filter {
        /// The variable.
        name: &'static str,
        /// The part of its value that cannot be used.
        word: String,
    },
    /// A log was set up before.
    #[error("the log cannot be set up")]
    Init(#[from] TryInitError),
}

/// Sends the log to stderr. `level` is a level, or a list as the environment variable `variable` takes it. The
/// variable, where it is set and not empty, wins.
///
/// # Errors
/// Where a part of the list is neither a level nor `target=level`: a typing mistake must not silence the log.
pub fn init(level: &str, format: LogFormat, variable: &'static str) -> Result<(), LogError> {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let set = std::env::var_os(variable).filter(|value| !value.is_empty());
    let wanted = set.map_or_else(|| level.to_owned(), |value| value.to_string_lossy().into_owned());
    let filter = filter(&wanted).map_err(|word| LogError::Filter { name: variable, word })?;
    let registry = tracing_subscriber::registry().with(filter);
    if format == LogFormat::Json {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
        match is_journal() {
            true => registry.with(layer.event_format(Journal(json::Json))).try_init()?,
            false => registry.with(layer.event_format(json::Json)).try_init()?,
        }
        return Ok(());
    }
    let layer = tracing_subscriber::fmt::layer().fmt_fields(Fields).with_writer(std::io::stderr);
    if is_journal() {
        let layer =
            layer.with_ansi(false).event_format(Journal(Format::default().without_time().with_level(false)));
        registry.with(layer).try_init()?;
    } else {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        registry.with(layer.with_ansi(!plain && std::io::stderr().is_terminal())).try_init()?;
    }
    Ok(())
}

/// What is logged. A level alone is for this program's own lines; of the libraries it shows no more than `info`, for
/// below that they tell every frame of every connection. The error is the part that cannot be used.
fn filter(wanted: &str) -> Result<Targets, String> {
    let mut filter = Targets::new();
    for part in wanted.split(',') {
        let (target, word) = part.split_once('=').map_or((None, part), |(target, word)| (Some(target), word));
        let level = ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
        let level: LevelFilter = word.parse().ok().filter(|_| level).ok_or(part)?;
        filter = match target {
            None => filter.with_default(level.min(LevelFilter::INFO)).with_target(OWN, level),
            Some(target) if is_target(target) => filter.with_target(target, level),
            Some(_) => return Err(part.to_owned()),
        };
    }
    Ok(filter)
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// Whether stderr is the stream that the journal reads.
#[must_use]
pub fn is_journal() -> bool {
    is_stream(std::env::var(JOURNAL_STREAM).ok().as_deref())
}

/// A shell below a service inherits the variable, but not the stream.
fn is_stream(variable: Option<&str>) -> bool {
    let Some((device, inode)) = variable.and_then(|value| value.split_once(':')) else { return false };
    let Ok(stat) = fstat(std::io::stderr()) else { return false };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

/// The fields of a line, and the id of its request.
struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let own = debug_fn(|writer, field, value| write_field(writer, field, value)).delimited(" ");
        own.format_fields(writer.by_ref(), fields)?;
        request().map_or(Ok(()), |id| write!(writer, " id={id}"))
    }
}

/// One field of an event, on one line.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => writer.write_str(&in_one_line(&text)),
        name if is_word(&text) || is_quoted(&text) => write!(writer, "{name}={text}"),
        name => write!(writer, "{name}={text:?}"),
    }
}

fn in_one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

/// What every reader takes for one value without quotes.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\'))
}

/// A string as Rust quotes it.
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            c if c.is_control() => return false,
            _ => {}
        }
    }
    !escaped
}

/// Lines that begin with `<N>`, the priority as in sd-daemon(3).
/// The journal takes them off.
struct Journal<F>(F);

impl<S, N, F> FormatEvent<S, N> for Journal<F>
where
    F: FormatEvent<S, N>,
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

    use super::of_request::REQUEST;
    use super::*;
    use crate::state::RequestIds;

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

    /// The lines that `events` writes.
    fn written(events: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .fmt_fields(Fields)
            .event_format(Journal(Format::default().without_time().with_level(false)))
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_journal_line_begins_with_its_priority() {
        let written = written(|| {
            tracing::error!(target: "t", "one");
            tracing::warn!(target: "t", "two");
            tracing::info!(target: "t", "three");
            tracing::debug!(target: "t", "four");
        });
        assert_eq!(written, "<3>t: one\n<4>t: two\n<6>t: three\n<7>t: four\n");
    }

    #[test]
    fn an_event_is_one_line_and_its_values_can_be_told_apart() {
        let written = written(|| {
            let text = "two words, \"quoted\"\nand a line";
            tracing::info!(target: "t", a = 1, b = "x", c = "x y", d = %"m.dev:5000/x", e = %"", "done");
            tracing::info!(target: "t", error = %text, odd = %"\"a\" \"b\"", "first\n\nsecond\n");
        });
        let expected = concat!(
            "<6>t: done a=1 b=\"x\" c=\"x y\" d=m.dev:5000/x e=\"\"\n",
            "<6>t: first; second error=\"two words, \\\"quoted\\\"\\nand a line\" odd=\"\\\"a\\\" \\\"b\\\"\"\n",
        );
        assert_eq!(written, expected);
    }

    #[test]
    fn the_lines_of_a_request_have_its_id() {
        let id = RequestIds::new().next();
        let written = written(|| {
            REQUEST.sync_scope(id, || tracing::info!(target: "t", a = 1, "inside"));
            tracing::info!(target: "t", a = 1, "outside");
        });
        assert_eq!(written, format!("<6>t: inside a=1 id={id}\n<6>t: outside a=1\n"));
    }

    #[test]
    fn a_level_is_for_the_programs_own_lines_and_a_mistake_is_an_error() {
        let shows =
            |wanted: &str, target: &str, level: Level| filter(wanted).unwrap().would_enable(target, &level);
        assert!(
            shows("debug", "cri_shunt::serve", Level::DEBUG) && !shows("debug", "h2::codec", Level::DEBUG)
        );
        assert!(shows("debug", "h2::codec", Level::INFO) && !shows("warn", "h2::codec", Level::INFO));
        assert!(shows("info,h2=trace", "h2::codec", Level::TRACE));
        assert!(
            !shows("off", "cri_shunt", Level::ERROR) && shows("cri_shunt=trace", "cri_shunt", Level::TRACE)
        );
        for (wanted, word) in [
            ("verbose", "verbose"),
            (" debug", " debug"),
            ("info,h2=loud", "h2=loud"),
            ("=info", "=info"),
            ("info,", ""),
        ] {
            assert_eq!(filter(wanted).unwrap_err(), word);
        }
    }

    #[test]
    fn the_journal_is_known_by_the_stream_and_not_by_the_variable_alone() {
        let stat = fstat(std::io::stderr()).unwrap();
        assert!(is_stream(Some(&format!("{}:{}", stat.st_dev, stat.st_ino))));
        assert!(!is_stream(Some(&format!("{}:{}", stat.st_dev, stat.st_ino + 1))));
        assert!(!is_stream(Some("nonsense")));
        assert!(!is_stream(None));
    }
}
