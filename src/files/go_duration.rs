//! Durations as Go writes them: `10m`, `1h30m`, `1.5h`, `0`.
//!
//! Facts: Go `time.ParseDuration`, by which containerd reads its files and kubelet its `metav1.Duration`.

use std::time::Duration;

const UNITS: [(&str, f64); 8] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("μs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// The shortest spelling in one unit, to the millisecond: `72h`, `90s`, `1500ms`.
pub(crate) fn text(duration: Duration) -> String {
    const LARGEST_FIRST: [(&str, u128); 3] = [("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let millis = duration.as_millis();
    let unit = LARGEST_FIRST.iter().find(|(_, unit)| millis.is_multiple_of(*unit));
    unit.filter(|_| millis > 0)
        .map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

/// Reads a duration that is not negative.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is not a duration (write \"10m\", \"12h\")");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(refused());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refused)?;
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let amount: f64 = digits.parse().map_err(|_| refused())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        seconds += amount * factor;
        rest = after;
    }
    if negative && seconds > 0.0 {
        return Err(format!("{text:?} is less than nothing"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_are_what_go_makes_of_them() {
        let rows = [
            ("0", 0),
            ("0s", 0),
            ("-0s", 0),
            ("+5s", 5000),
            ("1.5h", 5_400_000),
            ("1h30m", 5_400_000),
            (".5s", 500),
            ("5.s", 5000),
            ("250ms", 250),
            ("1000µs", 1),
            ("1500us", 1),
            ("1m0.5s", 60_500),
        ];
        for (text, millis) in rows {
            assert_eq!(parse(text).unwrap().as_millis(), millis, "{text}");
        }
        for text in [
            "",
            "-",
            "+",
            "10",
            "s",
            ".s",
            "1 h",
            "1d",
            "1..5s",
            "9e9h",
            "soon",
            "-1m",
            "1e3s",
            "99999999999999999999h",
            "1h x",
        ] {
            parse(text).unwrap_err();
        }
    }

    #[test]
    fn a_text_says_the_same() {
        let rows = [
            ("72h", "72h"),
            ("1m30s", "90s"),
            ("60s", "1m"),
            ("1.5s", "1500ms"),
            ("1ms", "1ms"),
            ("0", "0ms"),
        ];
        for (written, expected) in rows {
            let duration = parse(written).unwrap();
            assert_eq!(super::text(duration), expected);
            assert_eq!(parse(expected).unwrap(), duration);
        }
    }
}
