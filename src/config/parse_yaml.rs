//! Parses YAML into a tree of nodes.
//!
//! JSON is YAML, except that it may be indented by tabs; so these count as blanks in JSON.
//!
//! Holds: anchors, aliases and merge keys are resolved, up to a limit. A scalar keeps the text that was written
//! (`0123`, `yes`). Each key is in a mapping once.
//! Not here: how the tree is built (`build`); the parser itself (the crate granit-parser).

mod build;
mod scalar;
mod syntax;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub(super) use self::syntax::is_json;
use super::diagnostic::{Problem, TextId};
use super::node::Node;

/// Parses a text with any number of documents, in their order. `None` where its syntax is broken.
pub(super) fn documents(text: TextId, content: &str, out: &mut Vec<Problem>) -> Option<Vec<Node>> {
    match build::documents(text, &without_tabs(content), usize::MAX, out) {
        Ok(nodes) => Some(nodes),
        Err(problem) => {
            out.push(*problem);
            None
        }
    }
}

/// Parses a text with one document. `None` where its syntax is broken, with the reason in
/// `out`; an empty document is `Null`.
pub(super) fn parse(text: TextId, content: &str, out: &mut Vec<Problem>) -> Option<Node> {
    match build::document(text, &without_tabs(content), out) {
        Ok(node) => Some(node),
        Err(problem) => {
            out.push(*problem);
            None
        }
    }
}

/// The text with blanks in place of the tabs that indent JSON. All places stay the same.
fn without_tabs(content: &str) -> Cow<'_, str> {
    if !is_json(content) || !content.contains('\t') {
        return Cow::Borrowed(content);
    }
    let mut text = String::with_capacity(content.len());
    for line in content.split_inclusive('\n') {
        let bare = line.trim_start_matches([' ', '\t']);
        text.extend(std::iter::repeat_n(' ', line.len() - bare.len()));
        text.push_str(bare);
    }
    Cow::Owned(text)
}
