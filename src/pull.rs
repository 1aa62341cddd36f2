//! Handles the calls about images, and keeps names and files in place for them.
//!
//! PullImage, in the order of its steps: `image` decides; `candidate` takes one candidate: `auth` chooses the login,
//! the registry is asked for the digest, `verify` looks for the signatures of it that the rule demands, `contents` looks at what containerd would run, `fetch` has containerd fetch
//! it, as long as something arrives (`stalled`); `finish` gives the image its name (`adopt`) and its `provenance`. `record` is what happened, and `report`
//! tells it. `outage` answers with the image on the node if no registry can serve and the rule says so; `same_login` tells
//! whether the client may have it. A pull that no rule changes goes on as it came; `credential_scope` binds its login where that is needed.
//!
//! `lookup` has ImageStatus and CreateContainer, `pause_image` the image that containerd would pull by itself;
//! `own` is how the shunt asks for that one.
//! `brought` counts bytes, `hosts_files` keeps containerd's `hosts.toml` files, `leftovers` removes what a crash left behind,
//! `upgrade` what the version before left.

mod adopt;
mod auth;
mod brought;
mod candidate;
mod contents;
mod credential_scope;
pub mod failure;
mod fetch;
mod fetched;
mod finish;
#[cfg(test)]
mod fixture;
pub mod hosts_files;
mod image;
pub mod leftovers;
mod locked;
pub mod lookup;
mod outage;
mod own;
pub mod pause_image;
mod provenance;
mod record;
mod recorder;
mod same_login;
mod stalled;
mod under_way;
pub mod upgrade;
mod verify;

pub use contents::{Walk, machine};
pub use image::pull_image;
pub use provenance::Provenance;
pub use record::{Class, Verified};
pub use verify::{Asks, Lacking, Place, Quest, SIGNATURES_WITHIN, holds_when_away, sealed};
