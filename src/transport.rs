//! What containerd is told of registry hosts: the `hosts.toml` files that the shunt keeps for it.
//!
//! Before: `config` has read what hosts need, and whether there is a fence.  After: containerd reads the
//! files at its next pull; `attend` keeps them, `status` and `check` tell of them.
//! Holds: a file or directory that a person made is never changed; every change is whole at once, and what
//! is ours shows it by its first line, so that a crash leaves nothing that the next start does not know.
//! Not here: when to look (`attend`), where containerd looks for the files (`upstream`).
//!
//! The way through the folder: `need` is what a host needs, `reach` all of it put together, `plan` makes files of all needs, `fence` those
//! of fenced registries, `file` writes their text, `keep` compares with the disk, `tree` changes it.
//! `found` reads the files of others, `differ` compares them with what is wanted. `certificate` looks at the files that are named in them.

mod advice;
mod certificate;
mod differ;
mod fence;
mod file;
mod found;
mod keep;
mod need;
mod plan;
mod reach;
mod tree;

pub use advice::set_up;
pub use certificate::{Fault, faults};
pub use differ::differing;
pub use fence::{Covered, Fence};
pub use found::{Redirect, hosts_toml, leads_to, redirect};
pub use keep::{Report, keep, survey};
pub use need::{HeaderValue, Transport, TransportNeed, Wanted, fold};
pub use plan::{Plan, plan};
pub use reach::Reach;
pub use tree::is_owned;
