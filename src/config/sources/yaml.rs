//! A YAML document as a tree in which every node knows its place.
//!
//! Before: `text` has read the file.  After: the readers of YAML formats take values out, one mapping at a
//! time, and report everything that is wrong with them.
//! Holds: anchors, aliases and merge keys are resolved, within a budget; a scalar keeps the text that was
//! written (`0123`, `yes`); a key stands once in a mapping.
//! Not here: what keys mean; how the tree is put together (`build`); the parser itself (granit-parser).

mod build;
mod scalar;
#[cfg(test)]
mod tests;

use granit_parser::ScanError;

use super::super::diagnostic::{Problem, Span, TextId};

/// A value and where it stands. What an alias stands for has the place of the alias.
#[derive(Clone, Debug)]
pub(in crate::config) struct Node {
    pub(in crate::config) at: Span,
    pub(in crate::config) value: Value,
}

#[derive(Clone, Debug)]
pub(in crate::config) enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// A boolean, and how it is written: YAML 1.1 knows `yes` and `on` as well.
    Bool(bool, String),
    /// A number as it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(in crate::config) struct Key {
    pub(in crate::config) at: Span,
    pub(in crate::config) text: String,
}

/// Parses a text that has one document. None where it is too broken to look into, with the reason in
/// `out`; an empty document is `Null`.
pub(in crate::config) fn parse(text: TextId, content: &str, out: &mut Vec<Problem>) -> Option<Node> {
    match build::document(text, content, out) {
        Ok(node) => Some(node),
        Err(problem) => {
            out.push(*problem);
            None
        }
    }
}

fn syntax_problem(text: TextId, content: &str, error: &ScanError) -> Problem {
    let words = error.info();
    let at = error.marker().byte_offset().filter(|at| content.is_char_boundary(*at));
    // For what is wrong with the syntax the parser counts characters only.
    let at = at.unwrap_or_else(|| {
        content.char_indices().nth(error.marker().index()).map_or(content.len(), |(at, _)| at)
    });
    let (range, hint) = match indenting_tab(content, at, words.contains("tab")) {
        Some(tab) => (tab..tab + 1, Some("YAML is indented by spaces, never by tabs")),
        // Of a line's end there is nothing to show but that it is there.
        None => {
            (at..at + content[at..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8), None)
        }
    };
    Problem::error(format!("this is not YAML: {words}")).at(&Span { text, range }).maybe_hint(hint)
}

/// The tab behind a complaint, where it is a tab in front of a line: the parser points behind it, or in front
/// of the line where it has not `named` a tab but was led astray by one.
fn indenting_tab(content: &str, at: usize, named: bool) -> Option<usize> {
    let mut start = content[..at].rfind('\n').map_or(0, |newline| newline + 1);
    // A tab on a line further down can be one of a block of text, where tabs are allowed.
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

// === impl Node ===

impl Node {
    /// A scalar's text, whatever YAML takes it for; none for `null`, lists and mappings.
    pub(in crate::config) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Bool(_, text) | Value::Number(text) | Value::Text(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What it is, in words.
    pub(in crate::config) fn type_name(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(..) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}
