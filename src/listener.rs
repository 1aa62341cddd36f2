//! The socket that kubelet, crictl and kubeadm connect to.
//!
//! Before: `app` names the path.  After: each accepted stream, repaired by `authority`, goes to the
//! HTTP/2 server in front of `router`.

pub mod authority;
pub mod socket;
