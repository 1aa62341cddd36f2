//! Reads a source that is one file.

use std::path::Path;

use super::super::diagnostic::{Problem, TextId, Texts};
use super::super::draft::Imported;
use super::super::text;

/// What `add` makes of the text of a file. Where there is an error, nothing of the file counts.
pub(super) fn read(
    path: &Path,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
    add: impl FnOnce(TextId, &Texts, &mut Imported, &mut Vec<Problem>),
) -> Imported {
    let before = out.len();
    let mut imported = Imported::default();
    if let Some(text) = text::read(path, texts, out) {
        add(text, texts, &mut imported, out);
    }
    if out[before..].iter().any(Problem::is_error) {
        return Imported::default();
    }
    imported
}
