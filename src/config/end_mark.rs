//! The end mark: a file says how its last line reads, so that a file that was cut is known as one.
//!
//! Holds: a file that announces a mark and does not end in it is refused.

use super::diagnostic::{Problem, Texts};
use super::refusal::Refusal;
use super::section::Section;

/// The key, which stands before all tables.
const KEY: &str = "end-mark";

/// Checks the end of a file that says how it ends.
pub(super) fn check(root: &mut Section<'_>, texts: &Texts, out: &mut Vec<Problem>) {
    let Some(set) = root.parse(KEY, out, mark) else { return };
    // A copy has no comments. The file was whole when it was made.
    if texts.copies().is_some() || last_line(texts.content(set.at.text)) == Some(&set.value) {
        return;
    }
    let hint = "write the whole file again; its last line is this text as a comment, after a `#`";
    out.push(
        Problem::error("this file does not end in its end mark: a part of it is missing")
            .at(&set.at)
            .hint(hint),
    );
}

fn mark(text: &str) -> Result<String, Refusal> {
    let is_line = !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control);
    is_line.then(|| text.to_owned()).ok_or_else(|| {
        Refusal::new("this cannot be the text of a line")
            .hint("write the text of the last line, which is a comment, without its `#`")
    })
}

/// The text of the comment that is the last line; lines with nothing in them do not count.
fn last_line(content: &str) -> Option<&str> {
    content.trim_end().lines().next_back()?.trim_start().strip_prefix('#').map(str::trim)
}
