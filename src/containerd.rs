//! The containerd behind the shunt: the way to it, what it says of itself, and the files that it reads.
//!
//! Before: whoever has a call for containerd.  After: containerd.
//! Holds: what is sent is what was given, and an answer comes back whole and unedited.
//! Not here: which call is made, and when (`serve`, `pull`).
//!
//! `link` dials its socket; `unary` is one call of a client that a handler looks into, `answer` what comes
//! back; `typed` and `store` are for questions of the shunt's own. `facts` is how it is set up, `watch` learns
//! that again after each restart, and `instance` holds all of it. `hosts` are the `hosts.toml` files that the
//! shunt keeps for it.

mod answer;
mod facts;
pub mod hosts;
mod instance;
mod link;
mod proxy;
mod store;
mod typed;
pub mod unary;
pub mod watch;

pub(crate) use answer::request;
pub use answer::{Answer, frame, unframe};
pub use facts::Facts;
pub use instance::Containerd;
pub use link::{Away, Link};
pub use store::{Store, StoreError, record_names};
pub use typed::Cri;

/// The gRPC limit for one message of containerd and of the kubelet, in bytes
/// (containerd `defaults/defaults.go`, cri-client `pkg/utils.go`).
pub const MAX_MESSAGE: usize = 16 << 20;
