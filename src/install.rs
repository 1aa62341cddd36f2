//! Puts the program in front of a node's containerd, and takes it away again: what is changed on the disk.
//!
//! Holds: a file is changed by the smallest edit, and only if the readers of `node` then find what was meant; what is not
//! understood is left alone. What was there is kept before anything is changed, and comes back byte for byte. Each step
//! can be repeated after a kill.
//! Not here: systemd, and whether it works (`cli::install`).
//!
//! `edit` has the edits, text in and text out. `own` plans the program's own files, `clients` with `written` those of the clients
//! of a `node`; a `draft` has what is planned so far. `work` does it and takes it back, and `record` says what was done; `disk` has single files. `diff` shows
//! a change.

mod clients;
mod diff;
mod disk;
mod draft;
mod edit;
mod node;
mod own;
mod record;
#[cfg(test)]
mod tests;
mod work;
mod written;

pub use diff::shown;
pub use draft::{Change, Content, Part, Plan};
pub use node::{Client, Node};
pub use own::{CONFIG, SERVICE, SOCKET, Wanted, has_units};
pub use record::{DIRECTORY, Pending, Record};
pub use work::{Restored, apply, is_same, note_down, restore};

use crate::node::Tree;

/// All that has to be changed for these clients.
///
/// # Errors
/// Why nothing may be changed at all.
pub fn plan(node: &Node<'_>, clients: &[Client], own: &Wanted<'_>) -> Result<Plan, String> {
    let mut draft = draft::Draft::of(node.tree);
    clients::plan(node, clients, &mut draft)?;
    if draft.is_of_use() {
        own::plan(node, own, &mut draft)?;
    }
    let plan = draft.done();
    let is_unread = |change: &&draft::Change| {
        matches!(change.content, Content::Text(_))
            && node.tree.has(&change.path)
            && node.tree.text(&change.path).is_none()
    };
    match plan.changes.iter().find(is_unread) {
        Some(change) => Err(format!("{} is there and cannot be read", change.path.display())),
        None => Ok(plan),
    }
}

/// Whether the node labels its files for SELinux.
pub fn has_selinux(tree: &Tree) -> bool {
    let text = tree.text(std::path::Path::new("/etc/selinux/config")).unwrap_or_default();
    let mode = text.lines().rev().find_map(|line| line.trim().strip_prefix("SELINUX="));
    mode.is_some_and(|mode| mode.trim() != "disabled")
}
