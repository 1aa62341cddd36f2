//! cri-shunt: one image policy at containerd's CRI socket.
//!
//! The modules stand in the order in which a request meets them.

pub mod cli;

pub mod config;
pub mod listener;
pub mod policy;
pub mod telemetry;
pub mod upstream;
pub mod wire;
