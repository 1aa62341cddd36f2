//! Logins inside of a text: what stands before the host in a URL, and behind its question mark.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A word with an `@` in it, or the query of a URL.
static LOGIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([^\s"'`]+@[^\s"'`]*)|\?([\w.%-]+=[^\s"'`]*)"#).ok());

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
        let start = word.as_str()[..end].find("//").map_or(0, |scheme| scheme + 2);
        Some(word.start() + start..word.start() + end)
    };
    login.captures_iter(text).filter_map(hidden).collect()
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
        ];
        for (text, expected) in rows {
            assert_eq!(hidden(text), expected);
        }
    }
}
