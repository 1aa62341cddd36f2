//! What containerd is told of registry hosts: the `hosts.toml` files that the shunt keeps for it.
//!
//! Before: `config` has read what hosts need, and whether there is a fence.  After: containerd reads the
//! files at its next pull; `attend` keeps them, `status` and `check` tell of them.
//! Holds: a file or directory that a person made is never changed; every change is whole at once, and what
//! is ours shows it by its first line, so that a crash leaves nothing that the next start does not know.
//! Not here: when to look (`attend`), where containerd looks for the files (`upstream`).
//!
//! The way through the folder: `host_settings` is what a host needs, `wanted` and `host_config` all of it put together, `plan` makes files of all needs, `fence` those
//! of fenced registries, `file` writes their text, `reconcile` compares with the disk, `tree` changes it.
//! `existing` reads the files of others, `diff` compares them with what is wanted. `certificate` looks at the files that are named in them.

mod advice;
mod certificate;
mod diff;
mod existing;
mod fence;
mod file;
mod host_config;
mod host_settings;
mod plan;
mod reconcile;
mod tree;
mod wanted;

pub use advice::set_up;
pub use certificate::{Fault, faults};
pub use diff::differing;
pub use existing::{Redirect, hosts_toml, leads_to, redirect};
pub use fence::{Covered, Fence};
pub use host_settings::{Transport, TransportNeed};
pub use plan::{Plan, plan};
pub use reconcile::{Report, keep, survey};
pub use tree::is_owned;
pub use wanted::{Wanted, fold};
