//! The log as JSON: one object a line, for programs.
//!
//! Each has `time`, `level`, `target` and `message`, the id of the request, and the fields of the line by their own
//! names. A time span is a number of seconds.

use std::fmt::{self, Debug};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::of_request::request;
use crate::tell::audit::time;

/// The fields that are time spans.
const SPANS: [&str; 3] = ["took", "in_containerd", "waited"];

/// Writes events as JSON.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut own = Map::new();
        event.record(&mut Into(&mut own));
        let mut line = Map::new();
        line.insert("time".to_owned(), time(SystemTime::now()).into());
        line.insert("level".to_owned(), event.metadata().level().as_str().to_lowercase().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        line.insert("message".to_owned(), own.remove("message").unwrap_or_default());
        line.extend(request().map(|id| ("id".to_owned(), id.to_string().into())));
        line.extend(own);
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Puts fields into a map.
struct Into<'m>(&'m mut Map<String, Value>);

impl Into<'_> {
    fn put(&mut self, field: &Field, value: impl std::convert::Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        match seconds(&text).filter(|_| SPANS.contains(&field.name())) {
            Some(seconds) => self.put(field, seconds),
            None => self.put(field, text),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

/// A time span as Rust writes it: `1.25s`, `12.3ms`, `45µs`.
fn seconds(text: &str) -> Option<f64> {
    // The longer units first, for all of them end with an "s".
    let units = [("ns", 1e9), ("µs", 1e6), ("ms", 1e3), ("s", 1.0)];
    let (number, parts) = units.iter().find_map(|(unit, parts)| Some((text.strip_suffix(unit)?, parts)))?;
    Some(number.parse::<f64>().ok()? / parts)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_span_is_a_number_of_seconds() {
        for (span, expected) in [
            (Duration::from_millis(1250), 1.25),
            (Duration::from_micros(12_300), 0.0123),
            (Duration::from_micros(45), 0.000_045),
            (Duration::from_nanos(7), 7e-9),
            (Duration::ZERO, 0.0),
        ] {
            assert!((seconds(&format!("{span:?}")).unwrap() - expected).abs() < 1e-12, "{span:?}");
        }
        assert_eq!(seconds("a few days"), None);
    }
}
