//! Where a text has secrets, by the look of it.
//!
//! Before: `text` has read a file, which may turn out to be broken.  After: diagnostics show stars there.
//! Holds: rather too much is hidden than too little, for a diagnostic may end in a log: what follows a key
//! that speaks of a secret, up to the end of the line, and what stands for a password in a URL.
//! Not here: secrets that spread over several lines.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let key = r#"(?i)[\w-]*(?:password|passwd|token|secret|authorization|auth|api-?key)["']?[ \t]*[:=][ \t]*\[?[ \t]*"#;
    let value = r#"("(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s{\["'][^\n]*)"#;
    Regex::new(&format!("{key}{value}|//[^/@\\s]*:([^/@\\s]+)@")).ok()
});

/// The stretches that are not to be shown.
pub(in crate::config) fn secrets(content: &str) -> Vec<Range<usize>> {
    let Some(secret) = SECRET.as_ref() else { return Vec::from([Range { start: 0, end: content.len() }]) };
    let value = |found: regex::Captures<'_>| found.get(1).or_else(|| found.get(2)).map(|part| part.range());
    secret.captures_iter(content).filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::secrets;

    #[test]
    fn what_speaks_of_a_secret_is_hidden_to_the_end_of_the_line() {
        let rows = [
            ("  password: pa,ss # x", "  password: *********"),
            (
                "{\"auth\":{\"username\":\"u\",\"password\":\"p\\\"q\"},\"x\":1}",
                "{\"auth\":{\"username\":\"u\",\"password\":******},\"x\":1}",
            ),
            ("auth: {username: u, password: p}", "auth: {username: u, password: **"),
            ("auth:\n  username: u", "auth:\n  username: u"),
            ("auth: 'user:pass'", "auth: ***********"),
            ("identity_token = \"x", "identity_token = **"),
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
