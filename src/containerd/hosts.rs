//! The `hosts.toml` files that the shunt keeps for containerd, which reads them at each pull.
//!
//! Holds: a file or directory that a person or another program made is never changed. Every change is whole at once,
//! and the shunt's files show by their first line whose they are, so that the next start after a crash knows them.
//!
//! `host_settings` is one thing that a host needs; `wanted` and `host_config` put all of it together. `private` gives
//! an endpoint a host of its own, where a pull needs one. `plan` has the files for a policy (`planned`): `fence` those
//! of fenced registries, `by_ns` those for mirrors that are told of the registry, and `below` the rules that prevent
//! both. `reconcile` brings the disk to them. `file` makes the text, `tree` changes the disk, and `place` has the names
//! there. `existing` reads the files that are there, whoever made them; `diff` compares those of others with what is
//! wanted. `eject` removes all of them. `certificate` looks at the certificate files that hosts need, `advice` says how to
//! configure containerd.

mod advice;
mod below;
mod by_ns;
mod certificate;
mod diff;
mod eject;
mod existing;
mod fence;
mod file;
mod host_config;
mod host_settings;
mod place;
mod plan;
mod planned;
mod private;
mod reconcile;
mod tree;
mod wanted;

pub use advice::{no_private_hosts, set_up};
pub use certificate::HostFile;
pub use diff::differing;
pub use eject::{Ejected, eject};
pub use existing::{Redirect, hosts_toml, leads_to, redirect, serves};
pub use fence::{Covered, Fence};
pub use host_settings::{Transport, TransportNeed};
pub use place::{DEFAULT, is_owned};
pub use plan::{Plan, plan};
pub use private::{NotWritten, PrivateHosts, is_private, is_unread_private_host};
pub use reconcile::{Report, keep, survey};
pub use wanted::{Endpoints, Wanted, fold};
