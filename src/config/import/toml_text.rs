//! Comments, keys and values of the TOML that an import writes.
//!
//! Holds: nothing in a file or a name can break out of its comment or string.

use std::fmt::Write;

use crate::config::diagnostic::visible;

/// The length of a line from which on an array gets one line for each element.
const WIDTH: usize = 100;

/// One line of comment; an empty one gets no `#`.
pub(super) fn comment(text: &str, out: &mut String) {
    if !text.is_empty() {
        out.push_str("# ");
        // A line break in a file's name would end the comment.
        out.push_str(&visible(text).replace('\n', "\\n"));
    }
    out.push('\n');
}

/// One key on a line of its own.
pub(super) fn key(name: &str, value: &str, out: &mut String) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{name} = {value}");
}

pub(super) fn array(name: &str, elements: Vec<String>, out: &mut String) {
    let line = format!("[{}]", elements.join(", "));
    if name.len() + line.len() + 3 <= WIDTH {
        return key(name, &line, out);
    }
    let lines: String = elements.iter().map(|element| format!("    {element},\n")).collect();
    key(name, &format!("[\n{lines}]"), out);
}

/// A string on one line. It is a literal string where that saves doubled backslashes.
pub(super) fn string(text: &str) -> String {
    if text.contains('\\') && !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        // Writing to a String does not fail.
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            '\n' => write!(out, "\\n"),
            '\t' => write!(out, "\\t"),
            c if c.is_control() => write!(out, "\\u{:04X}", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}
