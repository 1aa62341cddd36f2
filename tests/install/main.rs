//! `cri-shunt install` and `uninstall`: on made-up nodes as files, and on a node with a real systemd.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod edits;
mod refused;
#[path = "../support/mod.rs"]
mod support;
mod systemd;
mod tree;
