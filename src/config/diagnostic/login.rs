//! Logins inside of a text: what stands before the host in a URL, and behind its question mark.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A word with an `@` in it, or the query of a URL.
static LOGIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([^\s"'`]*@[^\s"'`]*)|\?([\w.%-]+=[^\s"'`]*)"#).ok());

/// What stands before the digest of an image is its tag.
const DIGESTS: [&str; 3] = ["@sha256:", "@sha384:", "@sha512:"];

/// Whether there may be one.
pub(super) fn is_in(text: &str) -> bool {
    !find(text).is_empty()
}

/// The text with stars for logins.
pub(super) fn hidden(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    for range in find(text).into_iter().rev() {
        let stars = "*".repeat(range.len());
        out.to_mut().replace_range(range, &stars);
    }
    out
}

fn find(text: &str) -> Vec<Range<usize>> {
    if !text.contains(['@', '?']) {
        return Vec::new();
    }
    let Some(login) = LOGIN.as_ref() else { return Vec::from([Range { start: 0, end: text.len() }]) };
    let hidden = |found: Captures<'_>| {
        if let Some(query) = found.get(2) {
            return Some(query.range());
        }
        let word = found.get(1)?;
        let is_digest = |at: usize| DIGESTS.iter().any(|digest| word.as_str()[at..].starts_with(digest));
        let (end, _) = word.as_str().rmatch_indices('@').find(|(at, _)| !is_digest(*at))?;
        let end = word.start() + end;
        let start = beginning(&text[..end], word.start());
        let start = start + behind_scheme(&text[start..end]);
        (start < end).then_some(start..end)
    };
    login.captures_iter(text).filter_map(hidden).collect()
}

/// Where the login at the end of a text begins, whose last word begins at `word`. A password may contain blanks and
/// quotes: in a quotation everything is part of it, else an earlier word that looks like a user and a password.
fn beginning(text: &str, word: usize) -> usize {
    if text[word..].contains("://") {
        return word;
    }
    let bytes = text.as_bytes();
    // A quote inside of a password is escaped, or another character is before it.
    let opens =
        |at: usize| at == 0 || bytes[at - 1].is_ascii_whitespace() || b"([{=,.<".contains(&bytes[at - 1]);
    let closes = |at: usize| bytes[at - 1] != b'\\' && b" :;,.)]".contains(&bytes[at + 1]);
    let mut free = 0;
    if let Some((open, quote)) = text[..word].rmatch_indices(['"', '`']).find(|(at, _)| opens(*at)) {
        let mut quotes = text[..word - 1].match_indices(quote).map(|(at, _)| at);
        match quotes.find(|at| *at > open && closes(*at)) {
            None => return open + 1,
            Some(close) => free = close + 1,
        }
    }
    let looks = |part: &str| part.find(':').is_some_and(|colon| colon + 1 < part.len());
    let mut parts = text[free..word].split_inclusive(' ').scan(free, |at, part| {
        *at += part.len();
        Some((*at - part.len(), part.trim()))
    });
    parts.find(|(_, part)| looks(part)).map_or(word, |(at, _)| at)
}

/// The length of the scheme at the start of a login.
fn behind_scheme(login: &str) -> usize {
    match login.find("://") {
        Some(at) if !login[..at].contains(':') => at + 3,
        _ if login.starts_with("//") => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::hidden;

    #[test]
    fn what_stands_before_a_host_is_hidden() {
        let rows = [
            ("- https://u:pw@m.dev/v2", "- https://****@m.dev/v2"),
            ("- u:pw@m.dev/v2", "- ****@m.dev/v2"),
            ("- u:p/w@m.dev", "- *****@m.dev"),
            ("- https://u:p@pw@n.dev", "- https://******@n.dev"),
            ("- https://u:p/w@n.dev", "- https://*****@n.dev"),
            ("- https://u:/pw@n.dev", "- https://*****@n.dev"),
            ("[https://m.dev, \"https://ghp_x@o.dev\"]", "[https://m.dev, \"https://*****@o.dev\"]"),
            ("https://m.dev/v2?key=pw is bad", "https://m.dev/v2?****** is bad"),
            ("image: m.de:5000/x:1@sha256:00", "image: m.de:5000/x:1@sha256:00"),
            ("u:pw@m.de/x:1@sha512:00", "****@m.de/x:1@sha512:00"),
            ("out: pw@m.de (so)", "out: **@m.de (so)"),
            ("https://m.dev/a@b", "https://*******@b"),
            ("did you mean `x`?", "did you mean `x`?"),
            ("\"u:p w@m.dev\" is bad", "\"*****@m.dev\" is bad"),
            ("\"https://u:p w@m.dev\" is bad", "\"https://*****@m.dev\" is bad"),
            ("`host.https://u:p w@m.dev.ca`: bad", "`host.https://*****@m.dev.ca`: bad"),
            ("leave it out: u:p w@m.dev", "leave it out: *****@m.dev"),
            ("\"u:p\\\"w@m.dev\" is bad", "\"******@m.dev\" is bad"),
            ("\"u:p'w@m.dev\" is bad", "\"*****@m.dev\" is bad"),
            ("\"u:p`w@m.dev\" is bad", "\"*****@m.dev\" is bad"),
            ("\"u:p//w@m.dev\" is bad", "\"******@m.dev\" is bad"),
            ("for `a.dev:5000`: u:p w@m.dev", "for `a.dev:5000`: *****@m.dev"),
            ("\"u:p @m.dev\" is bad", "\"****@m.dev\" is bad"),
            ("a digest begins with @ or so: x", "a digest begins with @ or so: x"),
            ("`a`: \"b\" is u:p@m.dev", "`a`: \"b\" is ***@m.dev"),
            ("https://a.dev, https://u:p@m.dev", "https://a.dev, https://***@m.dev"),
        ];
        for (text, expected) in rows {
            assert_eq!(hidden(text), expected);
        }
    }
}
