//! From when to when a certificate holds.
//!
//! Holds: bytes that are not a certificate give nothing, whatever they are.
//! Source: RFC 5280 4.1.2.5; days of the calendar as in Howard Hinnant's "chrono-compatible low-level date
//! algorithms".

use std::fmt;
use std::time::SystemTime;

/// Year, month, day, and the second of the day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date(i64, u32, u32, u32);

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The beginning and the end.
pub(super) fn validity(der: &[u8]) -> Option<(Date, Date)> {
    let (_, certificate, _) = element(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, body, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let mut rest = body;
    // The version may be left out; serial number, algorithm and issuer may not.
    if element(rest)?.0 == VERSION {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (tag, begins, rest) = element(validity)?;
    let (end_tag, ends, _) = element(rest)?;
    Some((date(tag, begins)?, date(end_tag, ends)?))
}

/// Tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn date(tag: u8, text: &[u8]) -> Option<Date> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let pair = |at: usize| rest.get(at..at + 2)?.parse::<u32>().ok();
    let second = pair(4)? * 3600 + pair(6)? * 60 + pair(8)?;
    Some(Date(year, pair(0)?, pair(2)?, second))
}

impl Date {
    /// The date of a moment.
    pub(super) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let (days, second) = ((since / 86_400) as i64, (since % 86_400) as u32);
        // Eras of 400 years that begin in March, so that a leap day is a year's last.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * march_month + 2) / 5 + 1) as u32;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self(year, month as u32, day, second)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_has_the_date_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_735_689_599, "2024-12-31"),
            (4_102_444_800, "2100-01-01"),
        ] {
            let date = Date::of(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(date.to_string(), expected);
        }
    }

    #[test]
    fn both_forms_of_time_are_read() {
        assert_eq!(date(UTC_TIME, b"991231235959Z"), Some(Date(1999, 12, 31, 86_399)));
        assert_eq!(date(UTC_TIME, b"490101000000Z"), Some(Date(2049, 1, 1, 0)));
        assert_eq!(date(GENERALIZED_TIME, b"20500101000000Z"), Some(Date(2050, 1, 1, 0)));
        for bad in [&b""[..], b"Z", b"9912Z", b"99123123595\xffZ", b"991231235959"] {
            assert_eq!(date(UTC_TIME, bad), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = validity(&bytes);
        }
    }
}
