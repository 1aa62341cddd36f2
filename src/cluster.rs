//! What the nodes of a cluster get from it: the files of the policy, and the program itself, node by node.
//!
//! `tree` copies files that a pod has mounted to the node, and takes them away again. `rollout` goes from node to node: it makes a
//! Job for each from a `template`, and writes down on each `node` how it ended. `api` is the client of the cluster's API, and
//! `account` is as whom it asks.
//! Not here: what a Job does on its node.

mod account;
mod api;
mod node;
mod rollout;
mod share;
mod template;
mod tree;

pub use account::Account;
pub use api::{Api, answered};
pub use node::{Node, Note};
pub use rollout::{Goal, Rollout, Total, Weight};
pub use share::Share;
pub use template::{Progress, Template, last_words, limit, lives};
pub use tree::{Tree, TreeError};
