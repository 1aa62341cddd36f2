//! Whether a scalar is nothing, a boolean, a number or a text.
//!
//! Holds: a quoted scalar is a text. Plain scalars are read like the Go libraries of the formats' own programs read
//! them: YAML 1.2 with the booleans of 1.1.

use crate::config::node::Value;

/// Reads a scalar. `plain` means without quotes; `tag` is the word after `!!`, or empty for a single `!`.
pub(super) fn value(text: &str, plain: bool, tag: Option<&str>) -> Value {
    let resolved = match tag {
        Some("" | "!" | "str") => false,
        Some("null") => return Value::Null,
        Some("bool" | "int" | "float") => true,
        _ => plain,
    };
    match resolved {
        true if matches!(text, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        true => match boolean(text) {
            Some(value) => Value::Bool(value, text.to_owned()),
            None if is_number(text) => Value::Number(text.to_owned()),
            None => Value::Text(text.to_owned()),
        },
        false => Value::Text(text.to_owned()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text.len() {
        1..=5 if is(["true", "yes", "y", "on"]) => Some(true),
        1..=5 if is(["false", "no", "n", "off"]) => Some(false),
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return !digits.is_empty() && digits.chars().all(|c| c == '_' || c.is_digit(radix));
        }
    }
    if digits.eq_ignore_ascii_case(".inf") || text.eq_ignore_ascii_case(".nan") {
        return true;
    }
    // Most texts are recognised by their first letter.
    let begins = digits.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E' | '+' | '-');
    begins && digits.chars().all(allowed) && digits.replace('_', "").parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str, plain: bool, tag: Option<&str>) -> &'static str {
        match value(text, plain, tag) {
            Value::Null => "null",
            Value::Bool(true, _) => "true",
            Value::Bool(false, _) => "false",
            Value::Number(_) => "number",
            Value::Text(_) => "text",
            Value::Date | Value::List(_) | Value::Map(_) => unreachable!("a scalar"),
        }
    }

    #[test]
    fn plain_scalars_are_what_they_look_like() {
        let rows = [
            ("null", "", "~ null Null NULL"),
            ("true", "y Y yes Yes on ON true True", ""),
            ("false", "n N no No off false FALSE", ""),
            ("number", "0 7 -7 +7 0123 1_000 0x1F 0o17 0b11 1.5 -.5 .5 1e5 1.5E-3 .inf -.INF .nan", ""),
            (
                "text",
                "nULL nope yess 1.2.3 10.0.0.5 m.dev m:5000 0x 0xg 08:00 e5 - + . .. 1-2 12h -x 9999999999s",
                "",
            ),
        ];
        for (expected, one, more) in rows {
            for text in one.split(' ').chain(more.split(' ')).filter(|text| !text.is_empty()) {
                assert_eq!(kind(text, true, None), expected, "{text}");
                assert_eq!(kind(text, false, None), "text", "quoted: {text}");
            }
        }
        assert_eq!((kind("", true, None), kind("", false, None)), ("null", "text"));
    }

    #[test]
    fn a_tag_says_otherwise() {
        let rows = [
            ("5", true, "str", "text"),
            ("", true, "str", "text"),
            ("yes", true, "", "text"),
            ("5", false, "int", "number"),
            ("yes", false, "bool", "true"),
            ("x", true, "null", "null"),
            ("5", true, "other", "number"),
        ];
        for (text, plain, tag, expected) in rows {
            assert_eq!(kind(text, plain, Some(tag)), expected, "!!{tag} {text}");
        }
    }
}
