//! Reads `registries.yaml`.

use std::path::Path;

use super::super::diagnostic::{Problem, Texts};
use super::{Imported, text, yaml};

/// Reads a source.
pub(super) fn read(
    path: &Path,
    _disable_default_endpoint: bool,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) -> Imported {
    let mut imported = Imported::default();
    imported.files.push(path.to_path_buf());
    let Some(text) = text::read(path, texts, out) else { return imported };
    let _document = yaml::parse(text, texts.content(text), out);
    imported
}
