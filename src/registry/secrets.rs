//! Hides secrets in the words that other programs send back.
//!
//! Everything secret that is sent to the other side is added here. `quote` prepares another program's words for
//! an error, and `hide` goes over the finished error once more.
//! A secret is found in upper, lower or mixed case, percent-encoded, as a form encodes it, escaped as in JSON,
//! and in base64, alone or with its user. Other forms that a server may give a secret are not found.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::HeaderValue;

use crate::files::secret::Secret;

/// Shorter secrets are not looked for in texts: the gaps would give them away.
const MIN_SECRET: usize = 6;

/// How many characters of another's words are repeated.
const MAX_WORDS: usize = 200;

/// What stands in a secret's place.
const GAP: &str = "(a secret)";

/// All secrets that go to one registry, its token server and its proxy.
#[derive(Debug, Default)]
pub(super) struct Secrets(Mutex<Vec<Secret>>);

impl Secrets {
    pub(super) fn add(&self, text: &str) {
        if text.len() < MIN_SECRET {
            return;
        }
        let base64 = [STANDARD.encode(text), URL_SAFE.encode(text)];
        let forms = base64.iter().map(|form| form.trim_end_matches('=')).chain([text]);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for form in forms.map(str::to_ascii_lowercase) {
            if !known.iter().any(|secret| secret.expose() == form) {
                known.push(Secret::new(form));
            }
        }
    }

    /// `user:password`: the password alone, and what Basic makes of both.
    pub(super) fn add_pair(&self, pair: &str) {
        self.add(&STANDARD.encode(pair));
        self.add(STANDARD.encode(pair).trim_end_matches('='));
        self.add(URL_SAFE.encode(pair).trim_end_matches('='));
        self.add(pair.split_once(':').map_or("", |(_, password)| password));
    }

    /// The value of a header, which may be a scheme and a secret.
    pub(super) fn add_header(&self, value: &str) {
        self.add(value);
        let Some((_, credentials)) = value.split_once(' ') else { return };
        self.add(credentials);
        if let Ok(Ok(pair)) = STANDARD.decode(credentials).map(String::from_utf8) {
            self.add_pair(&pair);
        }
    }

    /// A text without the secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Range<usize>> = Vec::new();
        for reading in [Reading::Plain, Reading::Percent, Reading::Form, Reading::Json] {
            let view = View::new(text, reading);
            for secret in known.iter() {
                found.extend(view.places(secret.expose().as_bytes()));
            }
        }
        without(text, found)
    }

    /// Another's words as they may stand in an error: one line of bounded length, without secrets.
    pub(super) fn quote(&self, text: &str) -> String {
        one_line(&self.hide(text), MAX_WORDS)
    }
}

/// Another's words on one line, and no more than `most` characters of them.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let text = text.replace(breaks_a_line, " ");
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// A header's value that no debug output shows; `None` where it has bytes that no header may have.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The bytes that a part of a URL stands for.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(&first) = rest.first() {
        let (decoded, length) = if first == b'%' { percent(rest) } else { (None, 1) };
        bytes.push(decoded.unwrap_or(first));
        rest = &rest[length..];
    }
    bytes
}

/// Line breaks of every kind, other control characters, and those that turn the direction of a text.
fn breaks_a_line(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn without(text: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_by_key(|place| place.start);
    let mut result = String::with_capacity(text.len());
    let mut end = 0;
    for place in found {
        if place.start >= end {
            result.push_str(&text[end..place.start]);
            result.push_str(GAP);
        }
        end = end.max(place.end);
    }
    result.push_str(&text[end..]);
    result
}

/// How the bytes of a text are understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Plain,
    Percent,
    Form,
    Json,
}

/// A text as one reading understands it, in lower case, and where each byte of that comes from.
struct View {
    bytes: Vec<u8>,
    /// Where each byte begins in the text, and the end of the text.
    from: Vec<usize>,
}

impl View {
    fn new(text: &str, reading: Reading) -> Self {
        let (mut bytes, mut from) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
        let mut rest = text.as_bytes();
        while let Some(first) = rest.first() {
            let at = text.len() - rest.len();
            let (decoded, length) = match (reading, first) {
                (Reading::Percent | Reading::Form, b'%') => {
                    let (byte, length) = percent(rest);
                    (byte.map(Decoded::Byte), length)
                }
                (Reading::Form, b'+') => (None, 1),
                (Reading::Json, b'\\') => json(rest),
                _ => (None, 1),
            };
            let mut utf8 = [0; 4];
            let decoded = match decoded {
                Some(Decoded::Byte(byte)) => {
                    utf8[0] = byte;
                    &utf8[..1]
                }
                Some(Decoded::Char(char)) => char.encode_utf8(&mut utf8).as_bytes(),
                None if reading == Reading::Form && *first == b'+' => b" ",
                None => &rest[..length],
            };
            for byte in decoded {
                bytes.push(byte.to_ascii_lowercase());
                from.push(at);
            }
            rest = &rest[length..];
        }
        from.push(text.len());
        View { bytes, from }
    }

    /// Where a secret stands in the text. A secret begins and ends with a character, so each place does too.
    fn places<'v>(&'v self, secret: &'v [u8]) -> impl Iterator<Item = Range<usize>> + 'v {
        let windows = self.bytes.windows(secret.len()).enumerate();
        windows
            .filter(move |(_, window)| *window == secret)
            .map(|(at, _)| self.from[at]..self.from[at + secret.len()])
    }
}

enum Decoded {
    Byte(u8),
    Char(char),
}

/// `%41`: what it stands for, and its length.
fn percent(text: &[u8]) -> (Option<u8>, usize) {
    match hex(text.get(1..3)).and_then(|byte| u8::try_from(byte).ok()) {
        Some(byte) => (Some(byte), 3),
        None => (None, 1),
    }
}

/// `\"`, `\/`, `\n`, `\u0041`: what it stands for, and its length.
fn json(text: &[u8]) -> (Option<Decoded>, usize) {
    let plain = |char| (Some(Decoded::Char(char)), 2);
    match text.get(1) {
        Some(b'"') => plain('"'),
        Some(b'\\') => plain('\\'),
        Some(b'/') => plain('/'),
        Some(b'n') => plain('\n'),
        Some(b'r') => plain('\r'),
        Some(b't') => plain('\t'),
        Some(b'b') => plain('\u{8}'),
        Some(b'f') => plain('\u{c}'),
        Some(b'u') => match hex(text.get(2..6)).and_then(char::from_u32) {
            Some(char) => (Some(Decoded::Char(char)), 6),
            None => (None, 1),
        },
        _ => (None, 1),
    }
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever stands around a secret and however it is encoded, it is hidden and the rest stays.
        #[test]
        fn a_secret_is_hidden_in_any_text(
            before in "[ -~äé€]{0,30}",
            after in "[ -~äé€]{0,30}",
            form in 0..4usize,
        ) {
            let secrets = Secrets::default();
            secrets.add("pä/ss+\"wört");
            let form = [
                "pä/ss+\"wört",
                "p%C3%A4%2Fss%2B%22w%c3%b6rt",
                "pä\\/ss+\\\"w\\u00f6rt",
                "P\\u00e4/SS\\u002b\\\"WöRT",
            ][form];
            let hidden = secrets.hide(&format!("{before} {form}{after}"));
            prop_assert!(hidden.starts_with(&before) && hidden.contains(GAP), "{}", hidden);
            prop_assert!(!hidden.contains("ört") && !hidden.contains("%b6rt"), "{}", hidden);
        }
    }

    fn secrets() -> Secrets {
        let secrets = Secrets::default();
        secrets.add_pair("robot:hunter2");
        secrets.add_header("key-hunter2");
        secrets.add_header("Bearer abc.def.ghi");
        secrets.add_header(&format!("Basic {}", STANDARD.encode("other:letmein")));
        secrets.add_header("x");
        secrets.add("späte-tokens");
        secrets.add(r#"a "b" /c\d"#);
        secrets
    }

    #[test]
    fn a_secret_is_hidden_in_each_of_its_forms() {
        let secrets = secrets();
        for (text, hidden) in [
            ("robot has hunter2, HUNTER2", "robot has (a secret), (a secret)"),
            ("no key-hunter2 here", "no (a secret) here"),
            (&STANDARD.encode("robot:hunter2"), "(a secret)"),
            (STANDARD.encode("hunter2").trim_end_matches('='), "(a secret)"),
            ("abc.def.ghi or Bearer abc.def.ghi", "(a secret) or (a secret)"),
            ("letmein", "(a secret)"),
            ("ä SPäTE-TOKENS ä", "ä (a secret) ä"),
            ("sp%C3%A4te-tokens, %68unter%32!", "(a secret), (a secret)!"),
            ("a+%22b%22+%2Fc%5Cd", "(a secret)"),
            (r#"said \"a \"b\" \/c\\d\""#, r#"said \"(a secret)\""#),
            (r"sp\u00e4te-tok\u0065ns", "(a secret)"),
            ("100% of 5%2", "100% of 5%2"),
            (r"\u12 \x \", r"\u12 \x \"),
            ("x marks it", "x marks it"),
        ] {
            assert_eq!(secrets.hide(text), hidden);
        }
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }

    #[test]
    fn words_are_one_line_of_bounded_length() {
        let secrets = secrets();
        let long = format!("{}hunter2", "é".repeat(195));
        assert_eq!(secrets.quote(&long), format!("{}(a se...", "é".repeat(195)));
        assert_eq!(secrets.quote("a\r\nerror: \u{1b}[31mb\u{2028}c\u{202e}"), "a  error:  [31mb c ");
    }
}
