//! What is to be changed, step by step, and how the node would look after it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::node::Tree;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The program's own: it is there before a client needs it, and goes after them.
    Own,
    /// Of a client.
    Client,
}

/// What a path has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file with this text.
    Text(String),
    /// A copy of this program.
    Program,
    /// A link.
    Link(PathBuf),
}

/// One path that is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// On the node.
    pub path: PathBuf,
    /// What it becomes.
    pub content: Content,
    /// The text of which the new one was made, if there was one.
    pub was: Option<String>,
    /// The permissions of a file that was not there.
    pub mode: u32,
    /// Whose it is.
    pub part: Part,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// In this order.
    pub changes: Vec<Change>,
    /// The units of the clients that are changed, which read their files only when they start.
    pub clients: Vec<String>,
    /// What was asked for and is left alone, and why.
    pub left: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
    /// The clients that use the program, after the changes or already.
    pub served: Vec<String>,
}

/// A plan that is being made.
pub(super) struct Draft<'t> {
    tree: &'t Tree,
    texts: BTreeMap<PathBuf, String>,
    plan: Plan,
}

// === impl Draft ===

impl<'t> Draft<'t> {
    pub(super) fn of(tree: &'t Tree) -> Self {
        Draft { tree, texts: BTreeMap::new(), plan: Plan::default() }
    }

    /// The node as it is.
    pub(super) fn before(&self) -> &'t Tree {
        self.tree
    }

    /// The node as it would be with another text as well.
    pub(super) fn after(&self, path: &Path, text: &str) -> Result<Tree, String> {
        let planned = self.texts.iter().map(|(path, text)| (path.as_path(), text.as_str()));
        let all = planned.chain([(path, text)]);
        self.tree.with(all).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The text of a file, as far as it is planned.
    pub(super) fn text(&self, path: &Path) -> Option<String> {
        self.texts.get(path).cloned().or_else(|| self.tree.text(path))
    }

    pub(super) fn write(&mut self, path: &Path, text: String, mode: u32, part: Part) {
        self.texts.insert(path.to_owned(), text.clone());
        self.add(path, Content::Text(text), mode, part);
    }

    pub(super) fn add(&mut self, path: &Path, content: Content, mode: u32, part: Part) {
        self.plan.changes.retain(|change| change.path != path);
        let was = matches!(content, Content::Text(_)).then(|| self.tree.text(path)).flatten();
        self.plan.changes.push(Change { path: path.to_owned(), content, was, mode, part });
    }

    pub(super) fn restart(&mut self, unit: &str) {
        self.plan.clients.push(unit.to_owned());
    }

    pub(super) fn leave(&mut self, why: impl Into<String>) {
        self.plan.left.push(why.into());
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.plan.notes.push(what.into());
    }

    pub(super) fn serve(&mut self, client: impl Into<String>) {
        self.plan.served.push(client.into());
    }

    /// Whether any client uses the program then.
    pub(super) fn is_of_use(&self) -> bool {
        !self.plan.served.is_empty()
    }

    /// The program's own files come first.
    pub(super) fn done(mut self) -> Plan {
        self.plan.changes.sort_by_key(|change| change.part == Part::Client);
        self.plan
    }
}
