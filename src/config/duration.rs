//! Durations as administrators write them: `10s`, `1m30s`, `500ms`, `1h`.
//!
//! Holds: what is accepted means the same in Go's `time.ParseDuration`, in which the rest of a node's configuration
//! is written. Fractions and signs are not accepted.

use std::borrow::Cow;
use std::time::Duration;

use super::refusal::Refusal;
use crate::files::go_duration;

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Reads a duration: one or more `<number><unit>`, without spaces.
pub(super) fn parse(text: &str) -> Result<Duration, Refusal> {
    let refuse = || refusal(text);
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (digits, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let number: u64 = digits.parse().map_err(|_| refuse())?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refuse)?;
        let part = number.checked_mul(*millis).ok_or_else(refuse)?;
        total = total.checked_add(part).ok_or_else(refuse)?;
        rest = after;
    }
    if text.is_empty() { Err(refuse()) } else { Ok(Duration::from_millis(total)) }
}

fn refusal(text: &str) -> Refusal {
    Refusal::new(format!("\"{text}\" is not a duration"))
        .hint("write numbers with units ms, s, m or h, for example \"10s\" or \"1m30s\"")
}

/// Checks a duration of a file that is read by Go.
pub(super) fn check_go(text: &str) -> Result<(), Refusal> {
    go_duration::parse(text).map(drop).map_err(|_| refusal(text))
}

/// A duration of such a file, as it can stand in a file of this program; `None` where it is zero.
pub(super) fn of_go(text: &str) -> Option<Cow<'_, str>> {
    if parse_positive(text).is_ok() {
        return Some(Cow::Borrowed(text));
    }
    let millis = go_duration::parse(text).ok()?.as_nanos().div_ceil(1_000_000);
    (millis > 0).then(|| Cow::Owned(format!("{millis}ms")))
}

/// As [`parse`], but zero is refused.
pub(super) fn parse_positive(text: &str) -> Result<Duration, Refusal> {
    match parse(text)? {
        Duration::ZERO => Err(Refusal::new("must be longer than 0s")),
        duration => Ok(duration),
    }
}

/// A duration of the command line.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    parse_positive(text).map_err(|refusal| match refusal.hint {
        Some(hint) => format!("{}; {hint}", refusal.message),
        None => refusal.message,
    })
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_duration_of_go_gets_a_spelling_that_is_read_here() {
        let rows = [
            ("1m30s", Some("1m30s")),
            ("1.5s", Some("1500ms")),
            ("500us", Some("1ms")),
            ("+2s", Some("2000ms")),
            ("0", None),
            ("0s", None),
            ("soon", None),
        ];
        for (text, expected) in rows {
            assert_eq!(of_go(text).as_deref(), expected, "{text}");
            assert_eq!(check_go(text).is_ok(), text != "soon", "{text}");
        }
    }

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        let rows = [
            ("0s", 0),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("250ms", 250),
            ("2h", 7_200_000),
            ("1m1ms", 60_001),
        ];
        for (text, millis) in rows {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "1m 30s",
            "1d",
            "10S",
            "99999999999999999999s",
            "9999999999999999h",
        ] {
            let refusal = parse(text).unwrap_err();
            assert_eq!(refusal.message, format!("\"{text}\" is not a duration"));
        }
        assert_eq!(parse_positive("0s").unwrap_err().message, "must be longer than 0s");
        assert_eq!(parse_positive("1ms").unwrap(), Duration::from_millis(1));
    }
}
