//! Parses YAML into a tree of nodes.
//!
//! Holds: anchors, aliases and merge keys are resolved, up to a limit. A scalar keeps the text that was written
//! (`0123`, `yes`). Each key is in a mapping once.
//! Not here: how the tree is built (`build`); the parser itself (the crate granit-parser).

mod build;
mod scalar;
mod syntax;
#[cfg(test)]
mod tests;

use super::diagnostic::{Problem, TextId};
use super::node::Node;

/// Parses a text with any number of documents, in their order. `None` where its syntax is broken.
pub(super) fn documents(text: TextId, content: &str, out: &mut Vec<Problem>) -> Option<Vec<Node>> {
    match build::documents(text, content, usize::MAX, out) {
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
    match build::document(text, content, out) {
        Ok(node) => Some(node),
        Err(problem) => {
            out.push(*problem);
            None
        }
    }
}
