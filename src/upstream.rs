//! The way to containerd: its socket, its HTTP/2 connections, its CRI and native services.
//!
//! Before: whoever has a call for containerd.  After: containerd.
//! Holds: what is sent is what was given, and an answer comes back whole and unedited.
//! Not here: which call is made, and when; see `relay`, `pull`, `lookup`, `sweep`.

mod answer;
mod facts;
mod link;
mod proxy;
mod store;
mod typed;

pub use answer::{Answer, frame, unframe};
pub(crate) use answer::{GRPC_TIMEOUT, own_metadata, request};
pub use facts::Facts;
pub use link::{Away, Link};
pub use store::{Store, StoreError};
pub use typed::{Cri, LinkBody};

/// The gRPC limit for one message of containerd and of the kubelet, in bytes
/// (containerd `defaults/defaults.go`, cri-client `pkg/utils.go`).
pub const MAX_MESSAGE: usize = 16 << 20;
