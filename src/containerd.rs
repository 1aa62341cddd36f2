//! The containerd behind the shunt: connections to it, how it is configured, its stores, and the files that it reads.
//!
//! Holds: a client's message is sent as it was given, and the answer comes back whole and unedited.
//! Not here: which call is made, and when (`serve`, `pull`).
//!
//! `link` connects to its socket; `unary` is one call of a client that a handler reads, `answer` is its answer; `share`
//! is how much may be in use at the same time. `typed` and `store` are for the shunt's own questions. `facts` is how it is
//! configured (`images_config` reads that, `logins` its own logins, `roots` says where it looks for `hosts.toml`); `watch`
//! learns it again after each restart, and `instance` holds all of it. `hosts` has the `hosts.toml` files that the shunt
//! keeps for it.

mod answer;
mod facts;
mod gzip;
pub mod hosts;
mod images_config;
mod instance;
mod link;
mod logins;
mod roots;
mod share;
mod store;
mod typed;
pub mod unary;
pub mod watch;

pub(crate) use answer::request;
pub use answer::{Answer, frame, unframe};
pub use facts::{Facts, FetchBy};
pub use instance::Containerd;
pub(crate) use link::UNSENT;
pub use link::{Away, Link, Windows};
pub use roots::{PullMode, Roots};
pub use share::{Share, Taken};
pub use store::{Arrived, Download, Have, Store, StoreError, is_id_record, record_names};
pub use typed::Cri;

/// The gRPC limit for one message of containerd and of the kubelet, in bytes
/// (containerd `defaults/defaults.go`, cri-client `pkg/utils.go`).
pub const MAX_MESSAGE: usize = 16 << 20;
