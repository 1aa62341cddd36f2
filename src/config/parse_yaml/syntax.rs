//! Problems with the syntax of YAML, with the right place.

use granit_parser::ScanError;

use crate::config::diagnostic::{Problem, Span, TextId};
use crate::files::byte_order_mark;

/// Whether a text is JSON by its first sign.
pub(in crate::config) fn is_json(content: &str) -> bool {
    byte_order_mark::without(content).trim_start().starts_with('{')
}

pub(super) fn syntax_problem(text: TextId, content: &str, error: &ScanError) -> Problem {
    let words = error.info();
    let at = error.marker().byte_offset().filter(|at| content.is_char_boundary(*at));
    // For syntax errors the parser only counts characters.
    let at = at.unwrap_or_else(|| {
        content.char_indices().nth(error.marker().index()).map_or(content.len(), |(at, _)| at)
    });
    let (range, hint) = match indenting_tab(content, at, words.contains("tab")) {
        Some(tab) => (tab..tab + 1, Some("YAML is indented by spaces, never by tabs")),
        // The end of a line has no character to mark.
        None => {
            (at..at + content[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8), None)
        }
    };
    // What begins with `{{` is a template for YAML.
    let is_template = byte_order_mark::without(content).trim_start().starts_with("{{");
    let what = if is_json(content) && !is_template { "JSON" } else { "YAML" };
    Problem::error(format!("this is not {what}: {words}")).at(&Span { text, range }).maybe_hint(hint)
}

/// The tab that caused a complaint, if it is a tab in the indentation: the parser points after it, or before
/// the line if it does not name the tab (`named`).
fn indenting_tab(content: &str, at: usize, named: bool) -> Option<usize> {
    let mut start = content[..at].rfind('\n').map_or(0, |newline| newline + 1);
    // A tab on a later line can be inside a block of text, where tabs are allowed.
    let lines = if named { usize::MAX } else { 1 };
    for line in content[start..].split_inclusive('\n').take(lines) {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        if let Some(tab) = indent.find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}
