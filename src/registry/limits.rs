//! How many requests a registry still answers, and when it answers more.
//!
//! Facts: RFC 9110, 10.2.3 and 5.6.7 (`Retry-After`: seconds, or a date as in `Sun, 06 Nov 1994 08:49:37 GMT`). Docker Hub
//! sends `ratelimit-remaining: 0;w=21600`, where `w` is the length of the window and not its end. GitHub sends
//! `x-ratelimit-reset` in seconds since the Unix epoch; the drafts of the IETF have `ratelimit-reset` in seconds from now.

use std::time::{Duration, SystemTime};

use super::error::{Class, Failure};
use super::exchange::Answer;

/// The longest time that a registry can ask to be left alone for.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3600);

/// From here on a number of seconds is a time since the Unix epoch.
const EPOCH: u64 = 1_000_000_000;

const REMAINING: [&str; 2] = ["ratelimit-remaining", "x-ratelimit-remaining"];
const RESET: [&str; 2] = ["ratelimit-reset", "x-ratelimit-reset"];

/// Whether the registry says that it answers no more requests for now.
pub(super) fn none_left(answer: &Answer) -> bool {
    REMAINING.into_iter().any(|name| number(answer, name) == Some("0"))
}

/// When the registry may be asked again, after it refused.
pub(super) fn rest(answer: &Answer) -> Option<Duration> {
    let said = answer.header("retry-after").and_then(retry_after);
    said.or_else(|| RESET.into_iter().find_map(|name| reset(number(answer, name)?)))
}

/// The same after an answer that was the last one for now. Where the registry does not say when more come, it may
/// be asked again.
pub(super) fn after_success(answer: &Answer) -> Option<Duration> {
    if none_left(answer) { rest(answer) } else { None }
}

/// What is in front of the parameters of a header.
fn number<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.header(name)?.split(';').next().map(str::trim)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if is_number(text) {
        return Some(text.parse().map_or(LONGEST_REST, Duration::from_secs).min(LONGEST_REST));
    }
    Some(from_now(httpdate::parse_http_date(text).ok()?))
}

fn reset(text: &str) -> Option<Duration> {
    let seconds: u64 = Some(text).filter(|text| is_number(text))?.parse().ok()?;
    if seconds < EPOCH {
        return Some(Duration::from_secs(seconds).min(LONGEST_REST));
    }
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some(from_now(at))
}

/// A time that is over need not be waited for.
fn from_now(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::now()).unwrap_or_default().min(LONGEST_REST)
}

/// `Retry-After`, and with a limit what the headers of Docker Hub and others say. Begins with a separator, or is empty.
pub(super) fn words(answer: &Answer, class: Class) -> String {
    let again = again(answer, class);
    if class.failure != Failure::RateLimited {
        return again;
    }
    let names = ["ratelimit-limit", "ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-remaining"];
    let values = names.into_iter().filter_map(|name| Some((name, answer.quote(answer.header(name)?)?)));
    let said: Vec<String> = values.map(|(name, value)| format!("{name} {value}")).collect();
    match said.is_empty() {
        true => again,
        false if again.is_empty() => format!("; {}", said.join(", ")),
        false => format!("{again}, {}", said.join(", ")),
    }
}

/// For how long the registry wants to be left alone: in its own words, or in seconds where they may not be told.
pub(super) fn again(answer: &Answer, class: Class) -> String {
    let may_rest = class.retry_after.is_some() || class.failure == Failure::RateLimited;
    let Some(text) = answer.header("retry-after").filter(|_| may_rest) else { return String::new() };
    match (answer.quote(text), class.retry_after) {
        (Some(words), _) if !is_number(text) => format!("; again after {words}"),
        (_, Some(rest)) => format!("; again after {} s", rest.as_secs()),
        (_, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_number_of_seconds_or_a_time() {
        assert_eq!(reset("90"), Some(Duration::from_secs(90)));
        assert_eq!(reset("999999999"), Some(LONGEST_REST));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(reset(&(now - 5).to_string()), Some(Duration::ZERO));
        let soon = reset(&(now + 600).to_string()).unwrap();
        assert!(soon <= Duration::from_secs(600) && soon > Duration::ZERO, "{soon:?}");
        for text in ["", "-1", "1.5", "soon", "99999999999999999999999"] {
            assert_eq!(reset(text), None, "{text}");
        }
    }
}
