//! Reads the text of one file of a source.
//!
//! Before: a reader knows which file it wants.  After: the reader parses the text.
//! Holds: a file that cannot be had is a problem.
//! Not here: how a file is read (`config::text`).

use std::path::Path;

use super::super::diagnostic::{Problem, TextId, Texts};
use super::super::text;

pub(in crate::config) use super::super::text::{list, problem, take};

/// Reads a file into `texts`; what is wrong is in `out`.
pub(in crate::config) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<TextId> {
    let bytes = text::bytes(path, texts);
    take(path, bytes, texts, out)
}
