//! The byte order mark, which some editors on Windows write at the beginning of a text in UTF-8.
//!
//! Holds: a file of another program is read as that program reads it. Go's YAML, dockerd and containers' `registries.conf` read
//! past the mark, and so do the TOML and the YAML of the shunt's own files. Go's JSON, containerd 2's TOML and all that is one line
//! or PEM do not: there the mark is an error, and all say it in the same words.

/// The mark.
pub const MARK: char = '\u{feff}';

/// What a file is told that must not begin with it.
pub const REFUSED: &str = "it begins with a byte order mark (BOM): save it as UTF-8 without one";

/// Whether these bytes begin with the mark.
#[must_use]
pub fn is_before(bytes: &[u8]) -> bool {
    bytes.starts_with("\u{feff}".as_bytes())
}

/// The text behind the mark, if there is one.
#[must_use]
pub fn without(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}
