//! Where a text has secrets, by the look of it.
//!
//! Before: a line of a file, which may be broken, is about to be shown.  After: `texts` puts stars there.
//! Holds: rather too much is hidden than too little, for a diagnostic may end in a log: what follows a key
//! that speaks of a secret, up to the end of the line, and what stands for a password in a URL.
//! Not here: secrets that spread over several lines.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let key = r#"(?i)(?:pas+\w*|pwd|token|secret|authorization|auth|api-?key)["']?[ \t]*[:=][ \t]*\[?[ \t]*"#;
    let value = r#"("(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s{\["'][^\n]*)"#;
    Regex::new(&format!("{key}{value}|//[^/@\\s]*:([^/@\\s]+)@")).ok()
});

/// What a line with a secret has in it, one way or another. Without any, the expression is not tried, for it
/// is slow and nearly every line is like that.
const SIGNS: [&str; 6] = ["pas", "pwd", "token", "secret", "auth", "api"];

/// The stretches that are not to be shown.
pub(super) fn secrets(content: &str) -> Vec<Range<usize>> {
    let Some(secret) = SECRET.as_ref() else { return Vec::from([Range { start: 0, end: content.len() }]) };
    let mut found = Vec::new();
    let mut start = 0;
    for line in content.split_inclusive('\n') {
        if is_suspicious(line) {
            let value =
                |found: regex::Captures<'_>| found.get(1).or_else(|| found.get(2)).map(|part| part.range());
            let shown = |range: &Range<usize>| is_boolean(line.get(range.clone()).unwrap_or_default());
            let ranges = secret.captures_iter(line).filter_map(value).filter(|range| !shown(range));
            found.extend(ranges.map(|range| range.start + start..range.end + start));
        }
        start += line.len();
    }
    found
}

/// Nobody's secret: `pass = true` is a rule. What follows on the line must not speak of one either.
fn is_boolean(value: &str) -> bool {
    let rest = value.strip_prefix("true").or_else(|| value.strip_prefix("false"));
    rest.is_some_and(|rest| {
        !rest.starts_with(|c: char| c.is_alphanumeric() || "-_./+".contains(c)) && !is_suspicious(rest)
    })
}

fn is_suspicious(line: &str) -> bool {
    let bytes = line.as_bytes();
    let sign = |at: usize| {
        matches!(bytes[at] | 0x20, b'p' | b't' | b's' | b'a')
            && SIGNS.iter().any(|sign| {
                bytes.get(at..at + sign.len()).is_some_and(|word| word.eq_ignore_ascii_case(sign.as_bytes()))
            })
    };
    (line.contains('@') && line.contains("//")) || (0..bytes.len()).any(sign)
}

#[cfg(test)]
mod tests {
    use super::secrets;

    #[test]
    fn what_speaks_of_a_secret_is_hidden_to_the_end_of_the_line() {
        let rows = [
            ("pass = true, deny = 'no'", "pass = true, deny = 'no'"),
            ("pass = true, password = 'no'", "pass = *********************"),
            ("pass: truelove", "pass: ********"),
            ("  password: pa,ss # x", "  password: *********"),
            (
                "{\"auth\":{\"username\":\"u\",\"password\":\"p\\\"q\"},\"x\":1}",
                "{\"auth\":{\"username\":\"u\",\"password\":******},\"x\":1}",
            ),
            ("auth: {username: u, password: p}", "auth: {username: u, password: **"),
            ("auth:\n  username: u", "auth:\n  username: u"),
            ("auth: 'user:pass'", "auth: ***********"),
            ("identity_token = \"x", "identity_token = **"),
            ("pasword: x", "pasword: *"),
            ("X-Api-Key = [\"k\"]", "X-Api-Key = [***]"),
            ("- https://u:pw@m.dev/v2", "- https://u:**@m.dev/v2"),
            ("authConfigSecretName: name", "authConfigSecretName: name"),
            ("endpoint: [m.dev:5000]", "endpoint: [m.dev:5000]"),
        ];
        for (text, expected) in rows {
            let mut shown = text.to_owned();
            for range in secrets(text) {
                shown.replace_range(range.clone(), &"*".repeat(range.len()));
            }
            assert_eq!(shown, expected);
        }
    }
}
