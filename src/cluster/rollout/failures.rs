//! How many nodes have failed, whoever has begun them: two rollouts at once have one limit.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use crate::cluster::node::Node;

/// The failures of this rollout, and those that others have noted since it has begun.
#[derive(Default)]
pub(super) struct Failures {
    /// Its own. Those of before count where only new nodes are wanted.
    own: Cell<usize>,
    /// The notes of before: on which node, by which rollout.
    before: BTreeSet<(String, Option<String>)>,
    /// The nodes of others.
    others: RefCell<BTreeSet<String>>,
}

// === impl Failures ===

impl Failures {
    /// As it is at the start: these nodes have failed before.
    pub(super) fn since(before: &[Node]) -> Self {
        Self { before: before.iter().map(mark).collect(), ..Self::default() }
    }

    pub(super) fn total(&self) -> usize {
        self.own.get() + self.others.borrow().len()
    }

    pub(super) fn add(&self, count: usize) {
        self.own.set(self.own.get() + count);
    }

    /// The nodes that others have failed on until now. One that is put right meanwhile does not count any more.
    pub(super) fn note_all<'n>(&self, of_others: impl Iterator<Item = &'n Node>) {
        self.others.borrow_mut().clear();
        of_others.for_each(|node| self.note(node));
    }

    /// Whether a node is as it has failed before.
    pub(super) fn is_of_before(&self, node: &Node) -> bool {
        self.before.contains(&mark(node))
    }

    /// A node that somebody else has begun.
    pub(super) fn note(&self, node: &Node) {
        if !self.is_of_before(node) {
            self.others.borrow_mut().insert(node.name.clone());
        }
    }
}

fn mark(node: &Node) -> (String, Option<String>) {
    (node.name.clone(), node.by.clone())
}
