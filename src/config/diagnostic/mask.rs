//! Where a text has secrets, by the look of it.
//!
//! Before: a text is about to be shown, a file that may be broken or a message about one.  After: `texts` and
//! `diagnostic` put stars there.
//! Holds: rather too much is hidden than too little, for a diagnostic may end in a log: what follows a key
//! that speaks of a secret, on its line and on the lines that belong to it, and what stands before the host
//! in a URL.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

mod lines;

use self::lines::Below;

/// A key that speaks of a secret, and what it is set to, or the end of it where that is on other lines.
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let key = r#"(?i)(?:pas+\w*|pwd|token|secret|authorization|auth|api-?key)["']?[ \t]*[:=][ \t]*\[?[ \t]*"#;
    let value = r#"("{3}[^\n]*|'{3}[^\n]*|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s{\["'][^\n]*)?"#;
    Regex::new(&format!("{key}{value}")).ok()
});

/// What may stand before a host: all of it in a URL, or without a scheme what follows a colon.
static LOGIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"//([^/\s"']+)@|:(/?[^/\s"'][^\s"']*@[^\s"']*)"#).ok());

/// What a line with such a key has in it, one way or another. Without any, the expression is not tried, for it
/// is slow and nearly every line is like that.
const SIGNS: [&str; 6] = ["pas", "pwd", "token", "secret", "auth", "api"];

/// The stretches of a file that are not to be shown, in order.
pub(super) fn secrets(content: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut below = Below::default();
    let mut start = 0;
    for line in content.split_inclusive('\n') {
        let mut add = |range: Range<usize>| found.push(range.start + start..range.end + start);
        if let Some(range) = below.hidden(line) {
            add(range);
        } else {
            if is_suspicious(line) {
                below.open(line, in_line(line, &mut add));
            }
            logins(line).into_iter().for_each(add);
        }
        start += line.len();
    }
    found
}

/// A message, which may repeat a piece of a file: a word, in which a path may speak of secrets (`/run/token: no
/// such file`), or lines, where somebody has left a quote open.
pub(super) fn message(text: &str) -> Cow<'_, str> {
    let lines = text.contains('\n') || text.contains("\\n");
    let found = if lines { secrets(text) } else { logins(text) };
    match found.as_slice() {
        [] => Cow::Borrowed(text),
        found => Cow::Owned(starred(text, found)),
    }
}

/// The text with a star for each hidden byte, so that places in it stay what they are.
pub(super) fn starred(text: &str, hidden: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in hidden {
        let stars = bytes.get_mut(range.clone()).unwrap_or_default();
        stars.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The values of keys on one line. The answer is where the first of them begins, for it may go on below.
fn in_line(line: &str, add: &mut impl FnMut(Range<usize>)) -> Option<usize> {
    let Some(key) = KEY.as_ref() else {
        add(0..line.len());
        return Some(line.len());
    };
    let mut first = None;
    for found in key.captures_iter(line) {
        let value = found.get(1).map(|value| value.range());
        if value.clone().is_some_and(|range| is_boolean(line.get(range).unwrap_or_default())) {
            continue;
        }
        first = first.or(found.get(0).map(|whole| value.as_ref().map_or(whole.end(), |value| value.start)));
        value.into_iter().for_each(&mut *add);
    }
    first
}

fn logins(text: &str) -> Vec<Range<usize>> {
    if !(text.contains('@') && text.contains(':')) {
        return Vec::new();
    }
    let Some(login) = LOGIN.as_ref() else { return Vec::from([Range { start: 0, end: text.len() }]) };
    let hidden = |found: Captures<'_>| {
        if let Some(login) = found.get(1) {
            return Some(login.range());
        }
        let word = found.get(2)?;
        // What stands before the digest of an image is its tag.
        let digest = |at: usize| {
            ["@sha256:", "@sha384:", "@sha512:"].iter().any(|sign| word.as_str()[at..].starts_with(sign))
        };
        let (length, _) = word.as_str().rmatch_indices('@').find(|(at, _)| !digest(*at))?;
        Some(word.start()..word.start() + length)
    };
    login.captures_iter(text).filter_map(hidden).collect()
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
    (0..bytes.len()).any(sign)
}

#[cfg(test)]
mod tests {
    use super::{message, secrets, starred};

    fn shown(text: &str) -> String {
        starred(text, &secrets(text))
    }

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
            ("auth: 'user:pass'", "auth: ***********"),
            ("identity_token = \"x", "identity_token = **"),
            ("pasword: x", "pasword: *"),
            ("X-Api-Key = [\"k\"]", "X-Api-Key = [***]"),
            ("authConfigSecretName: name", "authConfigSecretName: name"),
            ("endpoint: [m.dev:5000]", "endpoint: [m.dev:5000]"),
        ];
        for (text, expected) in rows {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn a_value_on_the_lines_below_its_key_is_hidden() {
        let rows = [
            ("auth:\n  username: u\nx: 1", "auth:\n  username: u\nx: 1"),
            ("auth:\n  \"username\" : u", "auth:\n  \"username\" : u"),
            ("auth:\n  admin:pw\nx: 1", "auth:\n  ********\nx: 1"),
            ("- auth: # login\n\n    admin:pw\n- x", "- auth: *******\n\n    ********\n- x"),
            ("auth: &login !!str\n  admin:pw", "auth: ************\n  ********"),
            ("auth: >-\n  admin:pw\nx: 1", "auth: **\n  ********\nx: 1"),
            ("a: {password: |2+ # x\n  b: pw\n\n  pw\n}", "a: {password: *******\n  *****\n\n  **\n}"),
            ("password: one\n  two\nx: 1", "password: ***\n  ***\nx: 1"),
            ("password: \"one\n  b: two\"\nx: 1", "password: ****\n  *******\nx: 1"),
            ("password: 'one\ntwo\nthree'\nx: 1", "password: ****\n***\n******\nx: 1"),
            ("password: 'one\nx: 1", "password: ****\nx: 1"),
            ("password: 'one\n  it''s\n  three'\nx: 1", "password: ****\n  *****\n  ******\nx: 1"),
            ("password: it's\nx: don't", "password: ****\nx: don't"),
            ("password = \"\"\"\none\nb: two\"\"\"\nx = 1", "password = ***\n***\n*********\nx = 1"),
            ("passwords:\n- one\n- two\nx: 1", "passwords:\n*****\n*****\nx: 1"),
            ("password = [\n  'one',\n]\nx = 1", "password = [\n  ******\n]\nx = 1"),
            (
                "\"auth\": {\n  \"password\":\n    \"one\",\n  \"x\": 1",
                "\"auth\": {\n  \"password\":\n    ******\n  \"x\": 1",
            ),
            ("auth:\n  password: one\n  u:two\nx: 1", "auth:\n  password: ***\n  *****\nx: 1"),
            ("auth:\n  cGFzcw==", "auth:\n  ********"),
            ("pass = true\n  deny 'x'", "pass = true\n  deny 'x'"),
        ];
        for (text, expected) in rows {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn lines_in_a_message_are_hidden_as_those_of_a_file() {
        let rows = [
            ("cannot read /run/token: denied", "cannot read /run/token: denied"),
            ("unknown key `a\npassword = pw`", "unknown key `a\npassword = ***"),
            ("unknown key \"a\\npassword = pw\"", "unknown key \"a\\npassword = ***"),
        ];
        for (text, expected) in rows {
            assert_eq!(message(text), expected);
        }
    }

    #[test]
    fn what_stands_before_a_host_is_hidden() {
        let rows = [
            ("- https://u:pw@m.dev/v2", "- https://****@m.dev/v2"),
            ("- u:pw@m.dev/v2", "- u:**@m.dev/v2"),
            ("- u:p/w@m.dev", "- u:***@m.dev"),
            ("- https://u:p@pw@n.dev", "- https://******@n.dev"),
            ("- https://u:p/w@n.dev", "- https://u:***@n.dev"),
            ("- https://u:/pw@n.dev", "- https://u:***@n.dev"),
            ("[https://m.dev, \"https://ghp_x@o.dev\"]", "[https://m.dev, \"https://*****@o.dev\"]"),
            ("image: m.de:5000/x:1@sha256:00", "image: m.de:5000/x:1@sha256:00"),
            ("u:pw@m.de/x:1@sha512:00", "u:**@m.de/x:1@sha512:00"),
            ("https://m.dev/a@b", "https://m.dev/a@b"),
        ];
        for (text, expected) in rows {
            assert_eq!(shown(text), expected);
            assert_eq!(message(text), expected);
        }
    }
}
